// Journal: every change of names, attributes and layouts, in a file, before the change is acknowledged.
//
//     | magic | length, crc32, record | length, crc32, record | ...
//
// Length and checksum are stored after the record, and at once (RecordFile::append). Nothing is synced: a record
// outlives this process, as the data in the keeper does, and neither outlives the machine. A record that was torn by
// the death of the server wasn't acknowledged, and is dropped. Zeros follow the last one. When the file has grown to
// more than twice what the volume needs it is written anew, under another name, and renamed.
#pragma once

#include "fuse/core/journal/record.hpp"
#include "fuse/core/journal/record_file.hpp"
#include "vmm/base/function_view.hpp"
#include "vmm/base/lock.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gmemfs {

/// Thread-safe. Below File::layout_ and above Inode::mutex_ in the order of locks.
class Journal {
public:
    /// What the journal at `path` came to, and where it goes on. A file that isn't there is an empty one. EBADMSG: it
    /// is damaged, not only torn at its end; it is left as it is. EIO and others: it can't be read or written.
    struct Opened {
        std::unique_ptr<Journal> journal;
        VolumeState state;
        std::uint64_t dropped = 0; ///< bytes at the end that were no record
    };
    static Result<Opened> open(const std::string &path) { return open(path, RecordFiles::on_disk()); }
    static Result<Opened> open(const std::string &path, const RecordFiles &files);
    /// A journal of `state` and nothing else, in place of what was at `path`.
    static Result<std::unique_ptr<Journal>> create(const std::string &path, const VolumeState &state) {
        return create(path, state, RecordFiles::on_disk());
    }
    static Result<std::unique_ptr<Journal>> create(
        const std::string &path, const VolumeState &state, const RecordFiles &files);

    /// Appends what `fill` writes; it is called under the journal's lock, so that of two records about one thing the
    /// later one holds the later state. docs/keeper.md has what it costs. ENOSPC, EDQUOT, EIO: it
    /// couldn't be written; it is kept, and goes before the next one. Until that is written the change can be lost with
    /// the server, so neither it nor any later one is acknowledged.
    /// `request` is the one that the record is for, as Occasion has it.
    Result<void> append(FunctionView<void(RecordWriter &)> fill) EXCLUDES(mutex_) { return append(0, fill); }
    Result<void> append(std::uint64_t request, FunctionView<void(RecordWriter &)> fill) EXCLUDES(mutex_);
    /// For changes that can't fail where they append: the error of the last append, if it failed.
    Result<void> check() const EXCLUDES(mutex_);

    /// Writes it anew at its path, where somebody has removed it. Errors: see create().
    Result<void> write_anew() EXCLUDES(mutex_);

    std::uint64_t size() const EXCLUDES(mutex_); ///< bytes of the file, up to the end of the last record

private:
    Journal(std::string path, const RecordFiles &files, std::unique_ptr<RecordFile> file);
    void append_pending() REQUIRES(mutex_);
    Result<void> compact() REQUIRES(mutex_);

    const std::string path_;
    const RecordFiles &files_;
    mutable Mutex mutex_;
    std::unique_ptr<RecordFile> file_ GUARDED_BY(mutex_);
    std::uint64_t compact_at_ GUARDED_BY(mutex_);       // size from which on it is worth while
    std::vector<std::byte> pending_ GUARDED_BY(mutex_); // framed records that there was no room for yet
    int unwritten_ GUARDED_BY(mutex_) = 0;              // the errno of the last append that failed
    RecordWriter writer_ GUARDED_BY(mutex_);
};

/// The records of a journal's `bytes`, applied to `state`; returns how many bytes were good: 0 where it is no journal.
std::uint64_t replay_journal(std::span<const std::byte> bytes, VolumeState &state);

} // namespace gmemfs
