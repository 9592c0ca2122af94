// SnapshotFormat: turns the records of a snapshot (docs/formats.md) into bytes, and bytes into records.
//
//     magic | totals | entry ... entry | chunk data chunk data image chunk data ... | cut ... cut | end
//
// Whatever a decoder is given, it returns a record whose every field is within its limits, or EBADMSG. What only holds
// between records (parents, links, chunks that are all there) SnapshotReader checks. Pure functions: thread-safe.
#pragma once

#include "vmm/base/result.hpp"
#include "vmm/base/units.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gmemfs {

inline constexpr char kSnapshotMagic[] = "GMEMSNP1";
inline constexpr std::size_t kSnapshotMagicSize = 8;
/// 1 has no cuts, and of attributes the users' and ACLs alone; 2 has no images, and is written where there are none.
inline constexpr std::uint32_t kSnapshotVersion = 3, kSnapshotVersionPlain = 2;
inline constexpr std::uint64_t kSnapshotChunk = 4 * MiB;
inline constexpr std::size_t kRecordHead = 8;         ///< length 4, crc32 4
inline constexpr std::size_t kRecordMost = 1 * MiB;   ///< a body's size; an entry with all its xattrs has 134 KiB
inline constexpr std::size_t kChunkRecordSize = 33;   ///< with its head
inline constexpr std::size_t kEndRecordSize = 29;     ///< with its head
inline constexpr std::size_t kEntryRecordLeast = 80;  ///< with its head
inline constexpr std::uint32_t kNoEntry = 0xffffffff; ///< no index of an entry

enum class SnapshotKind : std::uint8_t { totals = 1, entry = 2, chunk = 3, end = 4, cut = 5, image = 6 };

struct SnapshotTotals {
    std::uint64_t entries = 0;
    std::uint64_t data_bytes = 0; ///< the sum of the files' sizes
    std::int64_t created = 0;     ///< seconds since 1970
    std::uint32_t version = kSnapshotVersionPlain;
};

struct SnapshotAttribute {
    std::string name, value;
};

/// One name. Entry 0 is what was saved; a folder's name is empty there.
struct SnapshotEntry {
    std::uint32_t parent = 0;         ///< index of its folder, less than its own
    std::uint32_t link_to = kNoEntry; ///< index of the inode's first name, which has all fields after `name`
    std::string name;
    std::uint32_t mode = 0;
    std::uint32_t uid = 0, gid = 0;
    std::uint64_t device = 0; ///< of a device node
    std::uint64_t size = 0;   ///< of a regular file
    timespec accessed = {}, modified = {};
    std::string target; ///< of a symbolic link
    std::vector<SnapshotAttribute> attributes;

    bool is_folder() const;
    bool is_file() const; ///< a regular file's first name: the one that has data here
    bool is_link() const; ///< a symbolic one
    bool is_other_name() const { return link_to != kNoEntry; }
};

/// Says that the chunks of a file, which all follow, are those of its image (docs/formats.md, "Packed images").
struct SnapshotImage {
    std::uint32_t entry = 0;
    std::uint64_t size = 0;  ///< bytes; less than the entry's
    bool was_packed = false; ///< the file was, in its mount; else its image was made for the snapshot
    std::optional<std::array<std::byte, 32>> digest; ///< of the file's bytes, where it was known
};

/// What stands before a chunk's data.
struct SnapshotChunk {
    std::uint32_t entry = 0;
    std::uint64_t offset = 0; ///< a multiple of kSnapshotChunk
    std::uint32_t size = 0;   ///< 1 to kSnapshotChunk
    std::uint32_t stored = 0; ///< bytes that follow: size, or 0 where all are zeros
    std::uint32_t crc = 0;    ///< of its `size` bytes, zeros too
};

/// Says that a file vanished, or became shorter, after its entry was written. Its chunks are all there, with zeros in
/// place of what couldn't be read.
struct SnapshotCut {
    std::uint32_t entry = 0;
    bool is_gone = false;
    std::uint64_t size = 0; ///< less than the entry's; 0 where it is gone
};

struct SnapshotEnd {
    std::uint64_t chunks = 0;
    std::uint64_t stored_bytes = 0;
    std::uint32_t checksum = 0; ///< crc32 of the crc32 of every record before it, in the file's order
};

/// A whole record: head and body.
std::vector<std::byte> encode(const SnapshotTotals &totals);
std::vector<std::byte> encode(const SnapshotEntry &entry);
std::vector<std::byte> encode(const SnapshotImage &image);
std::vector<std::byte> encode(const SnapshotChunk &chunk);
std::vector<std::byte> encode(const SnapshotCut &cut);
std::vector<std::byte> encode(const SnapshotEnd &end);

struct RecordHead {
    std::uint32_t length = 0; ///< of the body: 1 to kRecordMost
    std::uint32_t crc = 0;
};
/// EBADMSG: a length that no record has.
Result<RecordHead> decode_head(std::span<const std::byte> bytes);

/// Each takes a record's body. EBADMSG: it is none of this kind. EPROTONOSUPPORT: totals of another version.
Result<SnapshotTotals> decode_totals(std::span<const std::byte> body);
Result<SnapshotEntry> decode_entry(std::span<const std::byte> body);
Result<SnapshotImage> decode_image(std::span<const std::byte> body);
Result<SnapshotChunk> decode_chunk(std::span<const std::byte> body);
Result<SnapshotCut> decode_cut(std::span<const std::byte> body);
Result<SnapshotEnd> decode_end(std::span<const std::byte> body);

/// Whether a snapshot keeps the attribute. It keeps users' attributes, ACLs, and those that root alone sets: trusted
/// ones and capabilities.
bool is_saved_attribute(std::string_view name);

/// zlib's, going on from `crc`.
std::uint32_t checksum(std::span<const std::byte> bytes, std::uint32_t crc = 0);
/// The next value of SnapshotEnd::checksum.
std::uint32_t checksum_of_checksums(std::uint32_t so_far, std::uint32_t crc);
/// How many bytes of a file a chunk stands for; `data_size`: the file's, or its image's.
std::uint64_t plain_part(const SnapshotChunk &chunk, std::uint64_t data_size, std::uint64_t plain_size);
/// How many chunks a file of `size` bytes has.
inline constexpr std::uint64_t count_chunks(std::uint64_t size) {
    return size / kSnapshotChunk + (size % kSnapshotChunk != 0 ? 1 : 0);
}

} // namespace gmemfs
