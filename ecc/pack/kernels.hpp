// Pack kernels: plan, encode, gather, checksum, check, prove, compare and decode as launches on a stream.
#pragma once

#include "ecc/pack/chunk.hpp"
#include "vmm/device/module.hpp"

#include <memory>

namespace gmemfs {

/// The kernels of kernels/pack.cu on one device. Thread-safe. The launches queue work and wait for nothing.
class PackKernels {
public:
    /// Chunks that lie one behind the other. Entries and findings are on the device, too.
    struct Chunks {
        CUdeviceptr plain;   ///< 128 KiB a chunk; at a multiple of 16
        CUdeviceptr image;   ///< its start, at a multiple of 64
        CUdeviceptr entries; ///< ImageEntry of the first of them
        std::uint64_t first; ///< the first one's number, for the findings
        std::uint64_t count; ///< at least 1
    };

    /// ENOEXEC: no machine code for this GPU; the message says why.
    static Result<std::unique_ptr<PackKernels>> load(Device &device);
    /// Another build of kernels/pack.cu.
    static Result<std::unique_ptr<PackKernels>> load(Device &device, std::span<const unsigned char> image);
    Device &device() const { return module_.device(); }

    /// Writes entries without place and checksum; uses no image.
    Result<void> plan(CUstream stream, const Chunks &chunks) const;
    /// Writes the packed bytes of entries with places. This and what follows pass over chunks that are nvCOMP's, but
    /// for checksums.
    Result<void> encode(CUstream stream, const Chunks &chunks) const;
    /// Brings chunks of nvCOMP's, which lie at multiples of `stride` from `window` on, to their places.
    Result<void> gather(CUstream stream, const Chunks &chunks, CUdeviceptr window, std::uint64_t stride) const;
    /// Compares chunks of nvCOMP's, decoded into that window, with the plain bytes; uses no image.
    Result<void> compare_window(
        CUstream stream, const Chunks &chunks, CUdeviceptr window, std::uint64_t stride, CUdeviceptr findings) const;
    /// Writes the entries' checksums; uses no plain bytes.
    Result<void> checksum(CUstream stream, const Chunks &chunks) const;
    /// PackFindings at `findings`, all bits set before. Uses no plain bytes.
    Result<void> check(CUstream stream, const Chunks &chunks, CUdeviceptr findings) const;
    Result<void> prove(CUstream stream, const Chunks &chunks, CUdeviceptr findings) const; ///< the same
    Result<void> compare(CUstream stream, const Chunks &chunks, CUdeviceptr findings) const;
    Result<void> decode(CUstream stream, const Chunks &chunks, CUdeviceptr findings) const;

private:
    enum Kernel : unsigned {
        kPlan,
        kEncode,
        kChecksum,
        kCheck,
        kCompare,
        kDecode,
        kProve,
        kGather,
        kCompareWindow,
        kKernels
    };
    explicit PackKernels(Module module) : module_(std::move(module)) {}
    Result<void> launch(Kernel kernel, CUstream stream, std::uint64_t warps, void **arguments) const;

    Module module_;
    CUfunction functions_[kKernels] = {};
};

} // namespace gmemfs
