// Place: where in the mount device memory lies, of a program that runs under `gmemfs run`.
//
// C, for other languages too: the library that stands in the driver's place (libcuda.so.1 there) exports it; the driver
// itself doesn't.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gmemfs_pool_place {
    size_t struct_size; /* the caller's sizeof */
    uint64_t address;   /* of the block */
    uint64_t size;      /* bytes of it, as they were asked for */
    uint64_t offset;    /* bytes, of the block in its file */
    char path[4096];    /* of the file, as it was made, which ends in a zero */
};

/* Of the block that has the byte at `address`. 0, or an errno. ENOENT: no block of the pool has it. ENODATA: its
 * memory is no file, because the mount didn't take it. EINVAL: another struct. Thread-safe. */
int gmemfs_pool_find(uint64_t address, struct gmemfs_pool_place *place);

#ifdef __cplusplus
}
#endif
