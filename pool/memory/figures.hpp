// Figures: what a process says of its pool, in memory that `gmemfs pool stat` reads while the process runs.
//
// It is an unlinked memory file of the process's (memfd_create(2)), which others find in /proc/PID/fd. So there is
// nothing to clean up, nobody is asked, a process that is stopped can be read as well, and only users who may trace the
// process can read it.
#pragma once

#include "vmm/base/fd.hpp"

#include <atomic>
#include <cstdint>
#include <sys/types.h>
#include <type_traits>

namespace gmemfs::pool {

/// Numbers of one process, each by itself: together they may be off by what happens in between. Bytes, but for counts.
struct Figures {
    static constexpr std::uint64_t kMagic = 0x314c4f4f50464d47; ///< "GMFPOOL1"

    std::atomic<std::uint64_t> magic, size; ///< of this struct: later ones are longer
    std::atomic<std::uint64_t> held;        ///< of the device, in files
    std::atomic<std::uint64_t> used;        ///< of that, by the program
    std::atomic<std::uint64_t> used_most;   ///< at any time
    std::atomic<std::uint64_t> blocks;      ///< how many the program has
    std::atomic<std::uint64_t> taken;       ///< how many it ever had
    std::atomic<std::uint64_t> fences;      ///< how often the pool waited for the device
    std::atomic<std::uint64_t> unlisted;    ///< of `held`, what the mount's server didn't take as a file
    std::atomic<std::uint64_t> limit;       ///< 0: none
    std::atomic<std::uint64_t> folder;      ///< inode of the process's directory; 0: it has none yet

    void add_used(std::uint64_t bytes) {
        const std::uint64_t now = used.fetch_add(bytes, std::memory_order_relaxed) + bytes;
        std::uint64_t most = used_most.load(std::memory_order_relaxed);
        while (now > most && !used_most.compare_exchange_weak(most, now, std::memory_order_relaxed)) {}
        blocks.fetch_add(1, std::memory_order_relaxed);
        taken.fetch_add(1, std::memory_order_relaxed);
    }
    void drop_used(std::uint64_t bytes) {
        used.fetch_sub(bytes, std::memory_order_relaxed);
        blocks.fetch_sub(1, std::memory_order_relaxed);
    }
};
static_assert(std::is_standard_layout_v<Figures> && std::atomic<std::uint64_t>::is_always_lock_free);

/// The calling process's, made at the first call, and never taken away. Where no memory file can be made nobody else
/// sees them. Thread-safe.
Figures &own_figures();

/// A copy of what another process says, as plain numbers.
struct ReadFigures {
    std::uint64_t held = 0, used = 0, used_most = 0, blocks = 0, taken = 0, fences = 0, unlisted = 0, limit = 0,
                  folder = 0;
};
/// ENOENT: there is no such process, or it has no pool. EACCES: this user may not look into it.
Result<ReadFigures> read_figures(pid_t pid);

} // namespace gmemfs::pool
