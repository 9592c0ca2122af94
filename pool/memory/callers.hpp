// Callers: which library an allocation is of: the one that the hook returns to.
//
// A library with a static runtime (cuBLAS, cuDNN) is found by its own name; what calls the shared runtime is the
// runtime's, libcudart.so.13. Code that no library has (a JIT's) is "unknown".
#pragma once

#include "client/wire/pool_figures.hpp"
#include "vmm/base/lock.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace gmemfs::pool {

/// Thread-safe. A place that has called before is found again in a table, by a load and a comparison.
class Callers {
public:
    Callers();
    /// Index of the library in the process's figures.
    unsigned library_of(const void *place) {
        const auto address = reinterpret_cast<std::uint64_t>(place);
        const std::uint64_t known = places_[index_of(address)].load(std::memory_order_relaxed);
        return known >> kLibraryBits == address ? static_cast<unsigned>(known & kLibraryMask) : look_up(address);
    }

private:
    static constexpr unsigned kLibraryBits = 8, kPlacesBits = 10; // an address has 56 bits at the most
    static constexpr std::uint64_t kLibraryMask = (1U << kLibraryBits) - 1;
    static_assert(PoolFigures::kLibraries <= kLibraryMask + 1);

    static std::size_t index_of(std::uint64_t address) {
        return address * 0x9e3779b97f4a7c15 >> (64 - kPlacesBits); // Fibonacci hashing
    }
    unsigned look_up(std::uint64_t address) EXCLUDES(mutex_);

    std::array<std::atomic<std::uint64_t>, std::size_t(1) << kPlacesBits> places_ = {}; // address, library
    Mutex mutex_;
};

} // namespace gmemfs::pool
