// Checksums: a CRC32C of each 4 KiB of a disk, in host memory, so that damage is an error and not silent (--verify).
//
// They live in memory that the processes which may serve the disk share: 1 MiB for each GiB.
#pragma once

#include "vmm/base/lock.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gmemfs::block {

inline constexpr std::uint64_t kCheckedSize = 4096; ///< bytes that one checksum covers

/// Thread-safe.
class Checksums {
public:
    /// `sums` has one for each kCheckedSize bytes. All zeros: nothing is known yet of any.
    explicit Checksums(std::span<std::uint32_t> sums) : sums_(sums) {}

    /// Holds what a batch touches for as long as it lives, so that bytes and sums change together.
    class Held {
    public:
        // The analysis can't follow locks of an array.
        Held(Checksums &sums, std::uint64_t stripes) GMEMFS_THREAD(no_thread_safety_analysis);
        ~Held() GMEMFS_THREAD(no_thread_safety_analysis);
        Held(const Held &) = delete;
        Held &operator=(const Held &) = delete;

    private:
        Checksums &sums_;
        const std::uint64_t stripes_;
    };
    /// Which of the 64 locks the bytes need, a bit each.
    static std::uint64_t stripes_of(std::uint64_t offset, std::uint64_t length);

    // Of whole blocks of kCheckedSize, by who holds them.
    void set(std::uint64_t offset, std::span<const std::byte> bytes);
    void set_zeros(std::uint64_t offset, std::uint64_t length);
    /// Of bytes that a write has failed on: their sums are whatever they will be read as next.
    void forget(std::uint64_t offset, std::uint64_t length);
    /// False: what was read isn't what was written. Bytes of which nothing is known are taken as they are.
    bool check(std::uint64_t offset, std::span<const std::byte> bytes);

private:
    static constexpr std::size_t kStripes = 64;
    static constexpr std::uint64_t kStripeSize = 1024 * 1024;

    std::span<std::uint32_t> sums_;
    std::array<Mutex, kStripes> stripes_;
};

} // namespace gmemfs::block
