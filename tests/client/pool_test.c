/* Pool test: a program under `gmemfs run` reads what its own pool says, and what another one's does, as C programs do.
 *
 *     pool_test          allocates through the driver, says "ready", reads itself, and waits for a line
 *     pool_test DIR      prints what the process of DIR says
 */
#include "client/lib/gmemfs.h"
#include "client/lib/gmemfs_pool.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s: %s\n", what, gmemfs_last_error());
    exit(1);
}

static uint64_t sum(const uint64_t *counts) {
    uint64_t all = 0;
    for (int index = 0; index < GMEMFS_POOL_TIMES; ++index) all += counts[index];
    return all;
}

static void print(const char *directory) {
    gmemfs_pool_info info = {.struct_size = sizeof info};
    gmemfs_pool_library libraries[GMEMFS_POOL_LIBRARIES];
    size_t count = GMEMFS_POOL_LIBRARIES, none = 0;
    check(gmemfs_read_pool(directory, &info) == 0, "read pool");
    check(gmemfs_read_pool_libraries(directory, libraries, &count) == 0, "read libraries");
    check(gmemfs_read_pool_libraries(directory, NULL, &none) == ERANGE && none == count, "no room for libraries");
    printf("%llu used, %llu at most, %llu blocks of %llu, %llu held, %llu idle, %llu in one piece\n",
        (unsigned long long)info.used, (unsigned long long)info.used_most, (unsigned long long)info.blocks,
        (unsigned long long)info.allocations, (unsigned long long)info.held, (unsigned long long)info.idle,
        (unsigned long long)info.idle_largest);
    for (size_t index = 0; index < count; ++index)
        if (libraries[index].used != 0)
            printf("%s %llu\n", libraries[index].name, (unsigned long long)libraries[index].used);
    check(info.struct_size == sizeof info, "the struct's size");
}

int main(int argc, char **argv) {
    gmemfs_pool_info info = {.struct_size = sizeof info};
    if (argc == 2) return print(argv[1]), 0;
    check(gmemfs_read_pool(NULL, &info) == ENOENT, "a process that has made nothing");
    check(gmemfs_read_pool(NULL, NULL) == EINVAL, "no place");
    check(gmemfs_read_pool("/tmp", &info) == EINVAL, "a directory of no process");
    check(gmemfs_read_pool("/no/such.1", &info) == ENOENT, "no directory");
    void *const driver = dlopen("libcuda.so.1", RTLD_NOW);
    check(driver != NULL, "open the driver");
    void *context = NULL;
    unsigned long long blocks[1000] = {0};
    int (*init)(unsigned), (*retain)(void **, int), (*set_current)(void *);
    int (*allocate)(unsigned long long *, size_t), (*give)(unsigned long long);
    *(void **)&init = dlsym(driver, "cuInit"); /* POSIX's way (dlsym(3)); ISO C has none */
    *(void **)&retain = dlsym(driver, "cuDevicePrimaryCtxRetain");
    *(void **)&set_current = dlsym(driver, "cuCtxSetCurrent");
    *(void **)&allocate = dlsym(driver, "cuMemAlloc_v2");
    *(void **)&give = dlsym(driver, "cuMemFree_v2");
    check(init(0) == 0 && retain(&context, 0) == 0 && set_current(context) == 0, "make a context");
    for (int index = 0; index < 1000; ++index) check(allocate(&blocks[index], 1024) == 0, "allocate");
    for (int index = 0; index < 1000; index += 2) check(give(blocks[index]) == 0, "free");
    check(gmemfs_read_pool(NULL, &info) == 0, "read its own");
    /* One in 16 of quick calls, which then counts as 16, and the one that made the arena. */
    check(sum(info.allocation_times) > 900 && sum(info.allocation_times) < 1100, "times of allocations");
    check(sum(info.free_times) > 400 && sum(info.free_times) < 600, "times of frees");
    check(info.idle_largest <= info.idle && info.idle_largest > info.idle / 2, "idle");
    info.struct_size = 0;
    check(gmemfs_read_pool(NULL, &info) == EINVAL, "no size of the struct");
    print(NULL);
    printf("ready\n");
    fflush(stdout);
    (void)getchar();
    return 0;
}
