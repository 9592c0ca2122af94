// Queue: serves one queue of a ublk device, in one thread.
//
//     kernel: copies what is written into the tag's buffer, and completes a command of the ring
//         | all that has come: a batch                   run(): one io_uring_enter(2) commits the last batch and waits
//         v
//     buffers[tag] = the lane's pinned memory  <--one stream, one wait a batch-->  the disk
//         | commands that commit and fetch the next one
//         v
//     kernel: copies what was read out of the tag's buffer
//
// Nothing of ours copies a byte. From attach() on a queue takes no memory and writes no log.
#pragma once

#include "block/disk/lane.hpp"
#include "block/ublk/demand.hpp"
#include "block/ublk/ring.hpp"
#include "block/ublk/wire.hpp"
#include "vmm/base/fd.hpp"

#include <memory>
#include <span>
#include <vector>

namespace gmemfs::block::ublk {

/// Opens /dev/ublkcN, which only one process may have open. A process that died may have it for a moment longer: EBUSY
/// after 5 s. ENOENT: there is no such device, or no devtmpfs here.
Result<Fd> open_channel(int id);

/// Not thread-safe. The kernel takes commands from the thread that calls run() alone.
class Queue {
public:
    /// All that takes memory; no device is needed. `depth`, at most kDepthMax, and `io_size`, a multiple of a page and
    /// at most kIoSizeMax, must be those that the device has (Control::Info). The lane's pinned memory is depth *
    /// io_size. The disk outlives the queue. Errors: see Lane::create and Ring::create.
    static Result<std::unique_ptr<Queue>> create(Disk &disk, unsigned depth, std::size_t io_size);
    ~Queue();
    Queue(const Queue &) = delete;
    Queue &operator=(const Queue &) = delete;

    /// Becomes queue `index` of the device that `channel` is of (open_channel()); the caller may close its descriptor
    /// then. At most once, by any thread. EINVAL: the device has another depth or fewer queues.
    Result<void> attach(int channel, unsigned index);
    /// Takes requests, and serves until the device is stopped. Begin only when all queues of the device are attached,
    /// and then all at once: Linux 6.12 can lose a device whose process died while some of its queues had begun.
    /// EBUSY: that queue is served. EIO: the disk's device has failed for good: what it couldn't serve isn't answered,
    /// so the kernel sends it once more to the next process. Other errors are the kernel's.
    Result<void> run();

private:
    Queue(Disk &disk, Ring ring, Lane lane, unsigned depth, std::size_t io_size);
    enum class Came : std::uint8_t { requests, end };
    Result<Came> gather();
    void take(std::uint16_t tag);
    void prepare(IoOperation operation, std::uint16_t tag, std::int32_t result);
    std::byte *buffer(std::uint16_t tag) const { return lane_.memory().data() + tag * limits_.io_size; }

    Disk &disk_;
    Lane lane_; // before the ring, because the kernel's commands name its memory
    Ring ring_;
    const unsigned depth_;
    const Limits limits_;
    unsigned index_ = 0;
    std::span<const Descriptor> descriptors_; // [tag], the kernel's; empty before attach()
    std::vector<Request> batch_;
    std::vector<std::uint16_t> tags_; // of the batch
};

} // namespace gmemfs::block::ublk
