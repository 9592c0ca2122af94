// OwnAllocations: what a program makes by cuMemCreate itself: a file each, and counted against the limit.
//
// Such memory lives as long as a handle or a mapping of it does, and so does its file.
#pragma once

#include "pool/memory/device_pool.hpp"
#include "pool/memory/extent_files.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace gmemfs::pool {

/// One of them: what it has in the mount, and of the limit.
class OwnAllocation {
public:
    /// `listed`: null where it is no file. The bytes were taken from the limit. `library`: Callers::library_of.
    OwnAllocation(std::unique_ptr<ExtentFiles::Listed> listed, Limit &limit, std::uint64_t size, unsigned library);
    ~OwnAllocation();
    std::string path() const { return listed_ ? listed_->path() : std::string(); } ///< as PoolExtent has it
    OwnAllocation(const OwnAllocation &) = delete;
    OwnAllocation &operator=(const OwnAllocation &) = delete;

private:
    const std::unique_ptr<ExtentFiles::Listed> listed_;
    Limit &limit_;
    const std::uint64_t size_;
    const unsigned library_;
};

/// Thread-safe. Each function is called after the driver has done what it is named after; what isn't known is ignored.
class OwnAllocations {
public:
    void created(CUmemGenericAllocationHandle handle, std::shared_ptr<OwnAllocation> made) EXCLUDES(mutex_);
    void retained(CUmemGenericAllocationHandle handle, CUdeviceptr address) EXCLUDES(mutex_);
    void released(CUmemGenericAllocationHandle handle) EXCLUDES(mutex_);
    void mapped(CUdeviceptr address, std::uint64_t size, CUmemGenericAllocationHandle handle) EXCLUDES(mutex_);
    void unmapped(CUdeviceptr address, std::uint64_t size) EXCLUDES(mutex_);

    /// Of the mapping that has this byte, which is all of its file.
    std::optional<DevicePool::Place> locate(CUdeviceptr address) EXCLUDES(mutex_);

private:
    struct Held {
        std::shared_ptr<OwnAllocation> allocation;
        unsigned count; // how often it must be released
    };
    struct Mapped {
        std::uint64_t size;
        std::shared_ptr<OwnAllocation> allocation;
    };
    Mutex mutex_;
    std::map<CUmemGenericAllocationHandle, Held> handles_ GUARDED_BY(mutex_);
    std::map<CUdeviceptr, Mapped> mappings_ GUARDED_BY(mutex_);
};

} // namespace gmemfs::pool
