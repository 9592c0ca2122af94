// ChunkQueue: a few buffers of a file's bytes between a thread that fills them and one that empties them.
#pragma once

#include "vmm/base/lock.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace gmemfs {

struct FileChunk {
    std::uint64_t offset = 0; ///< in the file
    std::vector<std::byte> bytes;
};

/// Thread-safe.
class ChunkQueue {
public:
    /// Waits while kMost are queued. False: the other side wants no more.
    bool push(FileChunk chunk) EXCLUDES(mutex_);
    /// Waits for the next one. Nothing: there are no more.
    std::optional<FileChunk> pop() EXCLUDES(mutex_);
    /// No more come, or none are wanted; what is queued can still be taken.
    void end() EXCLUDES(mutex_);

    /// Memory of a chunk that was emptied, to be filled again; or none.
    std::vector<std::byte> take_memory() EXCLUDES(mutex_);
    void give_memory(std::vector<std::byte> bytes) EXCLUDES(mutex_);

private:
    static constexpr std::size_t kMost = 4;

    Mutex mutex_;
    Condition changed_;
    std::deque<FileChunk> chunks_ GUARDED_BY(mutex_);
    std::vector<std::vector<std::byte>> memory_ GUARDED_BY(mutex_);
    bool has_ended_ GUARDED_BY(mutex_) = false;
};

} // namespace gmemfs
