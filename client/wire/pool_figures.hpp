// PoolFigures: what a process says of its pool (docs/pool.md), in memory that others read while it runs.
//
// It is an unlinked memory file of the process's (memfd_create(2)), which others find in /proc/PID/fd. So there is
// nothing to clean up, nobody is asked, a process that is stopped can be read as well, and only users who may trace the
// process can read it.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace gmemfs {

/// Numbers of one process, each by itself: together they may be off by what happens in between. Bytes, but for counts.
template <typename Number>
struct BasicPoolFigures {
    static constexpr std::uint64_t kMagic = 0x334c4f4f50464d47; ///< "GMFPOOL3"
    static constexpr char kName[] = "gmemfs-pool";              ///< of the memory file
    static constexpr std::size_t kTimes = 40, kDevices = 32, kLibraries = 64, kLibraryName = 56;

    /// What the pool doesn't have, and the program asked the driver for: `bytes` as asked for, and not yet freed.
    enum Kind : std::size_t {
        managed,     ///< cuMemAllocManaged
        arrays,      ///< cuArrayCreate and the like
        pools,       ///< of memory pools other than the device's default one
        created,     ///< cuMemCreate that is no file
        native,      ///< cuMemAlloc that the pool couldn't serve
        graph_nodes, ///< a count of those that were ever made; their bytes aren't known
        kind_count
    };
    enum Call : std::size_t { take, give, call_count };
    struct Amount {
        Number count, bytes;
    };
    struct Device {          // by ordinal
        Number idle;         ///< of its arenas
        Number idle_largest; ///< the largest part of that, to 1/32
    };
    struct Library {
        Number used;
        char name[kLibraryName]; ///< ends in a zero; written before library_count
    };

    Number magic, size; ///< of this struct
    Number held;        ///< of the device
    Number used;        ///< of that, by the program
    Number used_most;   ///< at any time
    Number taken;       ///< how many blocks the program ever had
    Number given;       ///< how many of them it has given back
    Number fences;      ///< how often the pool waited for the device
    Number unlisted;    ///< of `held`, what is no file of the mount
    Number spilled;     ///< of host memory, in place of the device's
    Number limit;       ///< 0: none
    Number folder;      ///< inode of the process's directory; 0: it has none yet
    Amount kinds[kind_count];
    Number times[call_count][kTimes]; ///< calls that took less than 2^index ns, and no less than half of that
    Device devices[kDevices];
    Number library_count;
    Library libraries[kLibraries];
};

using ReadPoolFigures = BasicPoolFigures<std::uint64_t>;

/// As the process writes them.
struct PoolFigures : BasicPoolFigures<std::atomic<std::uint64_t>> {
    static constexpr auto kRelaxed = std::memory_order_relaxed;

    void add_used(std::uint64_t bytes, unsigned library) {
        const std::uint64_t now = used.fetch_add(bytes, kRelaxed) + bytes;
        std::uint64_t most = used_most.load(kRelaxed);
        while (now > most && !used_most.compare_exchange_weak(most, now, kRelaxed)) {}
        taken.fetch_add(1, kRelaxed);
        libraries[library].used.fetch_add(bytes, kRelaxed);
    }
    void drop_used(std::uint64_t bytes, unsigned library) {
        used.fetch_sub(bytes, kRelaxed);
        given.fetch_add(1, kRelaxed);
        libraries[library].used.fetch_sub(bytes, kRelaxed);
    }
    /// `weight` calls that took so long.
    void add_time(Call call, std::uint64_t ns, std::uint64_t weight) {
        const auto index = std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(ns)), kTimes - 1);
        times[call][index].fetch_add(weight, kRelaxed);
    }
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::is_standard_layout_v<PoolFigures> && sizeof(PoolFigures) == sizeof(ReadPoolFigures));
static_assert(std::is_trivially_copyable_v<ReadPoolFigures>);

} // namespace gmemfs
