// File allocator: gives memory to libraries that allocate by two functions: each block is a file of one directory.
//
//     DIRECTORY/block-PID-000007     from allocate() to free(), or to close(): then its memory stays, and the name goes
#pragma once

#include "client/lib/file_mapping.hpp"
#include "vmm/base/lock.hpp"

#include <map>
#include <memory>
#include <string>

namespace gmemfs::client {

/// Thread-safe. Allocations of several threads are made side by side.
class FileAllocator {
public:
    /// ENOENT, ENOTDIR, ENOTTY: no directory of a gmemfs mount. `library`: the driver's, or null.
    static Result<std::shared_ptr<FileAllocator>> create(const char *directory, const char *library);
    explicit FileAllocator(std::shared_ptr<OpenedPath> directory) : directory_(std::move(directory)) {}

    /// `size` bytes on a device, by ordinal. ENOSPC, EDQUOT: there is no room. ENODEV, EINVAL: process or mount don't
    /// use the device.
    Result<CUdeviceptr> allocate(std::uint64_t size, int device) EXCLUDES(mutex_);
    enum class Contents { keep, drop };
    /// All blocks give their memory back, and keep their addresses: their bytes go to host memory, or are dropped. Not
    /// beside other calls but allocate() and free() of other blocks. After an error all have their memory again, as far
    /// as there is any. ENOSPC, ENOTSUP: the mount has no host memory, or no more. EBUSY: another peer has one mapped.
    Result<void> pause(Contents contents) EXCLUDES(mutex_);
    /// They have memory again, and their bytes, or zeros. ENOSPC: the device has no room; those that have none yet keep
    /// their bytes, and may be resumed later.
    Result<void> resume() EXCLUDES(mutex_);
    /// Waits for the work that the devices have. EINVAL: no block begins there. Else see FileMapping::unmap.
    Result<void> free(CUdeviceptr address) EXCLUDES(mutex_);
    /// Removes the names of what is still allocated.
    void close() EXCLUDES(mutex_);
    bool has_blocks() EXCLUDES(mutex_);

private:
    struct Block {
        std::shared_ptr<OpenedPath> file;
        std::shared_ptr<FileMapping> mapping; // null while it is paused
        std::shared_ptr<const Addresses> addresses;
        std::uint64_t size;
        std::string name; // empty: it has none any more
    };
    static Result<void> put_away(const Block &block, Contents contents);
    static Result<void> bring_back(Block &block);
    Result<Block> make(const std::string &name, std::uint64_t size, const DeviceInfo &device) const;
    void remove(const std::string &name) const;

    const std::shared_ptr<OpenedPath> directory_;
    Mutex mutex_;
    std::map<CUdeviceptr, Block> blocks_ GUARDED_BY(mutex_);
    unsigned next_ GUARDED_BY(mutex_) = 0;
};

} // namespace gmemfs::client
