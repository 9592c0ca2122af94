// Unit tests: a file's image given to whoever saves it, and taken back.
#include "ecc/pack/crc32c.hpp"
#include "tests/support/cold_files.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

namespace gmemfs {
namespace {

using test::Bytes;
using test::code_of;
using test::ColdTest;
using test::must;
using test::noise;
using test::weights;
using ImageOf = File::ImageOf;

constexpr uid_t kReader = 7;

class ImageTest : public ColdTest {
protected:
    explicit ImageTest(const Storage::Limits &limits = {}) : ColdTest(limits) {}

    std::unique_ptr<OpenImage> open(File &file, ImageOf which) {
        return must(file.open_image(copiers(), which, kReader));
    }
    static Bytes bytes_of(const OpenImage &image) {
        const auto to = simulation().buffer().bytes().first(image.size());
        EXPECT_EQ(must(image.read(copiers(), 0, to)), image.size());
        return Bytes(to.begin(), to.end());
    }
    /// What the image of a file with these bytes is.
    Bytes image_of(const Bytes &bytes) {
        const auto file = with(bytes);
        return bytes_of(*open(*file, ImageOf::any));
    }
    /// Which is exactly as long, as `restore` makes it.
    std::unique_ptr<File> written(const Bytes &image, Protection protection = Protection::none) {
        auto file = make(protection);
        must(file->resize(copiers(), image.size()));
        write(*file, 0, image);
        return file;
    }
    std::string refusal(const Bytes &image) {
        const auto file = written(image);
        const std::uint64_t used = storage_.space().used;
        const Result<void> taken = file->take_image(copiers());
        EXPECT_EQ(code_of(taken), EBADMSG);
        EXPECT_EQ(file->residence(), Residence::plain);
        EXPECT_TRUE(all_of(*file) == image) << "the file is as it was";
        EXPECT_EQ(storage_.space().used, used);
        return taken ? "" : taken.error().text();
    }
};

TEST_F(ImageTest, APackedFileGivesTheImageThatItHas) {
    const Bytes bytes = weights(7 * MiB + 12345, 1);
    const auto file = packed(bytes);
    const std::uint64_t generation = file->generation(), used = storage_.space().used;
    const auto image = open(*file, ImageOf::packed);
    EXPECT_TRUE(image->origin().is_own);
    EXPECT_EQ(image->origin().plain_size, bytes.size());
    EXPECT_LT(image->size(), bytes.size() * 3 / 4);
    EXPECT_EQ(storage_.space().used, used) << "nothing is copied";
    EXPECT_EQ(file->residence(), Residence::packed);
    EXPECT_EQ(file->generation(), generation);
    EXPECT_TRUE(bytes_of(*image) == image_of(bytes)) << "an image depends on the bytes alone";
}

TEST_F(ImageTest, APlainFilesImageIsMadeBesideIt) {
    const Bytes bytes = weights(5 * MiB + 77, 2);
    const auto file = with(bytes);
    const Digest digest = must(file->digest(copiers()));
    const std::uint64_t generation = file->generation(), used = storage_.space().used;
    EXPECT_EQ(code_of(file->open_image(copiers(), ImageOf::packed, kReader)), ENODATA);
    {
        const auto image = open(*file, ImageOf::any);
        EXPECT_FALSE(image->origin().is_own);
        EXPECT_EQ(image->origin().digest, digest);
        EXPECT_EQ(storage_.space().used, used + 4 * MiB);
        EXPECT_EQ(file->residence(), Residence::plain);
        EXPECT_EQ(file->generation(), generation);
        must(file->resize(copiers(), 0));
        const auto taken = written(bytes_of(*image));
        must(taken->take_image(copiers()));
        EXPECT_TRUE(all_of(*taken) == bytes) << "whatever becomes of the file";
    }
    EXPECT_EQ(storage_.space().used, 0U);
}

TEST_F(ImageTest, AnOpenImageOutlivesItsFilesWaking) {
    const Bytes bytes = weights(5 * MiB, 3);
    const auto file = packed(bytes);
    const auto image = open(*file, ImageOf::packed);
    const Bytes before = bytes_of(*image);
    write(*file, 0, noise(MiB));
    EXPECT_EQ(file->residence(), Residence::plain);
    EXPECT_TRUE(bytes_of(*image) == before);
}

TEST_F(ImageTest, WhatWouldSaveNothingStaysPlain) {
    EXPECT_EQ(code_of(with(noise(4 * MiB))->open_image(copiers(), ImageOf::any, kReader)), ENODATA);
    EXPECT_EQ(code_of(with(Bytes(10000))->open_image(copiers(), ImageOf::any, kReader)), ENODATA);
    EXPECT_EQ(code_of(make()->open_image(copiers(), ImageOf::any, kReader)), ENODATA);
}

TEST_F(ImageTest, PeersKeepAFilesImage) {
    const auto file = with(Bytes(4 * MiB));
    file->lease_began();
    EXPECT_EQ(code_of(file->open_image(copiers(), ImageOf::any, kReader)), EBUSY);
    EXPECT_EQ(code_of(file->take_image(copiers())), EBUSY);
    file->lease_ended();
    must(file->fabric_handles(copiers()));
    EXPECT_EQ(code_of(file->open_image(copiers(), ImageOf::any, kReader)), EBUSY);
}

TEST_F(ImageTest, ADamagedImageIsNotGiven) {
    const Bytes bytes = weights(8 * MiB, 4);
    const auto bare = packed(bytes);
    must(bare->damage(copiers(), MiB, MiB, 100, 1));
    EXPECT_EQ(code_of(bare->open_image(copiers(), ImageOf::packed, kReader)), EIO);
    const auto safe = packed(bytes, Protection::parity);
    must(safe->damage(copiers(), 400 * KiB, 128 * KiB, 3, 2));
    EXPECT_TRUE(bytes_of(*open(*safe, ImageOf::packed)) == image_of(bytes)) << "parity has mended it";
}

TEST_F(ImageTest, AnImageThatWasTakenIsThePackedFile) {
    for (const Protection protection : {Protection::none, Protection::parity}) {
        const Bytes bytes = weights(7 * MiB + 12345, 5);
        const Bytes image = image_of(bytes);
        const auto file = written(image, protection);
        const std::uint64_t generation = file->generation(), used = storage_.space().used;
        must(file->take_image(copiers()));
        EXPECT_EQ(file->residence(), Residence::packed);
        EXPECT_EQ(file->size(), bytes.size());
        EXPECT_NE(file->generation(), generation) << "the memory is the same, and means something else";
        EXPECT_EQ(storage_.space().used, used) << "nothing is copied";
        EXPECT_EQ(file->allocated(), 6 * MiB);
        EXPECT_EQ(file->mappable(), 8 * MiB);
        EXPECT_TRUE(all_of(*file) == bytes);
        EXPECT_EQ(code_of(file->take_image(copiers())), EALREADY);
        if (protection == Protection::parity) {
            EXPECT_TRUE(must(file->check_parity(ParityMode::verify, 0, file->allocated())).left_wrong.empty());
            must(file->damage(copiers(), MiB, 128 * KiB, 3, 2));
        }
        must(file->resize(copiers(), 8 * MiB));
        EXPECT_EQ(file->residence(), Residence::plain);
        Bytes longer = bytes;
        longer.resize(8 * MiB);
        EXPECT_TRUE(all_of(*file) == longer) << "new bytes are zeros";
    }
}

TEST_F(ImageTest, AnImageInPiecesIsTakenAsOne) {
    const Bytes bytes = weights(6 * MiB, 6), image = image_of(bytes);
    const auto file = make(); // as cp(1) writes it: no size is known before
    for (std::size_t at = 0; at < image.size(); at += 700000) {
        const auto from = image.begin() + static_cast<std::ptrdiff_t>(at);
        write(*file, at,
            Bytes(from, from + static_cast<std::ptrdiff_t>(std::min<std::size_t>(700000, image.size() - at))));
    }
    must(file->share(copiers(), File::ShareBy::either)); // by a lease that has ended; somebody may have mapped it still
    must(file->take_image(copiers()));
    EXPECT_TRUE(all_of(*file) == bytes);
    const Bytes zeros(8 * MiB), small = image_of(zeros);
    EXPECT_LT(small.size(), 4096U);
    const auto slot = make();
    write(*slot, 0, small);
    EXPECT_TRUE(slot->is_shared());
    must(slot->take_image(copiers()));
    EXPECT_TRUE(all_of(*slot) == zeros);
}

// The image of 5 MiB and 77 bytes, after `change`, with checksums of the table and the header that fit.
class MadeUpImageTest : public ImageTest {
protected:
    struct Parts {
        ImageHeader header;
        ImageTable table;
    };
    std::string refusal_of(const std::function<void(Bytes &image, Parts &parts)> &change) {
        Bytes image = image_of(weights(5 * MiB + 77, 7));
        const auto head = std::span<const std::byte, kImageHeaderSize>(image.data(), kImageHeaderSize);
        Parts parts = {must(parse_header(head, image.size())), {}};
        const std::size_t table_size = parts.header.chunk_count * sizeof(ImageEntry);
        parts.table = must(parse_table(parts.header, std::span(image).subspan(kImageHeaderSize, table_size)));
        change(image, parts);
        const auto table = std::as_bytes(std::span(parts.table.entries));
        parts.header.table_checksum = crc32c(table);
        std::ranges::copy(header_bytes(parts.header), image.begin());
        std::ranges::copy(table, image.begin() + kImageHeaderSize);
        return refusal(image);
    }
    /// Gives the entry's packed bytes the checksum that fits.
    static void mend(const Bytes &image, ImageEntry &entry) {
        entry.checksum = crc32c(std::span(image).subspan(entry.offset(), entry.length()));
    }
    static void expect(const std::string &said, const char *what) {
        EXPECT_NE(said.find(what), std::string::npos) << said;
    }
};

TEST_F(MadeUpImageTest, WhatIsNoImageIsRefused) {
    expect(refusal(noise(3 * MiB)), "it doesn't begin with GMEMPAK1");
    expect(refusal(Bytes(10)), "it is too short");
    EXPECT_EQ(code_of(make()->take_image(copiers())), EBADMSG);
    Bytes image = image_of(weights(5 * MiB, 8));
    image.resize(image.size() - 64);
    expect(refusal(image), "doesn't fit into");
    image.resize(image.size() + 128);
    expect(refusal(image), "it says that it has");
    image.resize(image.size() - 64);
    image[16] ^= std::byte(1);
    expect(refusal(image), "its checksum is wrong");
}

TEST_F(MadeUpImageTest, HeaderAndTableAreNotBelieved) {
    expect(refusal_of([](Bytes &, Parts &parts) {
        parts.header.plain_size += 1;
        parts.header.chunk_count = 1;
    }),
        "chunks don't make");
    expect(refusal_of([](Bytes &, Parts &parts) { parts.header.plain_size = UINT64_MAX; }), "chunks don't make");
    expect(refusal_of([](Bytes &, Parts &parts) { parts.table.entries[3].place += 1; }), "chunk 3");
    expect(refusal_of([](Bytes &, Parts &parts) { parts.table.entries[5].packed |= 9U << 24; }), "no codec");
    expect(refusal_of([](Bytes &, Parts &parts) { parts.table.entries[2].zero = 1; }), "must be zeros");
}

TEST_F(MadeUpImageTest, ChunksAreNotBelieved) {
    expect(refusal_of([](Bytes &image, Parts &parts) { image[parts.table.entries[4].offset() + 100] ^= std::byte(1); }),
        "chunk 4: its checksum is wrong");
    // A checksum that fits: then the chunk contradicts itself.
    expect(refusal_of([](Bytes &image, Parts &parts) {
        ImageEntry &entry = parts.table.entries[6];
        ASSERT_EQ(entry.codec(), Codec::bf16);
        image[entry.offset() + FloatLayout<2>::kStarts + 10] ^= std::byte(1);
        mend(image, entry);
    }),
        "chunk 6: its bytes contradict themselves");
    // What growth would bring to light.
    expect(refusal_of([](Bytes &image, Parts &parts) {
        ImageEntry &entry = parts.table.entries.back();
        ASSERT_EQ(entry.codec(), Codec::bf16);
        image[entry.offset() + 1000] ^= std::byte(1); // the mantissa of a value far behind the end
        mend(image, entry);
    }),
        "something lies behind the end of the file");
}

class FullImageTest : public ImageTest {
protected:
    FullImageTest() : ImageTest(Storage::Limits{.capacity = 14 * MiB, .quotas = {{kReader, 4 * MiB}}}) {}
};

TEST_F(FullImageTest, TheImageIsChargedToItsReader) {
    const auto file = with(weights(5 * MiB, 9));
    {
        const auto image = open(*file, ImageOf::any);
        EXPECT_EQ(storage_.quotas().report().at(kReader).used, 4 * MiB);
        EXPECT_EQ(code_of(file->open_image(copiers(), ImageOf::any, kReader)), EDQUOT);
    }
    EXPECT_EQ(storage_.quotas().report().at(kReader).used, 0U);
    open(*file, ImageOf::any);
}

TEST_F(FullImageTest, AnImageNeedsRoom) {
    const Bytes bytes = weights(5 * MiB, 10);
    const auto file = with(bytes), other = make();
    must(other->resize(copiers(), 6 * MiB));
    EXPECT_EQ(code_of(file->open_image(copiers(), ImageOf::any, kReader)), ENOSPC);
    EXPECT_EQ(storage_.quotas().report().at(kReader).used, 0U);
    EXPECT_TRUE(all_of(*file) == bytes);
}

} // namespace
} // namespace gmemfs
