// Parity entry points: what cuModuleGetFunction finds, and nothing else.
#include "ecc/parity/kernels/entry.cuh"

ECC_ENTRIES(parity_encode, parity_verify, parity_repair, gmemfs::kDataRows)
