// Control: makes, starts, recovers and removes ublk devices, by /dev/ublk-control.
//
//     add -> set_parameters -> start              all queues of the server have begun
//     stop -> remove
//     (the server dies) -> start_recovery -> (all queues of another one begin) -> end_recovery
//
// Needs no CUDA and no disk: it is for the process that outlives servers. Commands are done by a kernel thread of the
// calling thread's, which is made at the first one and stays. So the thread that will recover does all the rest, too.
#pragma once

#include "block/disk/disk.hpp"
#include "block/ublk/ring.hpp"
#include "block/ublk/wire.hpp"
#include "vmm/base/fd.hpp"

#include <cstdint>
#include <sys/types.h>

namespace gmemfs::block::ublk {

/// How a device is divided. A plain value.
struct Shape {
    unsigned queues;     ///< at most one for each processor is made
    unsigned depth;      ///< requests of a queue: kDepthMin to kDepthMax
    std::size_t io_size; ///< bytes of a request at the most: a multiple of a page, at most kIoSizeMax
};
inline constexpr unsigned kDepthMin = 8;

/// What the kernel says of a device. A plain value.
struct Info {
    int id;
    DeviceState state;
    pid_t server; ///< -1: none
    unsigned queues, depth;
    std::size_t io_size;
    bool is_ours; ///< made by gmemfs
};

/// What the device is, for all who use it. A plain value.
struct Geometry {
    std::uint64_t size;     ///< bytes; what isn't a whole block at the end is left out
    std::size_t io_size;    ///< of Info
    std::size_t block_size; ///< a logical block: 512 or 4096; 4096 of a disk with checksums
    Mode mode;
};

/// Not thread-safe. A call that says that it blocks ends with ECANCELED as soon as `until` can be read; -1: nothing
/// ends it. `server` is always the process that serves the queues. ENODEV: there is no device of that number.
class Control {
public:
    /// Opens the driver. ENOENT: it isn't loaded, or this kernel has none. EPERM, EACCES: only root may. ENOTSUP: this
    /// kernel's is too old to recover devices.
    static Result<Control> create();

    std::uint64_t features() const { return features_; } ///< flags that the driver knows (DeviceRecord::flags)
    /// Makes /dev/ublkcN, with recovery. `id` is N, or -1 for any. EEXIST: that number is taken. The result has what
    /// the kernel made of `shape`.
    Result<Info> add(int id, const Shape &shape);
    /// Before start().
    Result<void> set_parameters(int id, const Geometry &geometry);
    /// Makes /dev/ublkbN. Blocks until all queues of `server` have begun. The kernel doesn't look for partitions, not
    /// even when it is asked; partx(8) adds them. EEXIST: it was started before. After an error, remove() the device.
    Result<void> start(int id, pid_t server, int until);
    /// After the death of the server, or of one that was to become it. Blocks until the kernel has let go of it, which
    /// it does by itself.
    Result<void> start_recovery(int id, int until);
    /// Blocks until all queues of `server`, another one, have begun. Then all requests that waited go to it.
    Result<void> end_recovery(int id, pid_t server, int until);
    /// Removes /dev/ublkbN, whoever uses it: their requests fail, and so does what the page cache hasn't written yet.
    /// Blocks until the server has answered what it has; with a server that is gone it doesn't wait.
    Result<void> stop(int id, int until);
    /// The same if nobody uses it. EBUSY: it is mounted or swapped on, or another driver has it (or, from Linux 7.0 on,
    /// anybody has it open).
    Result<void> try_stop(int id, int until);
    /// Removes /dev/ublkcN; a device that wasn't stopped is stopped first. Blocks until everyone has closed it and
    /// /dev/ublkbN.
    Result<void> remove(int id, int until);
    Result<Info> info(int id);

private:
    Control(Fd driver, Ring ring) : driver_(std::move(driver)), ring_(std::move(ring)) {}
    struct Call {
        ControlOperation operation;
        int id;
        std::uint64_t value = 0;
        void *bytes = nullptr;
        std::size_t size = 0;
        int until = -1;
    };
    int call(const Call &call);
    int wait_for_answer(int until);
    void cancel();

    Fd driver_;
    Ring ring_;
    std::uint64_t features_ = 0;
};

} // namespace gmemfs::block::ublk
