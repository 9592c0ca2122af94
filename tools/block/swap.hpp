// Swap: swap areas on block devices of gmemfs, switched on and off step by step.
#pragma once

#include "tools/block/block_device.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace gmemfs {

/// A row of /proc/swaps. A plain value.
struct SwapArea {
    std::string path;         ///< without the kernel's escapes
    std::uint64_t size, used; ///< bytes
    int priority;
    bool is_ghost; ///< the kernel says "(deleted)": its device has gone, and what was on it is lost
};
std::vector<SwapArea> read_swaps();

struct SwapOptions {
    BlockOptions block;    ///< `file` is there, and `door` is what choose_swap_door() says
    int priority = 32767;  ///< the highest: before any disk
    bool discards = false; ///< gives memory of freed clusters back (--discard=pages)
};

/// By which driver swap goes on this machine. ENOTSUP: by none, with what to do about it. EPERM: it takes root.
Result<block::DoorKind> choose_swap_door(const BlockOptions &options);
/// Makes the device, a swap header on it, and switches it on; undoes what it did where a step fails. Returns the
/// device's name. EBUSY: there is a ghost. Others: see choose_swap_door().
Result<std::string> switch_on(const SwapOptions &options);
/// Starts a process that gives the device's memory back when less than `reserve` bytes of it are free: switch_off(),
/// and the file is emptied. It looks each second, and ends with the swap area.
Result<void> watch_reserve(const std::string &device, std::uint64_t reserve, std::chrono::seconds patience);
/// What that process does.
Result<void> keep_reserve(const std::string &device, std::uint64_t reserve, std::chrono::seconds patience);

/// Reads everything back, switches it off, and ends the device. ENOMEM: what is swapped out doesn't fit into memory.
/// ETIMEDOUT: it wasn't done in that time; swap is on as before. Nothing is ever lost by a failure.
Result<void> switch_off(const std::string &device, std::chrono::seconds patience);

} // namespace gmemfs
