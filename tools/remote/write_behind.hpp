// WriteBehind: writes chunks into a file, by a thread of its own, while the next ones come.
#pragma once

#include "tools/remote/chunk_queue.hpp"
#include "vmm/base/result.hpp"

#include <thread>

namespace gmemfs {

/// One thread puts the chunks.
class WriteBehind {
public:
    /// `fd` stays open as long as this lives.
    explicit WriteBehind(int fd);
    WriteBehind(const WriteBehind &) = delete;
    WriteBehind &operator=(const WriteBehind &) = delete;
    ~WriteBehind() { (void)finish(); }

    /// After an error it takes chunks and writes nothing: finish() says which.
    void put(FileChunk chunk) { (void)queue_.push(std::move(chunk)); }
    std::vector<std::byte> take_memory() { return queue_.take_memory(); }
    /// When all is written. ENOSPC, EIO and others of pwrite(2); EINTR.
    Result<void> finish();

private:
    Result<void> write_chunks();

    const int fd_;
    ChunkQueue queue_;
    Result<void> outcome_; // valid after the thread's end
    std::thread thread_;   // last: it uses the others
};

} // namespace gmemfs
