// Lane: what one thread of a copy has: two buffers, so that one fills while the other one empties.
//
//     host file --pread--> pinned buffer --copy engine--> device memory            (in)
//     device memory --copy engine--> pinned buffer --memcpy, pwrite--> host file   (out)
//
// A Copier (vmm/memory/copier.hpp) doesn't do: it takes slices of extents, and a peer's mapping has none; and it waits
// for all that it has queued, where a lane waits for one of its buffers while the other one is under way.
#pragma once

#include "tools/copy/direct_source.hpp"
#include "vmm/device/staging.hpp"
#include "vmm/device/stream.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace gmemfs {

/// One side of a copy: a host file, by descriptor or mapped, or device memory. A view.
struct CopyEnd {
    int fd = -1;
    std::byte *mapped = nullptr;          ///< of a target: all of it; else null
    CUdeviceptr address = 0;              ///< of device memory; 0 for a host file
    const DirectSource *direct = nullptr; ///< of a source: tried first
    bool is_lazy = false;                 ///< mapped, and to be allocated before it is touched
    bool is_device() const { return address != 0; }
};

using TakeBytes = std::function<Result<void>(std::uint64_t offset, std::span<const std::byte> bytes)>;

/// Owner of the buffers, and of a stream where there is a device. Move-only; one thread at a time.
class Lane {
public:
    /// `device` is null where both ends are host files. Binds its context to this thread. A buffer is made when it is
    /// first needed: then the first ones are under way while others are still pinned, and a small file needs but one.
    static Result<Lane> create(Device *device);
    /// Makes both buffers now. ENOMEM, here and below: no host memory, or no more of it may be locked.
    Result<void> make_buffers();
    Lane(Lane &&) = default;
    Lane &operator=(Lane &&) = delete;
    ~Lane();

    Device *device() const { return device_; }
    bool is_idle() const; ///< nothing is under way

    /// Takes one chunk, or what the source has of it: how much. What it queued is done when its buffer is used again,
    /// or by finish().
    Result<std::size_t> copy(CopyEnd source, CopyEnd target, std::uint64_t offset, std::size_t length);
    Result<void> finish(CopyEnd target);
    Result<void> read(int fd, std::uint64_t offset, std::size_t length, const TakeBytes &take);
    /// EBADMSG: they differ; the message says where.
    Result<void> compare(CopyEnd left, CopyEnd right, std::uint64_t offset, std::size_t length);

private:
    // A buffer, and what of the file it holds. With a device it is pinned, and has an event that says when the engine
    // is done with it.
    struct Slot {
        std::optional<PinnedBuffer> pinned;
        std::optional<Event> done;
        std::vector<std::byte> pageable;
        std::uint64_t offset = 0;
        std::size_t length = 0; // 0: nothing is under way
        std::span<std::byte> bytes(std::size_t size) {
            return pinned ? pinned->bytes().first(size) : std::span(pageable).first(size);
        }
    };
    static constexpr std::size_t kSlots = 2;

    explicit Lane(Device *device) : device_(device), slots_(kSlots) {}
    Result<void> make(Slot &slot);
    Result<void> queue_read(CUdeviceptr from, std::span<std::byte> to);
    Result<void> mark(Slot &slot);
    Result<void> complete(Slot &slot, CopyEnd target);
    Result<void> fetch(CopyEnd end, std::uint64_t offset, std::span<std::byte> to);

    Device *device_;
    std::optional<Stream> stream_;
    std::vector<Slot> slots_; // before the stream ends they stay: see the destructor
    std::size_t next_ = 0;
};

} // namespace gmemfs
