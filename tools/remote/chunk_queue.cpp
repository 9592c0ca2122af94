#include "tools/remote/chunk_queue.hpp"

#include <utility>

namespace gmemfs {

bool ChunkQueue::push(FileChunk chunk) {
    const Hold hold(mutex_);
    while (chunks_.size() >= kMost && !has_ended_) changed_.wait(mutex_);
    if (has_ended_) return false;
    chunks_.push_back(std::move(chunk));
    changed_.notify_all();
    return true;
}

std::optional<FileChunk> ChunkQueue::pop() {
    const Hold hold(mutex_);
    while (chunks_.empty() && !has_ended_) changed_.wait(mutex_);
    if (chunks_.empty()) return {};
    FileChunk chunk = std::move(chunks_.front());
    chunks_.pop_front();
    changed_.notify_all();
    return chunk;
}

void ChunkQueue::end() {
    const Hold hold(mutex_);
    has_ended_ = true;
    changed_.notify_all();
}

std::vector<std::byte> ChunkQueue::take_memory() {
    const Hold hold(mutex_);
    if (memory_.empty()) return {};
    std::vector<std::byte> bytes = std::move(memory_.back());
    memory_.pop_back();
    return bytes;
}

void ChunkQueue::give_memory(std::vector<std::byte> bytes) {
    const Hold hold(mutex_);
    if (memory_.size() < kMost) memory_.push_back(std::move(bytes));
}

} // namespace gmemfs
