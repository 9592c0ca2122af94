// Copier: moves bytes from host to device and back, and from device to device, and writes zeros.
//
// Every worker thread has a Copier of its own, with its own stream, so that workers don't wait for each other. Work is
// queued and then waited for:
//
//     pinned memory     queue_write(slice, bytes) ... wait()    the copy engine reads the caller's bytes: no other copy
//     pageable memory   write(slice, bytes)                     through the staging slots, several chunks in flight
#pragma once

#include "vmm/device/staging.hpp"
#include "vmm/device/stream.hpp"
#include "vmm/memory/extent.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

namespace gmemfs {

/// For one device. Not thread-safe. After a queue_ function has failed, still call wait() before touching the host
/// memory of earlier copies. The destructor waits, too.
class Copier {
public:
    /// Of a device that is lost: one whose functions fail with EIO.
    static Result<Copier> create(Device &device);
    Copier(Copier &&other) noexcept
        : device_(other.device_), stream_(std::move(other.stream_)), mark_(std::move(other.mark_)),
          staging_(std::move(other.staging_)), is_busy_(std::exchange(other.is_busy_, false)) {}
    Copier &operator=(Copier &&) = delete;
    Copier(const Copier &) = delete;
    Copier &operator=(const Copier &) = delete;
    ~Copier();

    Device &device() const { return device_; }

    /// Queues a copy. `from` is to.length bytes of pinned memory, which stay as they are until wait() returns.
    Result<void> queue_write(Slice to, const std::byte *from);
    /// Queues a copy. `to` is from.length bytes of pinned memory, which hold the data once wait() has returned.
    Result<void> queue_read(Slice from, std::byte *to);
    /// Queues a copy within the device, or to or from memory that it reaches. Both slices have one length and don't
    /// overlap.
    Result<void> queue_copy(Slice from, Slice to);
    /// Queues a copy to memory of another device: over their link where that was let in to `from` (Extent::let_in),
    /// else through the host.
    Result<void> queue_copy_to(const Device &other, Slice from, Slice to);
    /// Queues a fill with zeros: 256 us a GiB (H200).
    Result<void> queue_zero(Slice slice);
    /// An event that comes when all that was queued so far is done, for other streams to wait for. The Copier owns the
    /// event. The next call moves it, which doesn't affect streams that wait already.
    Result<CUevent> mark();
    /// Returns when all that was queued is done and visible to every peer. EIO: the device has failed.
    Result<void> wait();
    /// Calls wait(), whatever `queued` is, and returns the first Error of the two. Copies that were queued must have
    /// ended before their host memory is used again, also where a later copy couldn't be queued.
    Result<void> wait_after(const Result<void> &queued);

    /// Whether so many other Copiers of the device have a large copy to or from the host under way that all wait for
    /// the bus. Then a buffer that this core has just filled is worth demoting (vmm/base/cache.hpp).
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
