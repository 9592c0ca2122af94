// SnapshotWriter: writes a snapshot beside its final name, which it takes when it is whole and on the disk.
#pragma once

#include "tools/snapshot_format.hpp"
#include "vmm/base/fd.hpp"

#include <memory>
#include <mutex>

namespace gmemfs {

/// Where a chunk's data belongs in a buffer, so that its record fits before it and both are one write.
inline constexpr std::size_t kChunkDataAt = 64;

/// The order of calls: put_index, put_chunk by any thread, finish, publish. Without publish nothing is left of it.
/// Thread-safe in put_chunk alone.
class SnapshotWriter {
public:
    /// Makes `path`.part.PID, for its owner only: it holds everybody's files. EISDIR: `path` is a folder. Else
    /// open(2)'s.
    static Result<std::unique_ptr<SnapshotWriter>> create(const std::string &path);
    SnapshotWriter(const SnapshotWriter &) = delete;
    SnapshotWriter &operator=(const SnapshotWriter &) = delete;
    ~SnapshotWriter(); ///< removes what wasn't published

    /// Each returns write(2)'s errors: ENOSPC, EIO.
    Result<void> put_index(const std::vector<SnapshotEntry> &entries);
    /// `buffer` holds kChunkDataAt bytes of room and then `chunk.size` bytes of data; `stored` and `crc` are filled in.
    Result<void> put_chunk(SnapshotChunk chunk, std::span<std::byte> buffer);
    Result<void> finish();  ///< writes the end, and waits for the disk
    Result<void> publish(); ///< takes the final name

    const std::string &part() const { return part_; }
    std::uint64_t size() const { return position_; }

private:
    SnapshotWriter(std::string path, std::string part, Fd file)
        : path_(std::move(path)), part_(std::move(part)), file_(std::move(file)) {}
    Result<void> write_at(std::span<const std::byte> bytes, std::uint64_t offset);
    void note(std::span<const std::byte> record);

    const std::string path_, part_;
    Fd file_;
    bool is_published_ = false;
    std::mutex mutex_;           // of what follows
    std::uint64_t position_ = 0; // where the next record goes
    SnapshotEnd end_;            // of what has been put so far
};

} // namespace gmemfs
