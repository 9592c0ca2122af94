// Entry: the kernels as the driver sees them, for one number of data rows.
#pragma once

#include "ecc/kernels/repair.cuh"

/// 128 registers and no shared memory: 16 warps a multiprocessor.
#define ECC_ENCODE_THREADS 128
#define ECC_ENCODE_BLOCKS 4

#define ECC_ENTRIES(encode_name, verify_name, repair_name, rows)                                                       \
    extern "C" __global__ void __launch_bounds__(ECC_ENCODE_THREADS, ECC_ENCODE_BLOCKS)                                \
        encode_name(uint8_t *data, uint8_t *parity, gmemfs::Checksum *checksums, uint64_t block_count) {               \
        gmemfs::kernels::parity_encode<rows>({}, data, parity, checksums, block_count);                                \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(ECC_ENCODE_THREADS, ECC_ENCODE_BLOCKS) verify_name(uint8_t *data,     \
        uint8_t *parity, gmemfs::Checksum *checksums, uint64_t block_count, gmemfs::Findings *findings) {              \
        gmemfs::kernels::parity_verify<rows>({}, data, parity, checksums, block_count, findings);                      \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(32) repair_name(uint8_t *data, uint8_t *parity,                       \
        gmemfs::Checksum *checksums, uint64_t block_count, gmemfs::Findings *findings) {                               \
        __shared__ gmemfs::kernels::RepairScratch scratch;                                                             \
        gmemfs::kernels::parity_repair<rows>({}, data, parity, checksums, block_count, findings, scratch);             \
    }
