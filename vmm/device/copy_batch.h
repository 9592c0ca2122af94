/* Copy batch: cuMemcpyBatchAsync as CUDA 13.0 has it. <cuda.h> before 12.8 lacks it, and 12.8 has another form. */
#ifndef GMEMFS_VMM_COPY_BATCH_H
#define GMEMFS_VMM_COPY_BATCH_H

#include <cuda.h>
#include <stddef.h>

#define GMEMFS_COPY_BATCH "cuMemcpyBatchAsync"
#define GMEMFS_COPY_BATCH_SINCE 13000

#ifdef __cplusplus
extern "C" {
#endif

/* CUmemcpyAttributes; the hints are for other memory than ours. */
typedef struct gmemfs_copy_attributes {
    int source_order; /* 1: sources are read in the stream's order (CU_MEMCPY_SRC_ACCESS_ORDER_STREAM) */
    CUmemLocation source_hint, target_hint;
    unsigned flags;
} gmemfs_copy_attributes;

/* Queues `count` copies, in no order among themselves. attributes[k] is of the copies from firsts[k] on. */
typedef CUresult (*gmemfs_copy_batch)(CUdeviceptr *targets, CUdeviceptr *sources, size_t *sizes, size_t count,
    gmemfs_copy_attributes *attributes, size_t *firsts, size_t attribute_count, CUstream stream);

#ifdef __cplusplus
}
#endif

#endif
