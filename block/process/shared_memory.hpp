// Shared memory: what all processes that may serve a disk know of it: checksums, and a thin disk's written blocks.
//
//     | a bit for each 4 KiB of each part (thin) | a checksum for each 4 KiB (--verify) |
#pragma once

#include "block/process/setup.hpp"

#include <span>

namespace gmemfs::block {

/// Owner of a mapping. Move-only.
class SharedMemory {
public:
    /// Makes it, all zeros; no descriptor where the plan needs none. ENOMEM, EMFILE.
    static Result<Fd> make(const Plan &plan);
    static Result<SharedMemory> map(const Fd &fd, const Plan &plan);
    SharedMemory(SharedMemory &&other) noexcept
        : written_(std::exchange(other.written_, {})), sums_(std::exchange(other.sums_, {})),
          bytes_(std::exchange(other.bytes_, {})) {}
    SharedMemory &operator=(SharedMemory &&) = delete;
    SharedMemory(const SharedMemory &) = delete;
    SharedMemory &operator=(const SharedMemory &) = delete;
    ~SharedMemory();

    std::span<std::uint64_t> written() const { return written_; } ///< see WrittenBlocks
    std::span<std::uint32_t> sums() const { return sums_; }       ///< see Checksums

private:
    SharedMemory() = default;
    std::span<std::uint64_t> written_;
    std::span<std::uint32_t> sums_;
    std::span<std::byte> bytes_;
};

} // namespace gmemfs::block
