// File mapping: a file's memory in this process, the lease on it, and the order in which both end.
//
//     wait for the devices -> unmap -> release the lease        each whatever became of the one before
#pragma once

#include "client/lib/address_range.hpp"
#include "client/lib/connection.hpp"
#include "client/lib/opening.hpp"

#include <optional>

namespace gmemfs::client {

/// Thread-safe. Shared by the caller's handle and by the DLPack tensors that were made of it; the last one unmaps.
class FileMapping {
public:
    /// Imports what `attached` holds; the lease is the mapping's when that succeeds, and the caller's when it doesn't.
    static Result<std::shared_ptr<FileMapping>> create(std::shared_ptr<const Devices> devices, std::string path,
        std::shared_ptr<Connection> connection, Attached &attached, const gmemfs_map_options &options);
    ~FileMapping() { (void)unmap(); }
    FileMapping(const FileMapping &) = delete;
    FileMapping &operator=(const FileMapping &) = delete;

    const gmemfs_mapping_info &info() const { return info_; } ///< as it was when it was mapped

    /// Unmaps now, when all work has ended that the devices have. What goes wrong on the way is told when it is done.
    Result<void> unmap() EXCLUDES(mutex_);
    /// EINVAL: not within one extent, unmapped, or no context is current. ENOTSUP: the driver can't.
    Result<int> export_dma_buf(std::uint64_t offset, std::uint64_t length) EXCLUDES(mutex_);

private:
    FileMapping(std::shared_ptr<const Devices> devices, std::string path, std::shared_ptr<Connection> connection,
        std::uint64_t lease, AddressRange range, const gmemfs_mapping_info &info);

    struct Taken {
        std::optional<AddressRange> range;
        std::shared_ptr<Connection> connection;
    };
    Taken take() EXCLUDES(mutex_);

    const std::shared_ptr<const Devices> devices_; // before the range: its driver is the last to go
    const std::string path_;
    const gmemfs_mapping_info info_;
    const std::uint64_t lease_;
    Mutex mutex_;
    std::shared_ptr<Connection> connection_ GUARDED_BY(mutex_);
    std::optional<AddressRange> range_ GUARDED_BY(mutex_);
};

} // namespace gmemfs::client
