// Cache: moves a pinned buffer's bytes to the processor's shared cache, where the copy engine reads them faster.
//
// A core that has copied a request keeps its bytes in a cache of its own (2 MiB of a Xeon's), where the copy engine has
// to look for them. Eight threads that each fill a buffer, and have it copied to the device, move 26 GB/s. They move 39
// GB/s when the lines lie in the cache that all cores share. A buffer that was read, and that the engine fills next,
// shows the same: 27 and 40 (H200's host, tests/bench/bus_copy.cpp; docs/benchmarking.md).
#pragma once

#include <cstddef>
#include <span>

namespace gmemfs {

inline constexpr std::size_t kDemotedLeast = std::size_t(64) * 1024;
void demote_large(std::span<const std::byte> bytes);

/// Moves `bytes` from this core's own caches to the shared one; their values stay. Takes 10 ns a line of 64 bytes where
/// the lines are there and dirty. Does nothing for fewer than 64 KiB, where the gain didn't pay, and on processors
/// without CLDEMOTE, which is Intel's from Sapphire Rapids on (Software Developer's Manual 2A; CPUID leaf 7, ECX bit
/// 25). Thread-safe.
inline void demote(std::span<const std::byte> bytes) {
    if (bytes.size() >= kDemotedLeast) demote_large(bytes);
}

} // namespace gmemfs
