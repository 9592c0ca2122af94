#include "tools/remote/write_behind.hpp"

#include "tools/host/interruption.hpp"
#include "vmm/base/all_bytes.hpp"

namespace gmemfs {

WriteBehind::WriteBehind(int fd)
    : fd_(fd), thread_([this] {
          outcome_ = write_chunks();
          queue_.end();
      }) {}

Result<void> WriteBehind::write_chunks() {
    while (std::optional<FileChunk> chunk = queue_.pop()) {
        TRY(write_all(fd_, chunk->bytes, chunk->offset, is_interrupted));
        queue_.give_memory(std::move(chunk->bytes));
    }
    return {};
}

Result<void> WriteBehind::finish() {
    queue_.end();
    if (thread_.joinable()) thread_.join();
    return outcome_;
}

} // namespace gmemfs
