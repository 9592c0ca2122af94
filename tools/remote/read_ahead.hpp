// ReadAhead: reads a file's ranges in order, by a thread of its own, while what it read before is sent.
#pragma once

#include "tools/remote/chunk_queue.hpp"
#include "tools/remote/message.hpp"

#include <functional>
#include <span>
#include <thread>
#include <vector>

namespace gmemfs {

/// One thread takes the chunks.
class ReadAhead {
public:
    /// Fills bytes that begin at an offset; called by the thread. EIO: the file is shorter.
    using Read = std::function<Result<void>(std::span<std::byte> bytes, std::uint64_t offset)>;
    ReadAhead(Read read, std::vector<ByteRange> ranges);
    ReadAhead(const ReadAhead &) = delete;
    ReadAhead &operator=(const ReadAhead &) = delete;
    ~ReadAhead();

    /// The next one, of kDataMost bytes at the most; nothing after the last. Errors: those of Read.
    Result<std::optional<FileChunk>> next();
    void give_back(FileChunk chunk) { queue_.give_memory(std::move(chunk.bytes)); }

private:
    Result<void> read_all_ranges();

    const Read read_;
    const std::vector<ByteRange> ranges_;
    ChunkQueue queue_;
    Result<void> outcome_; // valid after the queue's end
    std::thread thread_;   // last: it uses the others
};

} // namespace gmemfs
