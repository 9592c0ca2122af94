// Copiers: the Copiers of one thread, one for each device, and what goes to several of them at once.
//
// A range of a file may lie on several devices. Its slices are queued each with the Copier of its device, one wait is
// for all that were used, and so the devices copy side by side:
//
//     queue_read(slice on GPU 0), queue_read(slice on GPU 1) ... wait()
#pragma once

#include "vmm/memory/copier.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gmemfs {

/// Not thread-safe: each thread that moves bytes has its own.
class Copiers {
public:
    /// EIO: all devices are lost.
    static Result<Copiers> create(const std::vector<std::unique_ptr<Device>> &devices);
    /// `device` is one of those given to create(), or the host, whose memory each of them reaches.
    Copier &of(const Device &device) { return *copiers_[index_of(device)]; }

    // As Copier's, for whichever device the slice is on. What they have queued is done when wait() has returned.
    Result<void> queue_write(Slice to, const std::byte *from) { return use(to).queue_write(to, from); }
    Result<void> queue_read(Slice from, std::byte *to) { return use(from).queue_read(from, to); }
    Result<void> queue_zero(Slice slice) { return use(slice).queue_zero(slice); }
    /// Queues a copy within a device, or between two, on the source's stream: over their link where they have peer
    /// access, else through the host.
    Result<void> queue_copy(Slice from, Slice to);
    /// For each Copier that was used since the last wait(), and whose device isn't lost, an event: see Copier::mark().
    Result<std::span<const CUevent>> marks();
    Result<void> wait();
    Result<void> wait_after(const Result<void> &queued);

private:
    std::size_t index_of(const Device &device) const {
        for (std::size_t index = 0; index < copiers_.size(); ++index)
            if (&copiers_[index]->device() == &device) return index;
        return index_of_host(device);
    }
    std::size_t index_of_host(const Device &device) const;
    Copier &use(const Device &device) {
        const std::size_t index = index_of(device);
        used_ |= std::uint64_t(1) << index;
        return *copiers_[index];
    }
    Copier &use(Slice slice) { return use(slice.extent->device()); }

    std::vector<std::unique_ptr<Copier>> copiers_; // a machine has 16 GPUs at the most: a search beats a map
    std::uint64_t used_ = 0;                       // a bit for each of them: it may have work queued
    std::vector<CUevent> marks_;
};

} // namespace gmemfs
