// Cache: where the bytes of a pinned buffer lie when the bus comes for them.
//
// A core that has copied a request keeps its bytes in a cache of its own (2 MiB of a Xeon's), where the copy engine has
// to look for them: eight threads that fill a buffer each, and have it copied to the device, move 26 GB/s, and 39 once
// the lines lie in the cache that all cores share. The same of a buffer that was read, and that the engine is to fill
// next: 27 and 40 (H200's host, tests/bench/bus_copy.cpp; docs/benchmarking.md).
#pragma once

#include <cstddef>
#include <span>

namespace gmemfs {

/// Moves `bytes` from this core's own caches to the shared one; their values stay. 10 ns a line of 64 bytes, where the
/// lines are there and dirty. Does nothing to fewer than 64 KiB, which was not worth it, and on processors that can't:
/// CLDEMOTE is Intel's from Sapphire Rapids on (Software Developer's Manual 2A; CPUID leaf 7, ECX bit 25). Thread-safe.
void demote(std::span<const std::byte> bytes);

} // namespace gmemfs
