// Host: owns what lives as long as the mount, whatever serves it: driver, devices, keeper, volume, background scrub.
//
// A Front serves the Host's files: a FUSE session does, and a test can, too.
#pragma once

#include "fuse/core/volume.hpp"
#include "fuse/host/near.hpp"
#include "fuse/host/options.hpp"
#include "fuse/host/stats.hpp"
#include "fuse/host/survival.hpp"
#include "vmm/keeper/local.hpp"

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <sys/types.h>
#include <vector>

namespace gmemfs {

class ColdWalk;
class Front;
class RoomMaker;
class Scrubber;

/// Thread-safe after create(), but for what says otherwise.
class Host {
public:
    /// Opens driver and devices, and takes over what a dead server's keeper holds. Then a device that can't be opened,
    /// or isn't there any more, is lost, where another lives: its files stay. Each error is one line for the user.
    /// EIDRM: `start` is resumed, and there is nothing to go on with. `watch` outlives the Host. `caller` tells whose
    /// request the calling thread serves; 0: unknown, or nobody's.
    static Result<std::unique_ptr<Host>> create(
        const Options &options, Survival::Start start, DeviceWatch &watch, std::function<pid_t()> caller);
    ~Host();
    Host(const Host &) = delete;
    Host &operator=(const Host &) = delete;

    const Options &options() const { return options_; }
    const Driver &driver() const { return *driver_; }
    const std::vector<std::unique_ptr<Device>> &devices() const { return devices_; } ///< the GPUs
    Volume &volume() { return *volume_; }
    const Volume &volume() const { return *volume_; }
    Stats &stats() { return stats_; }

    const Survival *survival() const { return survival_.get(); } ///< null with --keeper=off
    Survival *survival() { return survival_.get(); }             ///< for the main thread

    /// The generation of an inode's number, which the kernel puts into file handles beside the number. Each mount that
    /// begins empty, and so counts inodes anew, has another generation. The root's is 0, as Linux wants it.
    std::uint64_t generation_of(InodeId id) const { return id == kRootInode ? 0 : generation_; }

    /// Whether the files are saved when the mount ends. `user.gmemfs.on_shutdown` changes that, in a mount that was
    /// given a file to save to.
    bool saves() const { return saves_; }
    enum class AtEnd { nothing, save };
    Result<void> set_at_end(AtEnd what); ///< EINVAL: the mount has no file to save to

    /// Begins to verify parity in the background, unless --scrub-rate=0, to pack files and move them to host memory
    /// after a while, and to make room, with --make-room. For the main thread, while nobody is served. `front` outlives
    /// what is served.
    void start_walks(Front &front);
    void stop_walks();
    const Scrubber *scrubber() const { return scrubber_.get(); } ///< while it runs; else null

private:
    explicit Host(const Options &options);
    Result<void> open_driver(Survival::Start start);
    Result<void> open_devices(Survival::Start start, DeviceWatch &watch);
    Result<std::unique_ptr<Device>> open_device(const DeviceInfo &info);
    Result<void> open_host_memory();
    using HeldBytes = std::map<std::array<std::uint8_t, 16>, std::uint64_t>; // by a device's UUID
    Result<HeldBytes> held_by_dead_server();
    Result<std::vector<DeviceInfo>> choose_devices(
        const std::vector<DeviceInfo> &infos, const HeldBytes &held, Survival::Start start) const;

    const Options options_;
    std::unique_ptr<Driver> driver_;
    std::unique_ptr<Survival> survival_; // null with --keeper=off: then the memory is this process's
    std::unique_ptr<LocalKeeper> local_keeper_;
    Keeper *keeper_ = nullptr; // one of the two
    std::vector<std::unique_ptr<Device>> devices_;
    std::unique_ptr<Device> host_memory_; // null: the driver makes none that can be shared
    std::unique_ptr<Near> near_;          // with --place=near
    std::unique_ptr<Volume> volume_;
    std::uint32_t generation_ = 0;
    Stats stats_;
    std::unique_ptr<Scrubber> scrubber_;
    std::unique_ptr<ColdWalk> cold_walk_;
    std::unique_ptr<RoomMaker> room_maker_;
    std::atomic<bool> saves_;
};

} // namespace gmemfs
