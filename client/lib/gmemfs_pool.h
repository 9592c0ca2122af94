/* gmemfs_pool: what a program that runs under `gmemfs run` has of device memory. The C interface of libgmemfs.
 *
 *     gmemfs_pool_info info = {.struct_size = sizeof info};
 *     if (gmemfs_read_pool(NULL, &info)) errx(1, "%s", gmemfs_last_error());
 *     printf("%.0f %% of %" PRIu64 " idle bytes are in one piece\n", 100.0 * info.idle_largest / info.idle, info.idle);
 *
 * Sizes     Bytes, throughout; times are nanoseconds; the rest are counts.
 * Process   A program's own with NULL, another's by its directory in the mount (/mnt/gpu/work/train.4711), for users
 *           that may trace it. Nobody is asked: a process that is stopped can be read as well.
 * Numbers   Each is right by itself; together they may be off by what happens meanwhile.
 * Threads   Every function may be called from any thread. A call takes about 50 us, none of it in the program's way.
 * Memory    The caller's; nothing is to be freed.
 * Results   0 or an errno, and a line of text for gmemfs_last_error(). ENOENT: it isn't run by `gmemfs run`, has made
 *           nothing yet, or has ended. EACCES: this user may not look into it. EINVAL: a directory of no process, or no
 *           struct_size.
 * Versions  As in gmemfs.h: structs begin with their size, and fields are only ever added at the end.
 */
#ifndef GMEMFS_POOL_H
#define GMEMFS_POOL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GMEMFS_POOL_TIMES 40
#define GMEMFS_POOL_LIBRARIES 64

/* What the program asked the driver for, because the pool has no such memory: as asked for, and not yet freed. */
#define GMEMFS_POOL_MANAGED 0     /* cuMemAllocManaged */
#define GMEMFS_POOL_ARRAYS 1      /* cuArrayCreate and the like */
#define GMEMFS_POOL_POOLS 2       /* memory pools other than the device's default one */
#define GMEMFS_POOL_CREATED 3     /* cuMemCreate that is no file */
#define GMEMFS_POOL_NATIVE 4      /* cuMemAlloc that the pool couldn't serve */
#define GMEMFS_POOL_GRAPH_NODES 5 /* that allocate: how many were ever made. Their bytes aren't known, and are 0 here */
#define GMEMFS_POOL_KINDS 6

typedef struct gmemfs_pool_amount {
    uint64_t count, bytes;
} gmemfs_pool_amount;

typedef struct gmemfs_pool_info {
    size_t struct_size;    /* sizeof(gmemfs_pool_info), set by the caller */
    uint64_t held;         /* of the devices, in all */
    uint64_t used;         /* of that, by the program */
    uint64_t used_most;    /* at any time */
    uint64_t unlisted;     /* of held, what is no file of the mount */
    uint64_t limit;        /* 0: none */
    uint64_t blocks;       /* that the program has */
    uint64_t allocations;  /* that it ever made */
    uint64_t fences;       /* times that the pool waited for a device */
    uint64_t idle;         /* of arenas, free for any request */
    uint64_t idle_largest; /* the largest part of that, or 3 % less; of several devices, on one of them */
    /* Calls that took less than 2^index ns, and no less than half of that; the last one: or more. Of quick ones one in
     * 16 is timed. */
    uint64_t allocation_times[GMEMFS_POOL_TIMES];
    uint64_t free_times[GMEMFS_POOL_TIMES];
    gmemfs_pool_amount kinds[GMEMFS_POOL_KINDS];
    uint64_t spilled; /* of host memory, with --spill=host */
} gmemfs_pool_info;

int gmemfs_read_pool(const char *directory, gmemfs_pool_info *info);

/* Whose the memory is: the library that the allocation returned to. What calls the shared runtime is libcudart.so.13's;
 * "unknown": code that no library has. */
typedef struct gmemfs_pool_library {
    char name[56]; /* ends in a zero */
    uint64_t used;
} gmemfs_pool_library;

/* *count: how many libraries[] has room for, GMEMFS_POOL_LIBRARIES at the most; then how many have allocated. ERANGE:
 * there are more, and nothing was written but that. */
int gmemfs_read_pool_libraries(const char *directory, gmemfs_pool_library *libraries, size_t *count);

#ifdef __cplusplus
}
#endif

#endif
