// ReadAhead: reads a file's ranges in order, by a thread of its own, while what it read before is sent.
#pragma once

#include "tools/remote/chunk_queue.hpp"
#include "tools/remote/message.hpp"

#include <thread>
#include <vector>

namespace gmemfs {

/// One thread takes the chunks.
class ReadAhead {
public:
    /// `fd` stays open as long as this lives.
    ReadAhead(int fd, std::vector<ByteRange> ranges);
    ReadAhead(const ReadAhead &) = delete;
    ReadAhead &operator=(const ReadAhead &) = delete;
    ~ReadAhead();

    /// The next one, of kDataMost bytes at the most; nothing after the last. EIO: the file is shorter. EINTR. Else
    /// pread(2)'s errors.
    Result<std::optional<FileChunk>> next();
    void give_back(FileChunk chunk) { queue_.give_memory(std::move(chunk.bytes)); }

private:
    Result<void> read_all_ranges();

    const int fd_;
    const std::vector<ByteRange> ranges_;
    ChunkQueue queue_;
    Result<void> outcome_; // valid after the queue's end
    std::thread thread_;   // last: it uses the others
};

} // namespace gmemfs
