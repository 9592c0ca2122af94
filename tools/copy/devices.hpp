// CopyDevices: what the copies of one command share.
//
// That is each mount's driver, opened once, the devices that were used, each with a context, and their lanes.
#pragma once

#include "tools/copy/lane_stock.hpp"
#include "vmm/base/lock.hpp"
#include "vmm/device/device.hpp"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace gmemfs {

/// Thread-safe.
class CopyDevices {
public:
    /// The driver's library of the mount that `path` lies in; empty where it lies in none. For a simulated mount this
    /// also sets the simulated machine in the environment, before the first driver is opened.
    std::string library_for(const std::string &path) EXCLUDES(mutex_) { return mount_of(path).library; }
    /// How many devices the mount has that `path` lies in; 0 where it lies in none.
    std::size_t count_for(const std::string &path) EXCLUDES(mutex_) { return mount_of(path).device_count; }

    /// Those devices, by ordinal, each with a context. Several contexts that are new are made side by side: one takes
    /// a GPU a fifth of a second.
    Result<std::vector<Device *>> open(const std::string &library, std::span<const int> ordinals) EXCLUDES(mutex_);
    /// The ordinal, in this process, of the device with this UUID, as DeviceInfo::uuid_text has it. ENODEV: none is.
    Result<int> ordinal_of(const std::string &library, const std::string &uuid) EXCLUDES(mutex_);
    LaneStock &lanes() { return lanes_; }

private:
    struct Mount {
        std::string library;
        std::size_t device_count = 0;
    };
    struct Library {
        std::unique_ptr<Driver> driver;
        std::map<std::string, int> ordinals; // by UUID; empty until somebody asks
    };
    struct Opened {
        Mutex mutex;
        std::unique_ptr<Device> device GUARDED_BY(mutex); // null until it is there
    };
    static Mount find_mount(const std::string &path);
    Mount mount_of(const std::string &path) EXCLUDES(mutex_);
    Result<Library *> library_of(const std::string &name) REQUIRES(mutex_);
    Result<Device *> open_one(const std::string &library, int ordinal) EXCLUDES(mutex_);

    Mutex mutex_;
    std::map<dev_t, Mount> mounts_ GUARDED_BY(mutex_); // of each filesystem seen so far
    std::map<std::string, Library> libraries_ GUARDED_BY(mutex_);
    std::map<std::pair<std::string, int>, Opened> devices_ GUARDED_BY(mutex_); // an entry stays where it is
    LaneStock lanes_;                                                          // goes before the devices
};

} // namespace gmemfs
