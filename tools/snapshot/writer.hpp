// SnapshotWriter: writes a snapshot to a new file, which gets its name when it is whole, or into a pipe or a device.
#pragma once

#include "tools/host/new_file.hpp"
#include "tools/snapshot/format.hpp"
#include "vmm/base/fd.hpp"

#include <memory>
#include <mutex>

namespace gmemfs {

/// Where a chunk's data belongs in a buffer. So the chunk's record fits before the data, and one write takes both.
inline constexpr std::size_t kChunkDataAt = 64;

/// The order of calls: put_index, put_chunk and put_image by any thread, finish, publish. Without publish nothing is
/// left of a file. Thread-safe in these two alone.
class SnapshotWriter {
public:
    /// Makes a new file that only its owner can read, because it holds everybody's files. Where `path` is a symbolic
    /// link, the file that it points to is made. EISDIR: `path` is a folder. ENOENT: `path` is a link to nothing.
    /// ENOTTY: `path` is "-", and standard output is a terminal. Else open(2)'s errors.
    static Result<std::unique_ptr<SnapshotWriter>> create(const std::string &path);
    SnapshotWriter(const SnapshotWriter &) = delete;
    SnapshotWriter &operator=(const SnapshotWriter &) = delete;
    ~SnapshotWriter() = default;

    /// Each returns write(2)'s errors: ENOSPC, EIO.
    enum class Images { none, some }; ///< some: only a gmemfs that knows images reads the snapshot
    Result<void> put_index(const std::vector<SnapshotEntry> &entries, Images images);
    Result<void> put_image(const SnapshotImage &image); ///< before all chunks of its entry
    /// `buffer` holds kChunkDataAt bytes of room and then `chunk.size` bytes of data; `stored` and `crc` are filled in.
    Result<void> put_chunk(SnapshotChunk chunk, std::span<std::byte> buffer);
    Result<void> finish(const std::vector<SnapshotCut> &cuts); ///< writes them and the end, and waits for the disk
    Result<void> publish();                                    ///< takes the final name

    /// A path by which the file can be read before it has its name; empty where it can't be read.
    std::string part() const { return file_ ? file_->path() : std::string(); }
    std::uint64_t size() const { return position_; }

private:
    SnapshotWriter(std::string path, std::unique_ptr<NewFile> file, Fd stream)
        : path_(std::move(path)), file_(std::move(file)), stream_(std::move(stream)) {}
    Result<void> write_at(std::span<const std::byte> bytes, std::uint64_t offset);
    void start_writing(std::uint64_t offset, std::uint64_t size) const;
    void note(std::span<const std::byte> record);

    const std::string path_;
    const std::unique_ptr<NewFile> file_; // one of both
    const Fd stream_;
    std::mutex mutex_;           // of what follows
    std::uint64_t position_ = 0; // where the next record goes
    SnapshotEnd end_;            // of what has been put so far
};

} // namespace gmemfs
