// Fuzzer: the bytes of a snapshot, as they are and with checksums that fit: read to the end or refused, never believed.
#include "tools/snapshot/reader.hpp"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using namespace gmemfs;

void read_whole(std::span<const std::byte> bytes) {
    Fd file(::memfd_create("snapshot", MFD_CLOEXEC));
    GMEMFS_ASSERT(::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    Result<std::unique_ptr<SnapshotReader>> reader = SnapshotReader::create(std::move(file), "input");
    if (!reader) {
        GMEMFS_ASSERT(reader.error().code == EBADMSG || reader.error().code == EPROTONOSUPPORT);
        return;
    }
    const std::vector<SnapshotEntry> &entries = (*reader)->entries();
    for (std::size_t index = 0; index < entries.size(); ++index) {
        GMEMFS_ASSERT(index == 0 || (!entries[index].name.empty() && entries[index].parent < index));
        GMEMFS_ASSERT(entries[index].name.find('/') == std::string::npos && entries[index].name != "..");
        if (index < 100) GMEMFS_ASSERT(!(*reader)->path_of(index).empty());
    }
    static std::vector<std::byte> buffer(kSnapshotChunk);
    std::uint64_t bytes_left = (*reader)->totals().data_bytes;
    for (;;) {
        const Result<std::optional<SnapshotChunk>> chunk = (*reader)->next(buffer);
        if (!chunk) return GMEMFS_ASSERT(chunk.error().code == EBADMSG);
        if (!*chunk) return GMEMFS_ASSERT(bytes_left == 0);
        const std::uint32_t entry = (*chunk)->entry;
        const SnapshotImage *const image = (*reader)->image_of(entry);
        GMEMFS_ASSERT(image == nullptr || image->size < entries[entry].size);
        const std::uint64_t data_size = image != nullptr ? image->size : entries[entry].size;
        GMEMFS_ASSERT((*chunk)->offset + (*chunk)->size <= data_size);
        bytes_left -= plain_part(**chunk, data_size, entries[entry].size);
    }
}

// Walks the records as a reader would, and gives each, and each chunk's data, and the end, the checksum that fits.
void mend(std::span<std::byte> bytes) {
    std::uint32_t all = 0;
    std::memcpy(bytes.data(), kSnapshotMagic, kSnapshotMagicSize);
    for (std::size_t at = kSnapshotMagicSize; at + kRecordHead < bytes.size();) {
        std::uint32_t length = 0;
        std::memcpy(&length, bytes.data() + at, sizeof length);
        if (length == 0 || length > bytes.size() - at - kRecordHead) return;
        const std::span<std::byte> body = bytes.subspan(at + kRecordHead, length);
        std::size_t stored = 0;
        if (const Result<SnapshotChunk> chunk = decode_chunk(body)) {
            stored = std::min<std::size_t>(chunk->stored, bytes.size() - at - kRecordHead - length);
            static const std::vector<std::byte> zeros(kSnapshotChunk);
            const std::uint32_t crc = checksum(
                stored != 0 ? bytes.subspan(at + kRecordHead + length, stored) : std::span(zeros).first(chunk->size));
            std::memcpy(body.data() + body.size() - sizeof crc, &crc, sizeof crc);
        }
        if (decode_end(body)) std::memcpy(body.data() + body.size() - sizeof all, &all, sizeof all);
        const std::uint32_t crc = checksum(body);
        std::memcpy(bytes.data() + at + sizeof length, &crc, sizeof crc);
        all = checksum_of_checksums(all, crc);
        at += kRecordHead + length + stored;
    }
}

// A small snapshot that is right; the input changes it where random bytes would rarely come that far.
std::vector<std::byte> seed(std::uint32_t version) {
    std::vector<std::byte> bytes(kSnapshotMagicSize);
    const auto put = [&](const std::vector<std::byte> &record) {
        bytes.insert(bytes.end(), record.begin(), record.end());
    };
    put(encode(SnapshotTotals{4, 9, 0, version}));
    SnapshotEntry entry;
    entry.mode = 040755;
    put(encode(entry));
    entry.mode = 0100644;
    entry.name = "file";
    entry.size = 9;
    entry.attributes = {{"user.a", "b"}};
    put(encode(entry));
    entry.attributes.clear();
    entry.name = "hard";
    entry.size = 0;
    entry.link_to = 1;
    put(encode(entry));
    entry.link_to = kNoEntry;
    entry.name = "link";
    entry.mode = 0120777;
    entry.target = "file";
    put(encode(entry));
    const std::uint32_t size = version > kSnapshotVersionPlain ? 7 : 9; // of the image, or of the file
    if (version > kSnapshotVersionPlain) put(encode(SnapshotImage{1, size, true, {}}));
    put(encode(SnapshotChunk{1, 0, size, size, 0}));
    bytes.resize(bytes.size() + size);
    put(encode(SnapshotEnd{1, size, 0}));
    return bytes;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto input = std::as_bytes(std::span(data, size));
    read_whole(input);
    std::vector<std::byte> mended(input.begin(), input.end());
    mended.resize(std::max(mended.size(), kSnapshotMagicSize));
    mend(mended);
    read_whole(mended);
    // Each three bytes of the input are a place in the seed, and what is put there.
    for (const std::uint32_t version : {kSnapshotVersionPlain, kSnapshotVersion}) {
        std::vector<std::byte> changed = seed(version);
        for (std::size_t at = 0; at + 3 <= size; at += 3)
            changed[(data[at] | data[at + 1] << 8U) % changed.size()] = static_cast<std::byte>(data[at + 2]);
        mend(changed);
        read_whole(changed);
    }
    return 0;
}
