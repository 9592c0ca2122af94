// LaneStock: lanes that are kept from one file to the next one, because pinning costs 0.46 ms a MiB (H200).
//
// Those of a device have their memory on the device's NUMA node.
#pragma once

#include "tools/copy/lane.hpp"
#include "tools/copy/node.hpp"
#include "vmm/base/lock.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

/// Owner of the lanes that nobody uses. Thread-safe. Goes before the devices.
class LaneStock {
public:
    /// `node_folder`: kNodeFolder, but in tests.
    explicit LaneStock(std::string node_folder = kNodeFolder) : node_folder_(std::move(node_folder)) {}

    /// A lane for this thread, one of `count` that work on the device at once; null for host files. The thread moves to
    /// the device's node, and stays there where the node has as many processors. Errors: see Lane::create.
    Result<Lane> take(Device *device, unsigned count) EXCLUDES(mutex_);
    /// The lane is idle.
    void give(Lane lane) EXCLUDES(mutex_);

private:
    std::optional<cpu_set_t> near(Device &device) EXCLUDES(mutex_);
    std::optional<Lane> take_kept(Device *device) EXCLUDES(mutex_);

    const std::string node_folder_;
    Mutex mutex_;
    std::map<Device *, std::vector<Lane>> lanes_ GUARDED_BY(mutex_);
    std::map<Device *, std::optional<cpu_set_t>> near_ GUARDED_BY(mutex_);
};

} // namespace gmemfs
