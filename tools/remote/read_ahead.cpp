#include "tools/remote/read_ahead.hpp"

#include <algorithm>

namespace gmemfs {

ReadAhead::ReadAhead(Read read, std::vector<ByteRange> ranges)
    : read_(std::move(read)), ranges_(std::move(ranges)), thread_([this] {
          outcome_ = read_all_ranges();
          queue_.end();
      }) {}

ReadAhead::~ReadAhead() {
    queue_.end();
    thread_.join();
}

Result<void> ReadAhead::read_all_ranges() {
    for (const ByteRange &range : ranges_)
        for (std::uint64_t at = range.offset, end = at + range.length; at < end;) {
            FileChunk chunk = {at, queue_.take_memory()};
            chunk.bytes.resize(std::min(kDataMost, end - at));
            TRY(read_(chunk.bytes, at));
            at += chunk.bytes.size();
            if (!queue_.push(std::move(chunk))) return {};
        }
    return {};
}

Result<std::optional<FileChunk>> ReadAhead::next() {
    std::optional<FileChunk> chunk = queue_.pop();
    if (!chunk && !outcome_) return Error(outcome_.error());
    return chunk;
}

} // namespace gmemfs
