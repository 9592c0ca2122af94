// Parity variants: where the kernels of parity_variants.cu are found.
#pragma once

#include "ecc/parity/kernels.hpp"

namespace gmemfs::test {

/// RS(128,120).
Result<std::unique_ptr<ParityKernels>> load_kernels_120(Device &device);

/// The kernel that reads everything: launch(read_all, {from, quad_count, sums}), 256 threads a block.
Result<Module> load_read_all(Device &device);

} // namespace gmemfs::test
