// Device: one GPU, by ordinal and UUID; the only class that knows a CUDA context.
//
// Host memory that cuMemCreate makes is a Device, too, one that GPUs use over the bus: it has extents, copies and
// handles as a GPU has, under the context of the first of those GPUs. No processor maps it in the server: with access
// for the host the driver copies to and from pinned memory by a processor, 16 GB/s instead of 45 (H200, driver 580).
#pragma once

#include "vmm/base/lock.hpp"
#include "vmm/device/driver.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace gmemfs {

/// Stands for host memory where a GPU has its UUID: in journals, in messages to keeper and peers.
inline constexpr std::array<std::uint8_t, 16> kHostUuid = {'h', 'o', 's', 't'};

/// What can be known of a GPU without a context on it. A plain value.
struct DeviceInfo {
    CUdevice handle = 0;
    enum class Kind { gpu, host };
    Kind kind = Kind::gpu;
    int ordinal = 0;                     ///< as the driver counts, after CUDA_VISIBLE_DEVICES; of the host -1
    std::array<std::uint8_t, 16> uuid{}; ///< the same in every process and over restarts
    std::string name;
    std::string bus_id;            ///< "0000:04:00.0"
    std::uint64_t total = 0;       ///< bytes of device memory
    std::uint64_t granularity = 0; ///< bytes; every extent is a multiple (2 MiB on the GPUs seen)
    int compute_major = 0;
    int compute_minor = 0;
    int numa_node = -1;          ///< of the host's memory: where it lies; of a GPU: the one beside it, -1: unknown
    bool decompresses = false;   ///< it has an engine for that (Blackwell), which wants to know when memory is made
    std::vector<CUdevice> users; ///< the GPUs that may use its memory: itself; of the host, all that it was queried for

    std::string uuid_text() const; ///< "GPU-8-4-4-4-12", as nvidia-smi prints it; of the host "host"

    /// ENODEV: there is no such device, or it has no virtual memory management.
    static Result<DeviceInfo> query(const Driver &driver, int ordinal);
    /// Host memory for `gpus`, which isn't empty, on the node next to the first of them. ENOTSUP: the driver can't.
    static Result<DeviceInfo> query_host(const Driver &driver, const std::vector<DeviceInfo> &gpus);
    bool is_host() const { return kind == Kind::host; }
};

/// Bytes that processes of this machine can have without swapping, after the kernel's own estimate; 0 where it isn't
/// told.
std::uint64_t available_host_memory();

/// What cuMemCreate is asked for on `device`: pinned memory, exportable as `types`; on a GPU reachable for RDMA, and by
/// its decompression engine where it has one.
CUmemAllocationProp allocation_properties(const DeviceInfo &device, unsigned types);

/// All GPUs that the driver shows. Empty is no error.
Result<std::vector<DeviceInfo>> query_devices(const Driver &driver);
/// Those that answer, which a lost one doesn't. Errors: where none answers, the first one's.
Result<std::vector<DeviceInfo>> query_living_devices(const Driver &driver);

class Device;

/// Is told what becomes of devices, on the thread that meets it, whatever locks that holds.
class DeviceWatch {
public:
    /// A GPU is lost to this process: of its first sticky error, once. Other threads that need the GPU wait meanwhile,
    /// and then hear that it is lost; so this must not use it.
    virtual void device_failed(const Device &device, const Error &error) = 0;
    /// Bytes are about to be copied from `source` to `target`, which doesn't reach the memory of `source`: they go by
    /// way of the host. Once for two devices, whichever is the source.
    virtual void link_missed(const Device &source, const Device &target) = 0;

protected:
    ~DeviceWatch() = default;
};

/// A GPU with its primary context retained. Thread-safe.
class Device {
public:
    /// A context that this makes gets no more than our kernels need: 254 MiB of device memory instead of 518 (H200,
    /// driver 580; what goes is stacks). One that is there already, a framework's in this process, is left as it is.
    static Result<std::unique_ptr<Device>> open(const Driver &driver, const DeviceInfo &info);
    /// A GPU that is lost from the start. What a keeper holds of its memory stays there.
    static std::unique_ptr<Device> make_lost(const Driver &driver, const DeviceInfo &info);
    ~Device();
    Device(const Device &) = delete;
    Device &operator=(const Device &) = delete;

    const Driver &driver() const { return driver_; }
    const DeviceInfo &info() const { return info_; }

    CUcontext context() const { return context_; } ///< for copies between devices
    /// Binds the context to the calling thread; copies, streams and pinned memory need it. EIO: the device is lost.
    Result<void> make_current() const;
    /// EIO: the device is lost. Host memory never is: each GPU reaches it.
    Result<void> check_alive() const {
        if (failed() && !info_.is_host()) [[unlikely]]
            return loss();
        return {};
    }

    struct Memory {
        std::uint64_t free, total; ///< bytes, of all processes together
    };
    /// Of the host: what /proc/meminfo calls available.
    Result<Memory> memory() const;

    /// Kernels that need so many bytes of stack a thread are about to be used. Asked for when they are loaded, because
    /// a launch that has to make the stacks larger waits for the device, and fails where that is full. ENOSPC: it is.
    Result<void> keep_stack(std::size_t size);

    /// Like Driver::check, and remembers a sticky error: from then on nothing on this device can succeed.
    Result<void> check(CUresult result, const char *doing, std::initializer_list<Driver::Errno> here = {}) const {
        if (result == CUDA_SUCCESS) [[likely]]
            return {};
        return failure(result, doing, here);
    }
    bool failed() const { return failed_.load(std::memory_order_relaxed); }
    /// Remembers a sticky error that a call which needs no context was answered with.
    void heard(const Error &error) const;
    /// `watch` outlives this. Before another thread uses this.
    void set_watch(DeviceWatch &watch) { watch_ = &watch; }
    /// Of host memory: the GPUs that use it, which outlive this. The first of them that isn't lost lends its context.
    /// Before another thread uses this.
    void set_carriers(std::vector<const Device *> carriers) { carriers_ = std::move(carriers); }
    /// The GPU whose context is used at present.
    const Device &carrier() const;

    /// Called before each copy to another GPU: the watch is told of the first one for which there is no link.
    void about_to_copy_to(const Device &target) const {
        if ((targets_.load(std::memory_order_relaxed) & bit_of(target)) == 0) look_for_link(target);
    }

    /// How many Copiers have a large copy under way between host and device; theirs to count.
    std::atomic<int> &busy_copiers() { return busy_copiers_; }

private:
    Device(const Driver &driver, DeviceInfo info) : driver_(driver), info_(std::move(info)) {}
    Error failure(CUresult result, const char *doing, std::initializer_list<Driver::Errno> here) const;
    Error loss() const;
    void lose(const Error &error) const;
    Result<void> set_limit(CUlimit limit, std::size_t size) const;
    // A machine has 16 GPUs at the most; two of 64 and more that share a bit would be told of as one.
    static std::uint64_t bit_of(const Device &device) {
        return std::uint64_t(1) << (static_cast<unsigned>(device.info_.ordinal) % 64);
    }
    void look_for_link(const Device &target) const;

    const Driver &driver_;
    const DeviceInfo info_;
    CUcontext context_ = nullptr;
    bool is_own_ = false; ///< the context: nobody had made it before; constant once open
    Mutex stack_mutex_;
    std::size_t stack_size_ GUARDED_BY(stack_mutex_) = 0; ///< of each thread of a kernel, as it was last asked for
    mutable std::atomic<bool> failed_ = false;
    std::atomic<int> busy_copiers_ = 0;
    mutable std::once_flag lost_;                    // held until the watch has been told
    mutable std::atomic<std::uint64_t> targets_ = 0; // a bit for each device to which bytes were copied from here
    DeviceWatch *watch_ = nullptr;                   // null for none
    std::vector<const Device *> carriers_;           // empty but for host memory
};

} // namespace gmemfs
