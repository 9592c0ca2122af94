// Lane: one thread's way to a disk: a stream, and pinned memory that requests' bytes lie in.
//
// A batch of requests is queued on the stream and waited for once. From its creation on a lane takes no memory, writes
// no log, and takes no lock but the disk's own for checksums: swap goes through it, so a wait for memory would wait for
// itself.
#pragma once

#include "block/disk/disk.hpp"
#include "block/disk/request.hpp"
#include "vmm/device/copy_batch.h"
#include "vmm/device/staging.hpp"
#include "vmm/device/stream.hpp"

#include <span>

namespace gmemfs::block {

/// Move-only. Not thread-safe. The disk outlives it.
class Lane {
public:
    /// `memory_size` is bytes of pinned memory. ENOMEM: no more may be locked (RLIMIT_MEMLOCK isn't asked; the driver
    /// is).
    static Result<Lane> create(Disk &disk, std::size_t memory_size);

    Disk &disk() const { return *disk_; }
    std::span<std::byte> memory() const { return memory_.bytes(); } ///< page-aligned

    /// Does all of `batch` in its order, and sets each request's code: 0; EPERM: a write to a disk that is read only;
    /// EIO: the device has failed, or checksums don't fit; EINVAL: with checksums a request isn't whole blocks of 4
    /// KiB; ENOSPC, EIO: of a thin disk, see Parts::take_waiting(). On return the device has every byte that was
    /// written, and no copy is under way.
    void run(std::span<Request> batch);

private:
    Lane(Disk &disk, gmemfs_copy_batch copy_batch, Stream stream, PinnedBuffer memory)
        : disk_(&disk), copy_batch_(copy_batch), stream_(std::move(stream)), memory_(std::move(memory)) {}
    int queue(const Request &request, CUdeviceptr address);
    void queue_independent(std::span<Request> batch);
    bool wait();
    void run_unchecked(std::span<Request> batch);
    void run_checked(std::span<Request> batch, Checksums &sums);

    Disk *disk_;
    gmemfs_copy_batch copy_batch_; // null where the driver is older than CUDA 13.0
    Stream stream_;
    PinnedBuffer memory_;
};

} // namespace gmemfs::block
