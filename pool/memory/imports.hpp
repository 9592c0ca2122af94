// Imports: blocks of other processes that this one has opened (cuIpcOpenMemHandle).
//
// A block's whole extent is mapped, once, with a lease on its file, and the block is a part of that. So the memory
// stays when its exporter frees it, or dies. The lock on the block's slot (exports.hpp) is given back last.
#pragma once

#include "client/lib/address_range.hpp"
#include "client/lib/connection.hpp"
#include "pool/memory/ipc_handle.hpp"
#include "vmm/base/lock.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gmemfs::pool {

/// Thread-safe.
class Imports {
public:
    /// `directory` is in the mount that the memory is of.
    Imports(const Driver &driver, std::vector<DeviceInfo> devices, std::string directory)
        : driver_(driver), devices_(std::move(devices)), directory_(std::move(directory)) {}
    Imports(const Imports &) = delete;
    Imports &operator=(const Imports &) = delete;

    /// The block's address, the same each time. EACCES: this user may not read and write the file. ESTALE: the block
    /// has been freed, its process has ended, or the bytes are no handle of this mount's. ENODEV: this process doesn't
    /// see its device. Else the broker's and the driver's.
    Result<CUdeviceptr> open(const IpcHandle &handle, CUcontext context) EXCLUDES(opening_, mutex_);
    /// As often as it was opened; the last time this waits for the devices, and unmaps. False: it isn't open.
    Result<bool> close(CUdeviceptr address) EXCLUDES(opening_, mutex_);

    struct Block {
        CUdeviceptr address;
        std::uint64_t size;
        CUcontext context; ///< in which it was opened first
        std::uint64_t serial;
    };
    /// The open block that has this byte.
    std::optional<Block> find(CUdeviceptr address) EXCLUDES(mutex_);

private:
    class Extent;
    class Exporter;
    using Name = std::pair<std::uint64_t, std::uint64_t>; // of a block: the table's cookie, and the key in it
    struct Open {
        Name name;
        Block block;
        unsigned count;
        std::uint32_t slot;
        std::shared_ptr<Exporter> exporter;
        std::shared_ptr<Extent> extent;
    };
    std::optional<CUdeviceptr> open_again(const Name &name) EXCLUDES(mutex_);
    Result<std::shared_ptr<Extent>> map(const protocol::Ticket &ticket) REQUIRES(opening_);
    Result<std::shared_ptr<Exporter>> meet(const IpcHandle &handle) REQUIRES(opening_);

    const Driver &driver_;
    const std::vector<DeviceInfo> devices_;
    const std::string directory_;
    Mutex opening_; // before mutex_: one thread opens or closes
    std::map<protocol::Ticket, std::weak_ptr<Extent>> extents_ GUARDED_BY(opening_);
    std::map<std::uint64_t, std::weak_ptr<Exporter>> exporters_ GUARDED_BY(opening_); // by cookie
    Mutex mutex_;
    std::map<CUdeviceptr, Open> open_ GUARDED_BY(mutex_);
    std::uint64_t next_serial_ GUARDED_BY(mutex_) = 1; // below those of the devices' pools
};

} // namespace gmemfs::pool
