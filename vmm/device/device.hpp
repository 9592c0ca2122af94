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
    int numa_node = 0;           ///< of the host: where its memory lies
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

class Device;

/// Is told when a device is lost to this process: of its first sticky error, once, on the thread that met the error,
/// whatever locks that holds.
class DeviceWatch {
public:
    virtual void device_failed(const Device &device, const Error &error) = 0;

protected:
    ~DeviceWatch() = default;
};

/// A GPU with its primary context retained. Thread-safe.
class Device {
public:
    /// A context that this makes gets no more than our kernels need: 254 MiB of device memory instead of 518 (H200,
    /// driver 580; what goes is stacks). One that is there already, a framework's in this process, is left as it is.
    static Result<std::unique_ptr<Device>> open(const Driver &driver, const DeviceInfo &info);
    ~Device();
    Device(const Device &) = delete;
    Device &operator=(const Device &) = delete;

    const Driver &driver() const { return driver_; }
    const DeviceInfo &info() const { return info_; }

    CUcontext context() const { return context_; } ///< for copies between devices
    /// Binds the context to the calling thread; copies, streams and pinned memory need it.
    Result<void> make_current() const;

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
    /// `watch` is told that `lost` is; both outlive this. Before another thread uses this.
    void set_watch(DeviceWatch &watch, const Device &lost) { watch_ = &watch, lost_ = &lost; }

    /// How many Copiers have a large copy under way between host and device; theirs to count.
    std::atomic<int> &busy_copiers() { return busy_copiers_; }

private:
    Device(const Driver &driver, DeviceInfo info) : driver_(driver), info_(std::move(info)) {}
    Error failure(CUresult result, const char *doing, std::initializer_list<Driver::Errno> here) const;
    Result<void> set_limit(CUlimit limit, std::size_t size) const;

    const Driver &driver_;
    const DeviceInfo info_;
    CUcontext context_ = nullptr;
    bool is_own_ = false; ///< the context: nobody had made it before; constant once open
    Mutex stack_mutex_;
    std::size_t stack_size_ GUARDED_BY(stack_mutex_) = 0; ///< of each thread of a kernel, as it was last asked for
    mutable std::atomic<bool> failed_ = false;
    std::atomic<int> busy_copiers_ = 0;
    DeviceWatch *watch_ = nullptr; // null for none
    const Device *lost_ = nullptr; // of which that is told
};

} // namespace gmemfs
