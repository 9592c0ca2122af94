// Unit tests: a snapshot's format: what is written is read again, and nothing else is.
#include "tools/snapshot/reader.hpp"
#include "tools/snapshot/writer.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <unistd.h>

namespace gmemfs {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> body_of(const std::vector<std::byte> &record) {
    return std::span(record).subspan(kRecordHead);
}

SnapshotEntry folder() {
    SnapshotEntry entry;
    entry.mode = S_IFDIR | 0755;
    return entry;
}

SnapshotEntry file(const std::string &name, std::uint64_t size) {
    SnapshotEntry entry;
    entry.name = name;
    entry.mode = S_IFREG | 0640;
    entry.size = size;
    return entry;
}

class Snapshot : public ::testing::Test {
protected:
    Snapshot() { fs::create_directory(folder_); }
    ~Snapshot() override { fs::remove_all(folder_); }

    // A chunk of `letter`s; 0 makes zeros.
    static Result<void> put(
        SnapshotWriter &writer, std::uint32_t entry, std::uint64_t offset, std::uint32_t size, char letter) {
        std::vector<std::byte> buffer(kChunkDataAt + size, static_cast<std::byte>(letter));
        SnapshotChunk chunk;
        chunk.entry = entry;
        chunk.offset = offset;
        chunk.size = size;
        return writer.put_chunk(chunk, buffer);
    }
    // Reads all; the error's code, or 0.
    int read_all() const {
        Result<std::unique_ptr<SnapshotReader>> reader = SnapshotReader::open(path_);
        if (!reader) return reader.error().code;
        std::vector<std::byte> buffer(kSnapshotChunk);
        for (;;) {
            const Result<std::optional<SnapshotChunk>> chunk = (*reader)->next(buffer);
            if (!chunk) return chunk.error().code;
            if (!*chunk) return 0;
        }
    }
    void write(const std::vector<SnapshotEntry> &entries, const std::vector<SnapshotChunk> &chunks) const {
        auto writer = SnapshotWriter::create(path_);
        ASSERT_TRUE(writer);
        ASSERT_TRUE((*writer)->put_index(entries, SnapshotWriter::Images::none));
        for (const SnapshotChunk &chunk : chunks)
            ASSERT_TRUE(put(**writer, chunk.entry, chunk.offset, chunk.size, 'x'));
        ASSERT_TRUE((*writer)->finish({}));
        ASSERT_TRUE((*writer)->publish());
    }

    const fs::path folder_ = fs::temp_directory_path() / ("gmemfs-snapshot-test." + std::to_string(::getpid()));
    const std::string path_ = folder_ / "snapshot";
};

TEST(SnapshotFormat, AnEntryComesBackWithAllItHas) {
    SnapshotEntry entry = file("a name\n", 12345678901);
    entry.parent = 7;
    entry.uid = 1;
    entry.gid = 2;
    entry.accessed = {-5, 999999999};
    entry.modified = {1600000000, 1};
    entry.attributes = {{"user.a", std::string("\0b", 2)}, {"user.empty", ""}};
    const Result<SnapshotEntry> read = decode_entry(body_of(encode(entry)));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->name, entry.name);
    EXPECT_EQ(read->parent, 7U);
    EXPECT_EQ(read->size, entry.size);
    EXPECT_EQ(read->accessed.tv_sec, -5);
    EXPECT_EQ(read->accessed.tv_nsec, 999999999);
    ASSERT_EQ(read->attributes.size(), 2U);
    EXPECT_EQ(read->attributes[0].value, std::string("\0b", 2));
    EXPECT_EQ(encode(*read), encode(entry));
}

TEST(SnapshotFormat, AnEntryThatIsCutAnywhereIsRefused) {
    SnapshotEntry entry = file("name", 5);
    entry.attributes = {{"user.a", "b"}};
    const std::vector<std::byte> record = encode(entry);
    for (std::size_t size = 0; size < body_of(record).size(); ++size)
        EXPECT_FALSE(decode_entry(body_of(record).first(size))) << size;
    EXPECT_TRUE(decode_entry(body_of(record)));
}

TEST(SnapshotFormat, NamesThatLeadElsewhereAreRefused) {
    for (const std::string name : {"..", ".", "a/b", "/"})
        EXPECT_FALSE(decode_entry(body_of(encode(file(name, 0))))) << name;
    EXPECT_FALSE(decode_entry(body_of(encode(file(std::string("a\0b", 3), 0)))));
    EXPECT_FALSE(decode_entry(body_of(encode(file(std::string(256, 'a'), 0)))));
    EXPECT_TRUE(decode_entry(body_of(encode(file(std::string(255, 'a'), 0)))));
}

TEST(SnapshotFormat, AttributesThatNobodyMaySetAreRefused) {
    for (const std::string name :
        {"security.selinux", "security.", "trusted.", "user.", "", "system.posix_acl_access", "other.a"}) {
        SnapshotEntry entry = file("name", 0);
        entry.attributes = {{name, "value"}};
        EXPECT_FALSE(decode_entry(body_of(encode(entry)))) << name;
    }
    for (const std::string name : {"security.capability", "trusted.a"}) { // root may
        SnapshotEntry entry = file("name", 0);
        entry.attributes = {{name, "value"}};
        EXPECT_TRUE(decode_entry(body_of(encode(entry)))) << name;
    }
    SnapshotEntry listed = file("name", 0); // an access control list that is one: rw-rw-r--
    listed.attributes = {{"system.posix_acl_access",
        std::string("\2\0\0\0\1\0\6\0\xff\xff\xff\xff\4\0\6\0\xff\xff\xff\xff\x20\0\4\0\xff\xff\xff\xff", 28)}};
    EXPECT_TRUE(decode_entry(body_of(encode(listed))));
}

TEST(SnapshotFormat, AnotherVersionIsNamed) {
    std::vector<std::byte> record = encode(SnapshotTotals{1, 0, 0});
    record[kRecordHead + 1] = std::byte(9);
    const Result<SnapshotTotals> totals = decode_totals(body_of(record));
    ASSERT_FALSE(totals);
    EXPECT_EQ(totals.error().code, EPROTONOSUPPORT);
    EXPECT_NE(totals.error().text().find("version 9"), std::string::npos);
}

TEST_F(Snapshot, WhatIsWrittenIsReadAndZerosTakeNoRoom) {
    {
        auto writer = SnapshotWriter::create(path_);
        ASSERT_TRUE(writer);
        ASSERT_TRUE((*writer)->put_index(
            {folder(), file("a", kSnapshotChunk + 5), file("b", 3)}, SnapshotWriter::Images::none));
        ASSERT_TRUE(put(**writer, 2, 0, 3, 'b'));
        ASSERT_TRUE(put(**writer, 1, kSnapshotChunk, 5, 'a'));
        ASSERT_TRUE(put(**writer, 1, 0, kSnapshotChunk, 0));
        ASSERT_TRUE((*writer)->finish({}));
        EXPECT_FALSE(fs::exists(path_));
        ASSERT_TRUE((*writer)->publish());
    }
    EXPECT_LT(fs::file_size(path_), 1000U);
    auto reader = SnapshotReader::open(path_);
    ASSERT_TRUE(reader);
    EXPECT_EQ((*reader)->totals().data_bytes, kSnapshotChunk + 8);
    std::vector<std::byte> buffer(kSnapshotChunk, std::byte(1));
    EXPECT_EQ((**(*reader)->next(buffer)).entry, 2U);
    EXPECT_EQ(buffer[2], std::byte('b'));
    EXPECT_EQ((**(*reader)->next(buffer)).offset, kSnapshotChunk);
    EXPECT_EQ((**(*reader)->next(buffer)).stored, 0U);
    EXPECT_EQ(buffer[2], std::byte(0));
    EXPECT_FALSE((*(*reader)->next(buffer)).has_value());
}

// Of several threads that read a stream one meets the error, and the others would take what follows for records.
TEST_F(Snapshot, AfterAnErrorNobodyReadsOn) {
    {
        auto writer = SnapshotWriter::create(path_);
        ASSERT_TRUE(writer);
        ASSERT_TRUE((*writer)->put_index({folder(), file("a", 3)}, SnapshotWriter::Images::none));
        ASSERT_TRUE(put(**writer, 1, 0, 3, 'a'));
        ASSERT_TRUE((*writer)->finish({}));
        ASSERT_TRUE((*writer)->publish());
    }
    std::ifstream written(path_, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(written)), {});
    int ends[2] = {};
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const Fd from(ends[0]);
    Fd to(ends[1]);
    for (const std::string &part : {bytes, bytes})
        ASSERT_EQ(::write(to.get(), part.data(), part.size()), static_cast<ssize_t>(part.size()));
    to.reset();
    auto reader = SnapshotReader::open("/proc/self/fd/" + std::to_string(from.get()));
    ASSERT_TRUE(reader);
    std::vector<std::byte> buffer(kSnapshotChunk);
    EXPECT_TRUE((*reader)->next(buffer));
    for (int turn = 0; turn < 3; ++turn) {
        const auto chunk = (*reader)->next(buffer);
        ASSERT_FALSE(chunk);
        EXPECT_NE(chunk.error().detail.find("something follows its end"), std::string::npos) << chunk.error().text();
    }
}

TEST_F(Snapshot, WhatIsNotPublishedLeavesNothing) {
    {
        auto writer = SnapshotWriter::create(path_);
        ASSERT_TRUE(writer);
        ASSERT_TRUE((*writer)->put_index({folder()}, SnapshotWriter::Images::none));
        EXPECT_FALSE(fs::exists(path_));
    }
    EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Snapshot, EveryBitAndEveryLengthCounts) {
    write({folder(), file("a", 5)}, {{1, 0, 5, 0, 0}});
    ASSERT_EQ(read_all(), 0);
    std::ifstream stream(path_, std::ios::binary);
    const std::string whole((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    const auto try_bytes = [&](const std::string &bytes) {
        std::ofstream(path_, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<long>(bytes.size()));
        return read_all();
    };
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        std::string changed = whole;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
        ASSERT_EQ(try_bytes(changed), EBADMSG) << "bit " << bit;
    }
    for (std::size_t size = 0; size < whole.size(); ++size)
        ASSERT_EQ(try_bytes(whole.substr(0, size)), EBADMSG) << size;
    EXPECT_EQ(try_bytes(whole + "x"), EBADMSG);
    EXPECT_EQ(try_bytes(whole), 0);
}

TEST_F(Snapshot, ChunksThatAreMissingOrTwiceOrOutOfPlaceAreRefused) {
    const std::vector<SnapshotEntry> entries = {folder(), file("a", kSnapshotChunk + 5)};
    const auto size = static_cast<std::uint32_t>(kSnapshotChunk);
    const std::vector<std::vector<SnapshotChunk>> wrong = {{}, {{1, 0, size, 0, 0}},
        {{1, 0, size, 0, 0}, {1, 0, size, 0, 0}}, {{1, 0, size, 0, 0}, {1, kSnapshotChunk, 6, 0, 0}},
        {{1, 0, size, 0, 0}, {1, 2 * kSnapshotChunk, 5, 0, 0}}, {{1, 0, size, 0, 0}, {0, kSnapshotChunk, 5, 0, 0}},
        {{1, 0, size, 0, 0}, {9, kSnapshotChunk, 5, 0, 0}}};
    for (const std::vector<SnapshotChunk> &chunks : wrong) {
        write(entries, chunks);
        EXPECT_EQ(read_all(), EBADMSG) << chunks.size();
    }
    write(entries, {{1, kSnapshotChunk, 5, 0, 0}, {1, 0, size, 0, 0}});
    EXPECT_EQ(read_all(), 0);
}

TEST_F(Snapshot, EntriesThatDontFitTogetherAreRefused) {
    SnapshotEntry orphan = file("b", 0), link = file("b", 0);
    orphan.parent = 1;
    link.link_to = 2;
    for (const SnapshotEntry &second : {orphan, link, file("a", 0), file("", 0)}) {
        write({folder(), file("a", 0), second}, {});
        EXPECT_EQ(read_all(), EBADMSG) << second.name;
    }
    link.link_to = 1;
    write({folder(), file("a", 0), link}, {});
    EXPECT_EQ(read_all(), 0);
}

// Of two files the first one has an image of 5 MiB; `put` may do otherwise.
class SnapshotOfImages : public Snapshot {
protected:
    using Put = std::function<void(SnapshotWriter &)>;
    void write(SnapshotWriter::Images images, const Put &put_all) const {
        auto writer = SnapshotWriter::create(path_);
        ASSERT_TRUE(writer);
        ASSERT_TRUE((*writer)->put_index({folder(), file("a", 3 * kSnapshotChunk), file("b", 3)}, images));
        put_all(**writer);
        ASSERT_TRUE((*writer)->finish({}));
        ASSERT_TRUE((*writer)->publish());
    }
    int reads(const Put &put_all) const {
        write(SnapshotWriter::Images::some, put_all);
        return read_all();
    }
    static constexpr std::uint32_t kMore = 1000; // bytes of the image behind its first chunk
    static void put_image(SnapshotWriter &writer, std::uint32_t entry, std::uint64_t size) {
        ASSERT_TRUE(writer.put_image({entry, size, true, {}}));
    }
    static void put_all(SnapshotWriter &writer) {
        put_image(writer, 1, kSnapshotChunk + kMore);
        ASSERT_TRUE(put(writer, 1, kSnapshotChunk, kMore, 'x'));
        ASSERT_TRUE(put(writer, 2, 0, 3, 'b'));
        ASSERT_TRUE(put(writer, 1, 0, kSnapshotChunk, 'x'));
    }
};

TEST(SnapshotFormat, AnImageComesBackWithAllItHas) {
    SnapshotImage image = {5, 12345678901, false, {}};
    Result<SnapshotImage> read = decode_image(body_of(encode(image)));
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->digest || read->was_packed);
    image.was_packed = true;
    image.digest.emplace().fill(std::byte(7));
    const std::vector<std::byte> record = encode(image);
    read = decode_image(body_of(record));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->entry, 5U);
    EXPECT_EQ(read->size, image.size);
    EXPECT_TRUE(read->was_packed);
    EXPECT_EQ(read->digest, image.digest);
    for (std::size_t size = 0; size < body_of(record).size(); ++size)
        EXPECT_FALSE(decode_image(body_of(record).first(size))) << size;
    image.size = 0;
    EXPECT_FALSE(decode_image(body_of(encode(image))));
}

TEST_F(SnapshotOfImages, AnImageIsReadInThePlaceOfItsFile) {
    write(SnapshotWriter::Images::some, put_all);
    const auto reader = SnapshotReader::open(path_);
    ASSERT_TRUE(reader) << reader.error().text();
    EXPECT_EQ((*reader)->totals().version, 3U);
    EXPECT_EQ((*reader)->image_of(1), nullptr) << "not known yet";
    std::vector<std::byte> buffer(kSnapshotChunk);
    std::uint64_t image_bytes = 0, plain_bytes = 0;
    for (;;) {
        const Result<std::optional<SnapshotChunk>> chunk = (*reader)->next(buffer);
        ASSERT_TRUE(chunk) << chunk.error().text();
        if (!*chunk) break;
        if ((*chunk)->entry != 1) continue;
        ASSERT_NE((*reader)->image_of(1), nullptr);
        EXPECT_EQ((*reader)->image_of(2), nullptr);
        image_bytes += (*chunk)->size;
        plain_bytes += plain_part(**chunk, (*reader)->image_of(1)->size, (*reader)->entries()[1].size);
    }
    EXPECT_EQ(image_bytes, kSnapshotChunk + kMore);
    EXPECT_EQ(plain_bytes, 3 * kSnapshotChunk);
    EXPECT_EQ((*reader)->images().size(), 1U);
}

TEST_F(SnapshotOfImages, WithoutOneAnOlderVersionIsWritten) {
    write(SnapshotWriter::Images::none, [](SnapshotWriter &writer) {
        for (std::uint64_t at = 0; at < 3; ++at) ASSERT_TRUE(put(writer, 1, at * kSnapshotChunk, kSnapshotChunk, 'x'));
        ASSERT_TRUE(put(writer, 2, 0, 3, 'b'));
    });
    const auto reader = SnapshotReader::open(path_);
    ASSERT_TRUE(reader) << reader.error().text();
    EXPECT_EQ((*reader)->totals().version, 2U);
}

TEST_F(SnapshotOfImages, WhatDoesntFitIsRefused) {
    EXPECT_EQ(reads(put_all), 0);
    EXPECT_EQ(reads([](SnapshotWriter &writer) { // as large as the file, or larger
        put_image(writer, 2, 3);
        put_all(writer);
    }),
        EBADMSG);
    EXPECT_EQ(reads([](SnapshotWriter &writer) { // of no file
        put_image(writer, 0, 1);
        put_all(writer);
    }),
        EBADMSG);
    EXPECT_EQ(reads([](SnapshotWriter &writer) { // of nothing
        put_image(writer, 9, 1);
        put_all(writer);
    }),
        EBADMSG);
    EXPECT_EQ(reads([](SnapshotWriter &writer) { // twice
        put_image(writer, 1, kSnapshotChunk + kMore);
        put_all(writer);
    }),
        EBADMSG);
    EXPECT_EQ(reads([](SnapshotWriter &writer) { // behind a chunk of the file
        ASSERT_TRUE(put(writer, 1, 2 * kSnapshotChunk, kSnapshotChunk, 'x'));
        put_all(writer);
    }),
        EBADMSG);
    EXPECT_EQ(reads([](SnapshotWriter &writer) { // a chunk behind its end
        put_all(writer);
        ASSERT_TRUE(put(writer, 1, 2 * kSnapshotChunk, kSnapshotChunk, 'x'));
    }),
        EBADMSG);
    EXPECT_EQ(reads([](SnapshotWriter &writer) { // not all of its chunks
        put_image(writer, 1, kSnapshotChunk + kMore);
        ASSERT_TRUE(put(writer, 1, 0, kSnapshotChunk, 'x'));
        ASSERT_TRUE(put(writer, 2, 0, 3, 'b'));
    }),
        EBADMSG);
    write(SnapshotWriter::Images::none, put_all); // in a version that has none
    EXPECT_EQ(read_all(), EBADMSG);
}

} // namespace
} // namespace gmemfs
