// Parity kernels: encode, verify and repair as launches on a stream.
#pragma once

#include "ecc/parity/findings.hpp"
#include "vmm/device/module.hpp"

#include <memory>

namespace gmemfs {

/// The kernels of kernels/parity.cu on one device. Thread-safe. The launches queue work and wait for nothing.
class ParityKernels {
public:
    /// A module that holds the three kernels for one number of data rows, under these names.
    struct Source {
        std::span<const unsigned char> image;
        std::span<const HostTwin, 3> host_twins; ///< encode, verify, repair
    };
    /// Blocks that lie one behind the other. Their parity and their checksums lie one behind the other, too.
    struct Blocks {
        CUdeviceptr data, parity, checksums;
        std::uint64_t count; ///< at least 1
    };

    /// The kernels of this program, for RS(136,128). ENOEXEC: no machine code for this GPU; the message says why.
    static Result<std::unique_ptr<ParityKernels>> load(Device &device);
    static Result<std::unique_ptr<ParityKernels>> load(Device &device, const Source &source);

    Device &device() const { return module_.device(); }

    /// Writes parity and checksums. One warp encodes one block, so 1 block takes as long as 500: 19 us (H200).
    Result<void> encode(CUstream stream, const Blocks &blocks) const;
    /// Adds to the Findings at `findings`, whose counters and marks were cleared; at most kBlocksPerPass blocks.
    Result<void> verify(CUstream stream, const Blocks &blocks, CUdeviceptr findings) const;
    /// After verify on the same stream, of the same blocks: puts right what is marked, and clears those marks.
    Result<void> repair(CUstream stream, const Blocks &blocks, CUdeviceptr findings) const;

private:
    ParityKernels(Module module, CUfunction encode, CUfunction verify, CUfunction repair)
        : module_(std::move(module)), encode_(encode), verify_(verify), repair_(repair) {}
    Result<void> launch(
        CUfunction function, std::uint64_t warps, CUstream stream, Blocks blocks, CUdeviceptr findings) const;

    Module module_;
    CUfunction encode_, verify_, repair_;
};

} // namespace gmemfs
