/* batch_test: batches of pages as a C program packs them: batch_test NVCOMP, with $GMEMFS_DRIVER for the driver */
#include "client/lib/gmemfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "batch_test:%d: %s; last error: %s\n", __LINE__, #condition, gmemfs_last_error());         \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { PAGE_SIZE = 4096, PAGE_COUNT = 200 };

static char pages[PAGE_SIZE * PAGE_COUNT], came_back[PAGE_SIZE * PAGE_COUNT], packed[PAGE_SIZE * PAGE_COUNT * 2];
static uint32_t sizes[PAGE_COUNT], checksums[PAGE_COUNT];

static gmemfs_ring *open_ring(const char *nvcomp) {
    gmemfs_ring_options options = {0};
    gmemfs_ring *ring = NULL;
    options.struct_size = sizeof options;
    options.slots = 2;
    options.threads = 2;
    options.staging = 1 << 20;
    options.nvcomp = nvcomp;
    options.model = "";
    CHECK(gmemfs_open_ring(&options, &ring) == 0);
    return ring;
}

static gmemfs_batch batch_of(int algorithm, int backend, char *memory) {
    gmemfs_batch batch = {0};
    batch.struct_size = sizeof batch;
    batch.algorithm = algorithm;
    batch.backend = backend;
    batch.page_size = PAGE_SIZE;
    batch.page_count = PAGE_COUNT;
    batch.pages = (uint64_t)(uintptr_t)memory;
    batch.packed = packed;
    batch.packed_size = sizeof packed;
    batch.sizes = sizes;
    batch.checksums = checksums;
    return batch;
}

static int unpack(gmemfs_ring *ring, int algorithm, int backend) {
    const gmemfs_batch batch = batch_of(algorithm, backend, came_back);
    uint64_t ticket = 0;
    memset(came_back, 0x5a, sizeof came_back);
    CHECK(gmemfs_unpack_batch(ring, &batch, &ticket) == 0);
    return gmemfs_wait_batch(ring, ticket, -1, NULL);
}

static void test_round_trips(gmemfs_ring *ring) {
    int algorithm, packer, unpacker, page;
    for (algorithm = GMEMFS_LZ4; algorithm <= GMEMFS_ZSTD; ++algorithm)
        for (packer = GMEMFS_AUTO; packer <= GMEMFS_GPU; ++packer) {
            const gmemfs_batch batch = batch_of(algorithm, packer, pages);
            gmemfs_batch_result result = {0};
            uint64_t ticket = 0, sum = 0;
            int code = EINPROGRESS;
            result.struct_size = sizeof result;
            CHECK(gmemfs_pack_batch(ring, &batch, &ticket) == 0);
            while (code == EINPROGRESS) code = gmemfs_poll_batch(ring, ticket, &result);
            CHECK(code == 0);
            CHECK(gmemfs_poll_batch(ring, ticket, &result) == EINVAL); /* once */
            for (page = 0; page < PAGE_COUNT; ++page) sum += sizes[page];
            CHECK(result.struct_size == sizeof result && result.packed_size == sum);
            CHECK(result.plain_size == sizeof pages && result.total_ns > 0 && result.compute_ns > 0);
            CHECK(result.total_ns >= result.to_device_ns + result.compute_ns + result.from_device_ns);
            CHECK(result.ratio > 1.5 && result.ratio * (double)sum > (double)sizeof pages * 0.999);
            CHECK(result.bytes_per_second > 0);
            CHECK(result.compute_outweighs == (result.compute_ns / 5 >= result.to_device_ns + result.from_device_ns));
            if (packer == GMEMFS_AUTO)
                CHECK(result.choice == GMEMFS_CHOICE_MEASURED && result.predicted_ns > 0 && result.measuring_ns > 0);
            else
                CHECK(result.backend == packer && result.choice == GMEMFS_CHOICE_NAMED && result.predicted_ns == 0);
            for (unpacker = GMEMFS_CPU; unpacker <= GMEMFS_GPU; ++unpacker) {
                CHECK(unpack(ring, algorithm, unpacker) == 0);
                CHECK(memcmp(pages, came_back, sizeof pages) == 0);
            }
            checksums[17] ^= 1;
            CHECK(unpack(ring, algorithm, GMEMFS_GPU) == EBADMSG && strstr(gmemfs_last_error(), "page 17") != NULL);
            checksums[17] ^= 1;
        }
}

static void test_refusals(gmemfs_ring *ring) {
    gmemfs_ring_options options = {0};
    gmemfs_ring *none = NULL;
    gmemfs_batch batch = batch_of(GMEMFS_LZ4, 3, pages);
    uint64_t ticket = 0;
    CHECK(gmemfs_open_ring(&options, &none) == EINVAL); /* no struct_size */
    options.struct_size = sizeof options;
    options.slots = 17;
    CHECK(gmemfs_open_ring(&options, &none) == EINVAL && none == NULL);
    CHECK(gmemfs_pack_batch(ring, &batch, &ticket) == EINVAL);
    CHECK(gmemfs_pack_batch(ring, NULL, &ticket) == EINVAL);
    batch.backend = GMEMFS_CPU;
    batch.memory = 2;
    CHECK(gmemfs_pack_batch(ring, &batch, &ticket) == EINVAL);
    batch.memory = GMEMFS_HOST_PAGES;
    batch.struct_size = 4;
    CHECK(gmemfs_pack_batch(ring, &batch, &ticket) == EINVAL);
    CHECK(gmemfs_get_packed_bound(GMEMFS_LZ4, PAGE_SIZE) >= PAGE_SIZE + 16);
    CHECK(gmemfs_get_packed_bound(GMEMFS_ZSTD, 1 << 20) > 1 << 20);
    CHECK(gmemfs_get_packed_bound(3, PAGE_SIZE) == 0 && gmemfs_get_packed_bound(GMEMFS_LZ4, (1 << 20) + 1) == 0);
}

static void test_without_nvcomp(void) {
    gmemfs_ring *ring = open_ring("/nowhere/libnvcomp.so.6");
    const gmemfs_batch batch = batch_of(GMEMFS_LZ4, GMEMFS_GPU, pages);
    uint64_t ticket = 0;
    CHECK(gmemfs_pack_batch(ring, &batch, &ticket) == 0);
    CHECK(gmemfs_wait_batch(ring, ticket, -1, NULL) == ENOTSUP && strstr(gmemfs_last_error(), "pip install") != NULL);
    gmemfs_close_ring(ring);
}

static void test_full_and_closed(const char *nvcomp, int backend) {
    gmemfs_ring *ring = open_ring(nvcomp);
    static char other_packed[sizeof packed];
    static uint32_t other_sizes[PAGE_COUNT];
    const gmemfs_batch batch = batch_of(GMEMFS_LZ4, backend, pages);
    gmemfs_batch other = batch;
    uint64_t first = 0, second = 0, third = 0;
    int status = 0;
    pid_t child;
    other.packed = other_packed;
    other.sizes = other_sizes;
    other.checksums = NULL;
    CHECK(gmemfs_pack_batch(ring, &batch, &first) == 0);
    CHECK(gmemfs_wait_batch(ring, first, -1, NULL) == 0);
    CHECK(gmemfs_pack_batch(ring, &batch, &first) == 0 && gmemfs_pack_batch(ring, &other, &second) == 0);
    CHECK(gmemfs_pack_batch(ring, &batch, &third) == EAGAIN);
    CHECK(gmemfs_wait_batch(ring, first, 10000, NULL) == 0);
    CHECK(gmemfs_pack_batch(ring, &batch, &third) == 0);
    CHECK(gmemfs_wait_batch(ring, second, -1, NULL) == 0 && gmemfs_wait_batch(ring, third, -1, NULL) == 0);
    CHECK(memcmp(sizes, other_sizes, sizeof sizes) == 0);
    child = fork();
    if (child == 0) {
        gmemfs_close_ring(ring);
        _exit(gmemfs_pack_batch(ring, &batch, &first) == ECHILD ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    gmemfs_close_ring(ring);
    CHECK(gmemfs_pack_batch(ring, &batch, &first) == EBADF);
    gmemfs_close_ring(NULL);
}

int main(int argc, char **argv) {
    gmemfs_ring *ring;
    size_t index;
    if (argc != 2) return fprintf(stderr, "usage: batch_test NVCOMP\n"), 2;
    for (index = 0; index < sizeof pages; ++index) pages[index] = (char)(index % 61 * (index / 4096 % 7) + index / 997);
    ring = open_ring(argv[1]);
    test_round_trips(ring);
    test_refusals(ring);
    gmemfs_close_ring(ring);
    test_without_nvcomp();
    test_full_and_closed(argv[1], GMEMFS_CPU);
    test_full_and_closed(argv[1], GMEMFS_GPU);
    return 0;
}
