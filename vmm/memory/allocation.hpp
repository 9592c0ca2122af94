// Allocation: owner of one cuMemCreate handle, which is device memory without an address. Needs no context.
#pragma once

#include "vmm/base/fd.hpp"
#include "vmm/device/device.hpp"
#include "vmm/memory/handle.hpp"

#include <cstdint>

namespace gmemfs {

/// Owner; move-only. Not thread-safe. Needs cuInit only. After the release, a mapping, a descriptor or a peer still
/// keeps the memory.
class Allocation {
public:
    /// `size` is a multiple of the granularity. ENOSPC: the device is full. EPERM: the policy is `fabric`, and there is
    /// no IMEX channel. Contents are whatever was there before: clear them.
    static Result<Allocation> create(
        const Driver &driver, const DeviceInfo &device, std::uint64_t size, HandlePolicy policy);
    /// ESTALE: the process that created the memory has died. EINVAL: not a handle.
    static Result<Allocation> import_fabric(const Driver &driver, const FabricHandle &handle);
    static Result<Allocation> import_fd(const Driver &driver, const Fd &fd);

    Allocation(Allocation &&other) noexcept;
    Allocation &operator=(Allocation &&other) noexcept;
    Allocation(const Allocation &) = delete;
    Allocation &operator=(const Allocation &) = delete;
    ~Allocation() { release(); }

    /// 5 us (H200). ENOTSUP: created without a fabric handle. EINVAL: imported, and so not ours to hand out.
    Result<FabricHandle> export_fabric() const;
    /// 0.5 to 0.9 ms (H200). The descriptor keeps the memory alive by itself. EINVAL: imported.
    Result<Fd> export_fd() const;

    CUmemGenericAllocationHandle handle() const { return handle_; }
    bool has_fabric() const { return has_fabric_; }

private:
    enum class Handles { fd, fabric_and_fd };
    Allocation(const Driver &driver, CUmemGenericAllocationHandle handle, Handles handles)
        : driver_(&driver), handle_(handle), has_fabric_(handles == Handles::fabric_and_fd) {}
    void release();

    const Driver *driver_;
    CUmemGenericAllocationHandle handle_ = 0;
    bool has_fabric_ = false;
};

} // namespace gmemfs
