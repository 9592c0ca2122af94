#include "tools/snapshot/given_image.hpp"

#include "client/wire/file_control.hpp"
#include "ecc/digest/digest.hpp"
#include "ecc/pack/packer.hpp"
#include "tools/host/side_by_side.hpp"
#include "vmm/base/all_bytes.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

constexpr std::uint64_t kBatch = 32; // chunks that a thread decodes at a time: 4 MiB of the file

Error damaged(const std::string &how) {
    return {EBADMSG, 0, "restore image", how + "; use another copy of the snapshot"};
}

Result<void> wake(int file, const SnapshotImage &image) {
    cold_control::ColdState state;
    if (::ioctl(file, cold_control::kWake, &state) != 0)
        return Error{errno, 0, "unpack", errno == ENOSPC ? "no room for its bytes: restore with --packed" : ""};
    if (!image.digest) return {};
    char text[256] = {};
    if (::fgetxattr(file, "user.gmemfs.digest", text, sizeof text - 1) < 0) return {}; // this mount makes none
    return text == digest_text(*image.digest) ? Result<void>() : damaged("the file's digest is another one");
}

Result<ImageTable> read_table(int from) {
    struct stat status = {};
    if (::fstat(from, &status) != 0) return Error{errno, 0, "stat", {}};
    const auto size = static_cast<std::uint64_t>(status.st_size);
    std::array<std::byte, kImageHeaderSize> bytes;
    if (size < bytes.size()) return damaged("it is too short");
    TRY(read_all(from, bytes, 0, is_interrupted));
    const ImageHeader header = TRY(parse_header(bytes, size));
    if (header.image_size != size) return damaged("its size isn't what its header says");
    std::vector<std::byte> table(header.chunk_count * sizeof(ImageEntry));
    TRY(read_all(from, table, kImageHeaderSize, is_interrupted));
    ImageTable parsed = TRY(parse_table(header, table));
    TRY(parsed.check_portable());
    return parsed;
}

// Chunks [first, first + count), read, decoded and written.
Result<void> unpack_batch(int from, int to, const ImageTable &table, std::uint64_t first, std::uint64_t count) {
    using Quads = std::vector<Packer::Quad>;
    const std::uint64_t start = table.entries[first].offset();
    const ImageEntry &last = table.entries[first + count - 1];
    Quads packed((last.offset() + last.length() - start + sizeof(Packer::Quad) - 1) / sizeof(Packer::Quad));
    Quads plain(count * kChunk / sizeof(Packer::Quad));
    const auto packed_bytes = std::as_writable_bytes(std::span(packed));
    if (!packed.empty())
        TRY(read_all(from, packed_bytes.first(last.offset() + last.length() - start), start, is_interrupted));
    Result<void> decoded = Packer::decode_on_host(table, first, count, packed, plain);
    if (!decoded) return damaged(decoded.error().detail);
    const std::uint64_t at = first * kChunk, length = std::min(count * kChunk, table.plain_size - at);
    return write_all(to, std::as_bytes(std::span(plain)).first(length), at, is_interrupted);
}

} // namespace

Result<bool> give_image(int file, std::uint64_t plain_size) {
    image_control::TakenImage taken = {};
    if (::ioctl(file, image_control::kTake, &taken) != 0) {
        switch (errno) {
        case EALREADY: break; // the answer of a server that was killed then
        case ENOTTY:
        case EOPNOTSUPP:
        case EINVAL:
        case ENOEXEC: return false;
        default: return Error{errno, 0, "restore image", {}};
        }
    }
    taken.wrong[sizeof taken.wrong - 1] = '\0';
    if (taken.wrong[0] != '\0') return damaged(taken.wrong);
    struct stat status = {};
    if (::fstat(file, &status) != 0) return Error{errno, 0, "stat", {}};
    if (static_cast<std::uint64_t>(status.st_size) == plain_size) return true;
    return damaged(
        "it is that of a file of " + std::to_string(status.st_size) + " bytes, not " + std::to_string(plain_size));
}

Result<void> unpack_on_host(int from, int to, std::uint64_t plain_size, unsigned threads) {
    const ImageTable table = TRY(read_table(from));
    if (table.plain_size != plain_size)
        return damaged("it is that of a file of " + std::to_string(table.plain_size) + " bytes, not " +
                       std::to_string(plain_size));
    const std::uint64_t count = table.entries.size();
    std::atomic<std::uint64_t> next = 0;
    return run_side_by_side(threads, [&](const std::function<bool()> &must_end) -> Result<void> {
        while (!must_end()) {
            const std::uint64_t first = next.fetch_add(kBatch);
            if (first >= count) break;
            TRY(unpack_batch(from, to, table, first, std::min(kBatch, count - first)));
        }
        return {};
    });
}

Result<void> make_file_of_image(const SnapshotPlace &place, const SnapshotEntry &entry, const SnapshotImage &image,
    Residences residences, unsigned threads) {
    const Fd file = TRY(place.open_file(image.entry));
    if (TRY(give_image(file.get(), entry.size))) {
        const bool stays = residences == Residences::packed || (residences == Residences::as_saved && image.was_packed);
        return stays ? Result<void>() : wake(file.get(), image);
    }
    const Fd plain = TRY(place.make_anew(image.entry));
    TRY(place.allocate(image.entry, plain.get(), entry.size));
    return unpack_on_host(file.get(), plain.get(), entry.size, threads);
}

} // namespace gmemfs
