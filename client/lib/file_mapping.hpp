// File mapping: owner of a file's memory in this process and of the lease on the file.
//
//     at its end: wait for the devices -> unmap -> release the lease      each, whatever became of the one before
#pragma once

#include "client/lib/address_range.hpp"
#include "client/lib/connection.hpp"
#include "client/lib/opening.hpp"

#include <optional>

namespace gmemfs::client {

/// Thread-safe. The caller's handle and the DLPack tensors that were made of it share the mapping; the last one unmaps.
class FileMapping {
public:
    /// Imports the extents of `attached`. The lease is the mapping's where that succeeds, and the caller's where it
    /// fails. `addresses`: where it is to be; null for anywhere.
    static Result<std::shared_ptr<FileMapping>> create(std::shared_ptr<const Devices> devices, std::string path,
        std::shared_ptr<Connection> connection, Attached &attached, const gmemfs_map_options &options,
        std::shared_ptr<const Addresses> addresses);
    ~FileMapping() { (void)unmap(); }
    FileMapping(const FileMapping &) = delete;
    FileMapping &operator=(const FileMapping &) = delete;

    const gmemfs_mapping_info &info() const { return info_; } ///< as the file was when it was mapped

    /// Where it is; whoever keeps them may map a file there when this one is unmapped. Null: it is unmapped already.
    std::shared_ptr<const Addresses> addresses() EXCLUDES(mutex_);
    /// Waits until the devices have ended all work, and unmaps. Returns the first error after everything is done.
    Result<void> unmap() EXCLUDES(mutex_);
    /// A dma-buf descriptor, the caller's. EINVAL: not within one extent, unmapped, or no context is current. ENOTSUP:
    /// the driver can't export one.
    Result<int> export_dma_buf(std::uint64_t offset, std::uint64_t length) EXCLUDES(mutex_);

private:
    FileMapping(std::shared_ptr<const Devices> devices, std::string path, std::shared_ptr<Connection> connection,
        std::uint64_t lease, AddressRange range, const gmemfs_mapping_info &info);

    struct Taken {
        std::optional<AddressRange> range;
        std::shared_ptr<Connection> connection;
    };
    Taken take() EXCLUDES(mutex_);

    const std::shared_ptr<const Devices> devices_; // before the range, because its driver must outlive that
    const std::string path_;
    const gmemfs_mapping_info info_;
    const std::uint64_t lease_;
    Mutex mutex_;
    std::shared_ptr<Connection> connection_ GUARDED_BY(mutex_);
    std::optional<AddressRange> range_ GUARDED_BY(mutex_);
};

} // namespace gmemfs::client
