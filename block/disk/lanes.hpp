// Lanes: lent to threads that come and go, as nbdkit's do.
#pragma once

#include "block/disk/lane.hpp"
#include "vmm/base/lock.hpp"

#include <memory>
#include <vector>

namespace gmemfs::block {

/// Thread-safe. The disk outlives it; it outlives what it lends.
class Lanes {
public:
    /// Each lane has `memory_size` bytes.
    Lanes(Disk &disk, std::size_t memory_size) : disk_(disk), memory_size_(memory_size) {}

    /// Does a request whose bytes are anywhere, piece by piece through a lane's memory. Returns 0 or the errno.
    int run(Request::Kind kind, std::uint64_t offset, std::uint64_t length, std::byte *bytes) EXCLUDES(mutex_);

private:
    Result<std::unique_ptr<Lane>> take() EXCLUDES(mutex_);
    void give_back(std::unique_ptr<Lane> lane) EXCLUDES(mutex_);

    Disk &disk_;
    const std::size_t memory_size_;
    Mutex mutex_;
    std::vector<std::unique_ptr<Lane>> idle_ GUARDED_BY(mutex_);
};

} // namespace gmemfs::block
