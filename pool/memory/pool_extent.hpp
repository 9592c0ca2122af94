// PoolExtent: one allocation of the process's own, mapped, and a file of the mount.
#pragma once

#include "pool/memory/extent_files.hpp"
#include "vmm/memory/mapping.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace gmemfs::pool {

/// Owner; its destructor unmaps the memory, and then the file goes. Nothing may be running on it.
class PoolExtent {
public:
    /// `size` is bytes, rounded up to the granularity. The process may export the memory itself: as a descriptor, and
    /// as a fabric handle where the machine has them. ENOSPC, EDQUOT: device, mount or user have no room.
    static Result<std::unique_ptr<PoolExtent>> create(
        const Driver &driver, const DeviceInfo &device, std::uint64_t size, ExtentFiles &files, ExtentFiles::Kind kind);
    ~PoolExtent();
    PoolExtent(const PoolExtent &) = delete;
    PoolExtent &operator=(const PoolExtent &) = delete;

    CUdeviceptr address() const { return mapping_->address(); }
    std::uint64_t size() const { return size_; } ///< bytes

private:
    explicit PoolExtent(std::uint64_t size) : size_(size) {}

    const std::uint64_t size_;
    std::unique_ptr<ExtentFiles::Listed> listed_;
    std::optional<Mapping> mapping_; // goes first
};

} // namespace gmemfs::pool
