// Pattern: writes a seeded pattern to device memory with a kernel, and checks it with another.
#pragma once

#include "vmm/device/staging.hpp"
#include "vmm/device/stream.hpp"
#include "vmm/memory/mapping.hpp"

#include <cstdint>
#include <memory>

namespace gmemfs {

/// The kernels of tests/peer/kernels/pattern.cuh, loaded on one device. Not thread-safe.
class Pattern {
public:
    /// ENOEXEC: no machine code for this GPU in this program: it was built without nvcc, or for other GPUs.
    static Result<std::unique_ptr<Pattern>> create(Device &device);
    ~Pattern();
    Pattern(const Pattern &) = delete;
    Pattern &operator=(const Pattern &) = delete;

    /// Fills `size` bytes at `address` (a multiple of 4), and waits: peers see them when it returns.
    Result<void> write(CUdeviceptr address, std::uint64_t size, std::uint32_t seed);
    /// How many words of `size` bytes at `address` differ from the pattern.
    Result<std::uint64_t> count_mismatches(CUdeviceptr address, std::uint64_t size, std::uint32_t seed);
    /// The word at `index` of the pattern of `seed`, computed here: what a read of the file must find.
    static std::uint32_t word(std::uint32_t seed, std::uint64_t index);

private:
    Pattern(Device &device, Stream stream, Mapping counters, PinnedBuffer landing)
        : device_(device), stream_(std::move(stream)), counters_(std::move(counters)), landing_(std::move(landing)) {}
    Result<void> load();
    Result<void> launch(CUfunction function, void **arguments);

    Device &device_;
    Stream stream_;
    Mapping counters_; // mismatches[lane]
    PinnedBuffer landing_;
    CUmodule module_ = nullptr;
    CUfunction write_ = nullptr;
    CUfunction check_ = nullptr;
};

} // namespace gmemfs
