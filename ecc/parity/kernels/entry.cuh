// Entry: the kernels as the driver sees them, for one number of data rows.
#pragma once

#include "ecc/parity/kernels/repair.cuh"

/// A thread block is one warp, so that none waits for the slowest of several before the next is begun: with 4 it was
/// 0.4 % slower (H200). 12 of them on a multiprocessor, so 168 registers.
#define ECC_WARPS 12

#define ECC_ENTRIES(encode_name, verify_name, repair_name, rows)                                                       \
    extern "C" __global__ void __launch_bounds__(32, ECC_WARPS)                                                        \
        encode_name(uint8_t *data, uint8_t *parity, gmemfs::Checksum *checksums, uint64_t block_count) {               \
        gmemfs::kernels::parity_encode<rows>({}, data, parity, checksums, block_count);                                \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(32, ECC_WARPS) verify_name(uint8_t *data, uint8_t *parity,            \
        gmemfs::Checksum *checksums, uint64_t block_count, gmemfs::Findings *findings) {                               \
        gmemfs::kernels::parity_verify<rows>({}, data, parity, checksums, block_count, findings);                      \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(32) repair_name(uint8_t *data, uint8_t *parity,                       \
        gmemfs::Checksum *checksums, uint64_t block_count, gmemfs::Findings *findings) {                               \
        __shared__ gmemfs::kernels::RepairScratch scratch;                                                             \
        gmemfs::kernels::parity_repair<rows>({}, data, parity, checksums, block_count, findings, scratch);             \
    }
