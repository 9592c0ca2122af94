// Copier: the thing that moves bytes: host to device and back, device to device, and zeros.
//
// Every worker thread has its own, with a stream of its own, so that workers don't wait for each other. Work is queued
// and then waited for:
//
//     pinned memory   queue_write(slice, bytes) ... wait()      the copy engine reads the caller's bytes: no copy of
//     ours pageable memory write(slice, bytes)                       through the staging slots, several chunks in
//     flight
#pragma once

#include "vmm/device/staging.hpp"
#include "vmm/device/stream.hpp"
#include "vmm/memory/extent.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

namespace gmemfs {

/// For one device. Not thread-safe. After an Error of a queue_ call, wait() still has to be called before the host
/// memory of earlier ones is touched; the destructor waits too.
class Copier {
public:
    static Result<Copier> create(Device &device);
    Copier(Copier &&other) noexcept
        : device_(other.device_), stream_(std::move(other.stream_)), mark_(std::move(other.mark_)),
          staging_(std::move(other.staging_)), is_busy_(std::exchange(other.is_busy_, false)) {}
    Copier &operator=(Copier &&) = delete;
    Copier(const Copier &) = delete;
    Copier &operator=(const Copier &) = delete;
    ~Copier();

    Device &device() const { return device_; }

    /// Queues a copy; `from` is pinned, of to.length bytes, and stays as it is until wait() returns.
    Result<void> queue_write(Slice to, const std::byte *from);
    /// Queues a copy; `to` is pinned, and holds the bytes once wait() has returned.
    Result<void> queue_read(Slice from, std::byte *to);
    /// Queues a copy within the device, or between two devices of this process. Same length; no overlap.
    Result<void> queue_copy(Slice from, Slice to);
    /// Queues a fill with zeros: 256 us a GiB (H200).
    Result<void> queue_zero(Slice slice);
    /// An event that comes when all that was queued so far is done, for other streams to wait for. The Copier's; the
    /// next call moves it, which leaves those that wait already as they are.
    Result<CUevent> mark();
    /// Returns when all that was queued is done and visible to every peer. EIO: the device has failed.
    Result<void> wait();
    /// wait(), whatever became of queueing; then the first Error of the two. A copy that was queued must have ended
    /// before its host memory is somebody else's, also where the next one couldn't be queued.
    Result<void> wait_after(const Result<void> &queued);

    /// So many other Copiers of the device have a large copy to or from the host under way that the bus is what all
    /// wait for: then a buffer that this core has just filled is worth demoting (vmm/base/cache.hpp).
    bool is_bus_crowded() const;

    /// Copies from any host memory, by chunks through pinned staging slots, and waits.
    Result<void> write(Slice to, std::span<const std::byte> from);
    /// Copies to any host memory, by chunks through pinned staging slots, and waits.
    Result<void> read(Slice from, std::span<std::byte> to);

private:
    Copier(Device &device, Stream stream) : device_(device), stream_(std::move(stream)) {}
    Result<Staging *> staging();
    void begin_large(std::uint64_t length);
    void end_large();

    Device &device_;
    Stream stream_;
    std::optional<Event> mark_;      // made when it is first asked for
    std::optional<Staging> staging_; // made at the first use of pageable memory: 16 MiB cost 7 ms to pin
    bool is_busy_ = false;           // counted in the device's busy_copiers()
};

} // namespace gmemfs
