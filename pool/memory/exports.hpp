// Exports: which of this process's blocks other processes may open, and which they have open.
//
//     memory file:   magic, cookie | slot 1 | slot 2 | ...      a slot: key, offset, size; key 0: nothing is exported
//
// An importer opens it as /proc/PID/fd/N, takes a read lock on the slot's first byte, and looks at the key only then.
// The exporter takes the key away when the block is freed, and asks for the lock only then. So a block whose slot is
// unlocked is nobody's, and nobody can open it any more: it may be given to the next request. The kernel ends the lock
// with the importer, however that ends, and no server is asked.
#pragma once

#include "pool/memory/ipc_handle.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/lock.hpp"

#include <atomic>
#include <cstdint>
#include <vector>

namespace gmemfs::pool {

/// The memory file, as importers read it.
struct ExportTable {
    static constexpr std::uint64_t kMagic = 0x31505845464d4731; ///< "1GMFEXP1"
    static constexpr std::uint32_t kSlots = 1U << 16;           ///< of them slot 0 isn't used
    static constexpr char kName[] = "gmemfs-pool-exports";

    struct Slot {
        std::atomic<std::uint64_t> key;
        std::uint64_t offset, size; ///< bytes, in the extent
    };
    std::uint64_t magic, cookie;
    Slot slots[kSlots];

    static std::uint64_t place_of(std::uint32_t slot) { return 2 * sizeof(std::uint64_t) + slot * sizeof(Slot); }
};
static_assert(sizeof(ExportTable) == 2 * sizeof(std::uint64_t) + ExportTable::kSlots * sizeof(ExportTable::Slot));

/// Thread-safe. The table is made at the first export, and stays as long as the process.
class Exports {
public:
    using Slot = std::uint32_t; ///< never 0

    /// A slot for a block of the file that `ticket` names. ENOMEM, EMFILE: no table can be made. EUSERS: as many blocks
    /// are exported as may be.
    Result<Slot> add(std::uint64_t offset, std::uint64_t size) EXCLUDES(mutex_);
    IpcHandle handle(Slot slot, const protocol::Ticket &ticket) EXCLUDES(mutex_);
    /// From here on nobody can open the block. Who has it open keeps it.
    void revoke(Slot slot) EXCLUDES(mutex_);
    /// Whether another process has the block open.
    bool is_open(Slot slot) EXCLUDES(mutex_);
    /// The slot may be used again once nobody has it open.
    void drop(Slot slot) EXCLUDES(mutex_);
    /// Whether this process has made the handle.
    bool is_own(const IpcHandle &handle) EXCLUDES(mutex_);

private:
    Result<void> make_table() REQUIRES(mutex_);
    bool is_locked(Slot slot) const REQUIRES(mutex_);

    Mutex mutex_;
    Fd file_ GUARDED_BY(mutex_);
    ExportTable *table_ GUARDED_BY(mutex_) = nullptr; // mapped until the process ends
    std::vector<Slot> dropped_ GUARDED_BY(mutex_);
    Slot next_slot_ GUARDED_BY(mutex_) = 1;
    std::uint64_t next_key_ GUARDED_BY(mutex_) = 1;
};

} // namespace gmemfs::pool
