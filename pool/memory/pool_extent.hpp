// PoolExtent: one allocation of the process's own, mapped, and a file of the mount.
#pragma once

#include "pool/memory/extent_files.hpp"
#include "vmm/memory/mapping.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace gmemfs::pool {

/// Owner; its destructor unmaps the memory, and then the file goes. Nothing may be running on it.
class PoolExtent {
public:
    /// `size` is bytes, rounded up to the granularity. The process may export the memory itself: as a descriptor, and
    /// as a fabric handle where the machine has them. ENOSPC, EDQUOT: device, mount or user have no room.
    static Result<std::unique_ptr<PoolExtent>> create(
        const Driver &driver, const DeviceInfo &device, std::uint64_t size, ExtentFiles &files, ExtentFiles::Kind kind);
    /// Of host memory, for the `users` of `host`. It is no file.
    static Result<std::unique_ptr<PoolExtent>> create_in_host(
        const Driver &driver, const DeviceInfo &host, std::uint64_t size);
    ~PoolExtent();
    PoolExtent(const PoolExtent &) = delete;
    PoolExtent &operator=(const PoolExtent &) = delete;

    CUdeviceptr address() const { return mapping_->address(); }
    std::uint64_t size() const { return size_; } ///< bytes
    /// Bytes of the device, which a limit counts: none of what lies in host memory.
    std::uint64_t charged() const { return is_host_ ? 0 : size_; }
    /// Null: it is no file.
    const ExtentFiles::Listed *listed() const { return listed_.get(); }
    /// Of its file, as it was made; empty: it is none.
    std::string path() const { return listed_ ? listed_->path() : std::string(); }
    /// The entry of all of it, if it is one block.
    BlockEntry whole() {
        block_table::Slot *const seen = listed_ ? listed_->row().whole() : nullptr;
        return BlockEntry(seen != nullptr ? seen : &unseen_);
    }
    /// As BlockTable::Row::place_of, of an address in it.
    std::uint64_t place_of(CUdeviceptr block) const {
        return listed_ ? listed_->row().place_of(block - address()) : block_table::kNoRow;
    }
    /// Whether it was made with access for the device.
    bool is_open_to(CUdevice user) const { return std::find(users_.begin(), users_.end(), user) != users_.end(); }

private:
    PoolExtent(const DeviceInfo &device, Mapping mapping, std::unique_ptr<ExtentFiles::Listed> listed);

    const std::uint64_t size_;
    const bool is_host_;
    const std::vector<CUdevice> users_;
    std::unique_ptr<ExtentFiles::Listed> listed_;
    std::optional<Mapping> mapping_; // goes first
    block_table::Slot unseen_ = {};  // of one block that is no file
};

} // namespace gmemfs::pool
