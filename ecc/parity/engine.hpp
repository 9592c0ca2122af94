// ParityEngine: encodes, behind the writes, and checks the parity of everything on one device.
//
//     a worker's stream    | DMA: 1 MiB in | mark |
//     a parity stream                    waits for the mark | encode 8 blocks |
//
// The worker waits for its DMA alone. One rule keeps parity and data together: the parity of a chunk of 1 MiB is
// touched on one stream only, chosen by the chunk's address. So of two encodes of a block, the later write's encode
// runs later, whichever worker queued it, and a verification sees all encodes that were queued before it. An encode
// that reads while the next write lands makes parity that fits neither. Nobody can see that parity, because the next
// write's own encode follows.
//
// A caller that changes or verifies blocks keeps others from changing them meanwhile (File's RangeLock). A caller that
// only queues an encode need not wait for it.
#pragma once

#include "ecc/parity/parity.hpp"
#include "vmm/base/lock.hpp"
#include "vmm/device/stream.hpp"
#include "vmm/memory/copiers.hpp"

#include <array>
#include <atomic>
#include <memory>

namespace gmemfs {

/// Thread-safe. Outlives the Parity that it makes.
class ParityEngine {
public:
    /// ENOEXEC: no machine code for this GPU. ENOMEM, ENOSPC: no room for what the kernels report into.
    static Result<std::unique_ptr<ParityEngine>> create(Keeper &keeper, Device &device);
    ~ParityEngine() { (void)wait(); }
    ParityEngine(const ParityEngine &) = delete;
    ParityEngine &operator=(const ParityEngine &) = delete;

    Device &device() const { return pool_.device(); }
    /// Whether the GPU that runs its kernels is lost. Of host memory's parity another engine can be made then.
    bool is_lost() const { return gpu_.failed(); }
    /// Parity for `data`, which is whole blocks. The parity's contents are whatever was in that memory before. Call
    /// wait() before the parity or the data is destroyed. ENOSPC: the device is full.
    Result<std::unique_ptr<Parity>> make(Slice data) { return Parity::create(*kernels_, pool_, data); }

    /// Queues the encoding of `count` blocks (at least 1) from number `first`, behind everything that `after` has
    /// queued so far. A null `after` means behind nothing.
    Result<void> encode(Copiers *after, Parity &parity, std::uint64_t first, std::uint64_t count);
    /// The same, cheaper, for blocks that are all zeros by then.
    Result<void> clear(Copiers *after, Parity &parity, std::uint64_t first, std::uint64_t count);
    /// Parity::check, behind every encode of these blocks. Waits for the device.
    Result<BlockReport> check(ParityMode mode, Parity &parity, std::uint64_t first, std::uint64_t count);

    /// Returns when all that was queued is done. EIO: the device has failed.
    Result<void> wait();

    /// Since the start, of all verifications and repairs.
    struct Counts {
        std::uint64_t verified, repaired, damaged; ///< blocks; a damaged one counts each time that it is found
    };
    Counts counts() const { return {verified_, repaired_, damaged_}; }
    std::uint64_t held() const { return pool_.held(); } ///< bytes of device memory, with what is left over in granules

private:
    // A stream, and where the kernels that run on this stream report.
    struct Queue {
        Queue(Stream made, Event end, FindingsBuffer buffer)
            : stream(std::move(made)), mark(std::move(end)), findings(std::move(buffer)) {}
        Stream stream;
        Event mark;
        Mutex mutex; // one verification at a time
        FindingsBuffer findings GUARDED_BY(mutex);
    };
    static constexpr std::size_t kQueueCount = 8; // encodes that run at a time; a write of 1 MiB uses one for 30 us

    ParityEngine(Keeper &keeper, Device &device, std::unique_ptr<ParityKernels> kernels)
        : pool_(keeper, device), gpu_(device.carrier()), kernels_(std::move(kernels)) {}
    Result<void> check_alive() const;
    Queue &queue_of(CUdeviceptr address) const;
    template <typename Work>
    Result<void> queue(Copiers *after, Parity &parity, std::uint64_t first, std::uint64_t count, Work work);
    Result<void> wait_for(CUstream stream, CUevent mark) const;
    Result<void> gather() REQUIRES(wide_);
    Result<void> scatter() REQUIRES(wide_);
    Result<BlockReport> check_on(
        Queue &queue, ParityMode mode, Parity &parity, std::uint64_t first, std::uint64_t count);

    Pool pool_;
    const Device &gpu_; // whose context its streams are in
    std::unique_ptr<ParityKernels> kernels_;
    std::array<std::unique_ptr<Queue>, kQueueCount> queues_; // the first one also does what is wider than a chunk
    Mutex wide_;                                             // held while all queues are made to wait for each other
    std::atomic<std::uint64_t> verified_ = 0, repaired_ = 0, damaged_ = 0;
};

} // namespace gmemfs
