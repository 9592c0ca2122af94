// BatchKernels: our own kernel of batches, as launches on a stream.
#pragma once

#include "ecc/batch/kernels/move.cuh"
#include "vmm/device/module.hpp"

#include <cstdint>

namespace gmemfs {

/// The kernels of kernels/batch.cu on one device. Move-only. Thread-safe. The launches queue work and wait for nothing.
class BatchKernels {
public:
    /// ENOEXEC: no machine code for this GPU; the message says why.
    static Result<BatchKernels> load(Device &device);

    /// `count` MovePieces at `pieces`, at least 1, with offsets from the two bases.
    Result<void> move(CUstream stream, CUdeviceptr from, CUdeviceptr to, CUdeviceptr pieces, std::uint64_t count) const;

private:
    BatchKernels(Module module, CUfunction move) : module_(std::move(module)), move_(move) {}

    Module module_;
    CUfunction move_;
};

} // namespace gmemfs
