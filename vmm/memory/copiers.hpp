// Copiers: the Copiers of one thread, one for each device.
#pragma once

#include "vmm/memory/copier.hpp"

#include <memory>
#include <vector>

namespace gmemfs {

/// Not thread-safe: each thread that moves bytes has its own.
class Copiers {
public:
    static Result<Copiers> create(const std::vector<std::unique_ptr<Device>> &devices) {
        Copiers copiers;
        for (const auto &device : devices)
            copiers.copiers_.push_back(std::make_unique<Copier>(TRY(Copier::create(*device))));
        return copiers;
    }
    /// `device` is one of those given to create(), or the host, whose memory each of them reaches.
    Copier &of(const Device &device) {
        if (device.info().is_host()) return *copiers_.front();
        for (const auto &copier : copiers_)
            if (&copier->device() == &device) return *copier;
        GMEMFS_ASSERT(!"a device that this thread has no copier for");
        return *copiers_.front();
    }

private:
    std::vector<std::unique_ptr<Copier>> copiers_; // a machine has 16 GPUs at the most: a search beats a map
};

} // namespace gmemfs
