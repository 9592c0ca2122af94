// BatchDevice: what a ring has of a GPU: the driver, a context, nvCOMP and our kernel, opened when first needed.
#pragma once

#include "ecc/batch/batch_kernels.hpp"
#include "ecc/batch/codec.hpp"
#include "ecc/nvcomp/nvcomp.hpp"
#include "vmm/base/lock.hpp"
#include "vmm/device/device.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gmemfs {

/// Thread-safe once open.
class BatchDevice {
public:
    struct Settings {
        std::string driver;              ///< a library, as Driver::open takes it
        int ordinal = 0;                 ///< of the device
        std::vector<std::string> nvcomp; ///< where its library may be
    };
    ~BatchDevice();
    BatchDevice(const BatchDevice &) = delete;
    BatchDevice &operator=(const BatchDevice &) = delete;

    /// The driver and the device; nvCOMP may be missing. Errors: see Driver::open, DeviceInfo::query, Device::open.
    static Result<std::unique_ptr<BatchDevice>> open(const Settings &settings);

    Device &device() const { return *device_; }
    /// nvCOMP and our kernel are there. ENOTSUP: see Nvcomp::open. ENOEXEC: see BatchKernels::load.
    const Result<void> &can_compute() const { return can_compute_; }
    const Nvcomp &nvcomp() const { return *nvcomp_; }     ///< where can_compute()
    const NvcompCodec &codec(Algorithm algorithm) const { ///< the same
        return algorithm == Algorithm::lz4 ? nvcomp_->lz4() : nvcomp_->zstd();
    }
    const BatchKernels &kernels() const { return *kernels_; } ///< the same

private:
    BatchDevice() = default;
    Result<void> prepare_to_compute(const std::vector<std::string> &places);

    std::unique_ptr<Driver> driver_;
    std::unique_ptr<Device> device_;
    std::unique_ptr<const Nvcomp> nvcomp_;
    std::optional<BatchKernels> kernels_;
    Result<void> can_compute_;
};

/// Opens it when it is first asked for. Thread-safe.
class BatchDeviceOnce {
public:
    explicit BatchDeviceOnce(BatchDevice::Settings settings) : settings_(std::move(settings)) {}
    /// The device, or why there is none; the same each time. From then on what this thread calls disturbs no graph that
    /// another thread captures.
    Result<BatchDevice *> get() EXCLUDES(mutex_);

private:
    const BatchDevice::Settings settings_;
    Mutex mutex_;
    std::optional<Result<std::unique_ptr<BatchDevice>>> opened_ GUARDED_BY(mutex_);
};

/// Owner of plain device memory of this process. Move-only. Not thread-safe.
class DeviceBuffer {
public:
    /// ENOSPC: the device is full. The context is current in this thread, and in the one that frees it.
    static Result<DeviceBuffer> create(Device &device, std::size_t size);
    DeviceBuffer(DeviceBuffer &&other) noexcept
        : device_(other.device_), address_(std::exchange(other.address_, 0)), size_(other.size_) {}
    DeviceBuffer &operator=(DeviceBuffer &&) = delete;
    DeviceBuffer(const DeviceBuffer &) = delete;
    DeviceBuffer &operator=(const DeviceBuffer &) = delete;
    ~DeviceBuffer() {
        if (address_ != 0) device_.driver().cuMemFree(address_);
    }
    CUdeviceptr address() const { return address_; }
    std::size_t size() const { return size_; }

private:
    DeviceBuffer(Device &device, CUdeviceptr address, std::size_t size)
        : device_(device), address_(address), size_(size) {}

    Device &device_;
    CUdeviceptr address_;
    std::size_t size_;
};

} // namespace gmemfs
