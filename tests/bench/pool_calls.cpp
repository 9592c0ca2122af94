// Pool calls bench: what a whole call of cuMemAlloc takes, and one of cuMemFree, beside many live blocks.
//
//     pool_calls [BLOCKS [LARGEST [STEPS]]]     JSON: nanoseconds, as the median, 99 %, 99.9 % and the slowest, and
//                                               which share took less than a microsecond
//
// Run it under `gmemfs run`. A step frees one of BLOCKS (60,000) at random and allocates another, of 512 bytes to
// LARGEST (4 MiB): as many in each doubling. Fences and arenas that a call needs are in it, and so are the clock's own
// 20 ns or so.
#include <cuda.h>

#include "tests/bench/times.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <random>
#include <vector>

namespace {

using gmemfs::Times;
using Clock = std::chrono::steady_clock;

template <typename Function>
Function find(void *driver, const char *name) {
    void *const found = ::dlsym(driver, name);
    if (found == nullptr) {
        std::fprintf(stderr, "pool_calls: the driver has no %s\n", name);
        std::exit(1);
    }
    return reinterpret_cast<Function>(found);
}

void check(const char *what, CUresult result) {
    if (result == CUDA_SUCCESS) return;
    std::fprintf(stderr, "pool_calls: %s: %d\n", what, static_cast<int>(result));
    std::exit(1);
}

} // namespace

int main(int argc, char **argv) {
    const auto argument = [&](int index, std::uint64_t usual) {
        return argc > index ? std::strtoull(argv[index], nullptr, 0) : usual;
    };
    const std::size_t count = argument(1, 60'000);
    const std::uint64_t largest = std::max<std::uint64_t>(argument(2, std::uint64_t(4) << 20), 1024);
    const std::uint64_t steps = argument(3, 400'000);
    void *const driver = ::dlopen("libcuda.so.1", RTLD_NOW);
    if (driver == nullptr || count == 0 || steps == 0) {
        std::fprintf(stderr, "pool_calls: %s\n", driver == nullptr ? ::dlerror() : "no blocks, or no steps");
        return 1;
    }
    const auto allocate = find<decltype(&::cuMemAlloc_v2)>(driver, "cuMemAlloc_v2");
    const auto free = find<decltype(&::cuMemFree_v2)>(driver, "cuMemFree_v2");
    CUcontext context = nullptr;
    check("cuInit", find<decltype(&::cuInit)>(driver, "cuInit")(0));
    check("cuDevicePrimaryCtxRetain",
        find<decltype(&::cuDevicePrimaryCtxRetain)>(driver, "cuDevicePrimaryCtxRetain")(&context, 0));
    check("cuCtxSetCurrent", find<decltype(&::cuCtxSetCurrent)>(driver, "cuCtxSetCurrent")(context));

    std::mt19937_64 random(1);
    const unsigned doublings = static_cast<unsigned>(std::bit_width(largest / 512)) - 1;
    const auto random_size = [&] {
        const std::uint64_t least = std::uint64_t(512) << (random() % doublings);
        return least + random() % least;
    };
    std::vector<CUdeviceptr> live(count);
    for (CUdeviceptr &block : live) check("cuMemAlloc", allocate(&block, random_size()));
    Times taken, given;
    for (std::uint64_t step = 0; step < steps; ++step) {
        CUdeviceptr &block = live[random() % count];
        const std::uint64_t size = random_size();
        const Clock::time_point began = Clock::now();
        const CUresult gave = free(block);
        const Clock::time_point middle = Clock::now();
        const CUresult took = allocate(&block, size);
        taken.add(Clock::now() - middle);
        given.add(middle - began);
        check("cuMemFree", gave);
        check("cuMemAlloc", took);
    }
    std::printf("{\"blocks\": %zu, ", count);
    taken.print("allocate");
    std::printf(", ");
    given.print("free");
    std::printf("}\n");
    return 0;
}
