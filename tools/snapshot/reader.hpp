// SnapshotReader: reads a snapshot, and checks everything in it before anything is used.
#pragma once

#include "tools/snapshot/index.hpp"
#include "vmm/base/fd.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace gmemfs {

/// Thread-safe once it is made. A pipe or a device is read from the front to the end, one chunk after the other.
class SnapshotReader {
public:
    /// Reads totals, index and end, so that a snapshot that was cut short is known at once (but not one that comes by a
    /// pipe). `name` is for messages. EBADMSG: the file is no snapshot, or damaged. EPROTONOSUPPORT: it has another
    /// version. Else pread(2)'s errors.
    static Result<std::unique_ptr<SnapshotReader>> create(Fd file, const std::string &name);
    static Result<std::unique_ptr<SnapshotReader>> open(const std::string &path); ///< "-" is standard input

    const SnapshotTotals &totals() const { return totals_; }
    /// See SnapshotIndex.
    const std::vector<SnapshotEntry> &entries() const { return index_.entries(); }
    /// See gmemfs::path_of().
    std::string path_of(std::size_t index) const { return gmemfs::path_of(entries(), index); }

    /// The next chunk, with its data in the first bytes of `buffer`, which has kSnapshotChunk bytes. Nothing: that was
    /// the end, every chunk of every file was there once, and the checksum of checksums is right; an error in a chunk
    /// that another thread still reads is reported to that thread. EBADMSG: the snapshot is damaged; the message says
    /// where, and from then on every thread gets this error.
    Result<std::optional<SnapshotChunk>> next(std::span<std::byte> buffer);
    /// Whether the entry's chunks are those of its image; known from its first chunk on. What it points to stays.
    const SnapshotImage *image_of(std::uint32_t entry) const;
    /// All of them; valid after the last chunk.
    const std::map<std::uint32_t, SnapshotImage> &images() const { return images_; }
    /// Valid after the last chunk: the files that had vanished, or became shorter, while they were saved.
    const std::vector<SnapshotCut> &cuts() const { return cuts_; }
    /// Reads the cuts alone, instead of next(). Skips data where the file lets it.
    Result<void> read_cuts();
    bool can_be_read_again() const { return !is_stream_; }

private:
    SnapshotReader(Fd file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}
    Result<void> read_index();
    Result<void> read_totals();
    Result<void> count_sizes();
    Result<void> check_tail();
    Result<void> read_at(std::span<std::byte> bytes, std::uint64_t offset);
    Result<std::vector<std::byte>> read_body();
    Result<std::optional<SnapshotChunk>> take_chunk(std::uint64_t &data_at, std::span<std::byte> buffer);
    Result<std::optional<SnapshotChunk>> take_next(std::uint64_t &data_at, std::span<std::byte> buffer);
    Result<void> take_image(std::span<const std::byte> body);
    Result<void> take_cut(std::span<const std::byte> body);
    Result<void> take_end(std::span<const std::byte> body, std::uint32_t so_far);
    Result<void> check_end(const SnapshotEnd &end);
    Result<void> check_chunk(const SnapshotChunk &chunk);
    std::uint64_t data_size(std::uint32_t entry) const;
    Error damaged(const std::string &how) const;
    Error at_record(const Error &error) const;

    Fd file_;
    const std::string name_;
    bool is_stream_ = false, is_endless_ = false; // endless: a disk, on which anything follows
    std::uint64_t size_ = 0;
    SnapshotTotals totals_;
    SnapshotIndex index_;
    std::vector<std::uint64_t> first_chunks_; // first_chunks_[entry]: which chunk of all is its first
    mutable std::mutex mutex_;                // of what follows
    std::uint64_t position_ = 0;              // of the next record
    std::uint32_t checksum_ = 0;              // of the checksums so far
    std::uint64_t stored_bytes_ = 0;
    std::uint64_t chunks_ = 0;
    std::uint64_t chunks_expected_ = 0;
    std::vector<bool> seen_;                        // seen_[chunk of all]; an image has fewer chunks than its file
    std::map<std::uint32_t, SnapshotImage> images_; // by their entries
    std::vector<SnapshotCut> cuts_;
    bool is_at_end_ = false;
    std::optional<Error> failure_; // of take_chunk(), which may have left a stream within a record
};

} // namespace gmemfs
