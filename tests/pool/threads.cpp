// Threads: many of them allocate, free, share and ask at once, on one device or on all; each one's bytes stay its own.
//
//     threads LIBRARY DEVICES THREADS ROUNDS SEED
//
// A block is filled with a byte of its own on its thread's stream, and compared before it goes: memory that two have at
// once, or that is used again while work on it runs, holds another byte. Some blocks are passed on, and end elsewhere.
#include <cuda.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t kBlocksMost = 12; // of a thread
constexpr std::size_t kSmallMost = std::size_t(3) << 20, kLarge = std::size_t(34) << 20, kOwn = std::size_t(32) << 20;
constexpr int kSlots = 4;

[[noreturn]] void fail(const char *what, int result) {
    std::fprintf(stderr, "%s: %d\n", what, result);
    std::exit(1);
}

struct Driver {
    void *const library;
    explicit Driver(const char *name) : library(::dlopen(name, RTLD_NOW)) {
        if (library == nullptr) fail(::dlerror(), 0);
    }
#define FIND(name) decltype(&::name) name = reinterpret_cast<decltype(&::name)>(::dlsym(library, NAME_OF(name)))
#define NAME_OF(name) TEXT_OF(name)
#define TEXT_OF(name) #name
    FIND(cuInit);
    FIND(cuDevicePrimaryCtxRetain);
    FIND(cuCtxSetCurrent);
    FIND(cuStreamCreate);
    FIND(cuStreamSynchronize);
    FIND(cuStreamDestroy_v2);
    FIND(cuMemAlloc_v2);
    FIND(cuMemFree_v2);
    FIND(cuMemAllocAsync);
    FIND(cuMemFreeAsync);
    FIND(cuMemCreate);
    FIND(cuMemRelease);
    FIND(cuMemAddressReserve);
    FIND(cuMemAddressFree);
    FIND(cuMemMap);
    FIND(cuMemUnmap);
    FIND(cuMemSetAccess);
    FIND(cuMemGetInfo_v2);
    FIND(cuMemGetAddressRange_v2);
    FIND(cuIpcGetMemHandle);
    FIND(cuMemsetD8Async);
    FIND(cuMemcpyDtoHAsync_v2);
};
const char *g_library = nullptr; // before there are threads
const Driver &driver() {
    static const Driver only(g_library);
    return only;
}
#define CALL(function, ...)                                                                                            \
    if (const CUresult result = driver().function(__VA_ARGS__); result != CUDA_SUCCESS) fail(#function, result)

struct Block {
    CUdeviceptr address;
    std::size_t size;
    unsigned char byte;
    enum class Kind { plain, ordered, own } kind;
};

// Where threads leave blocks, whose work has ended, for others of the same device.
struct Exchange {
    std::mutex mutex;
    std::vector<Block> blocks;

    void put(const Block &block) {
        const std::lock_guard<std::mutex> hold(mutex);
        blocks.push_back(block);
    }
    std::optional<Block> take() {
        const std::lock_guard<std::mutex> hold(mutex);
        if (blocks.empty()) return std::nullopt;
        const Block block = blocks.back();
        blocks.pop_back();
        return block;
    }
};

class Thread {
public:
    Thread(int device, CUcontext context, Exchange &exchange, std::uint64_t seed)
        : device_(device), exchange_(exchange), random_(seed) {
        CALL(cuCtxSetCurrent, context);
        CALL(cuStreamCreate, &stream_, CU_STREAM_NON_BLOCKING);
    }
    void run(int rounds) {
        for (int round = 0; round < rounds; ++round) {
            const std::uint64_t dice = random_() % 10;
            if (blocks_.size() < kBlocksMost && dice < 6)
                take();
            else if (!blocks_.empty() && dice < 8)
                give(pick());
            else if (!blocks_.empty() && dice == 8)
                pass(pick());
            else if (const std::optional<Block> other = exchange_.take())
                give(*other);
            ask();
        }
        while (!blocks_.empty()) give(pick());
        CALL(cuStreamDestroy_v2, stream_);
    }

private:
    Block pick() {
        std::swap(blocks_[random_() % blocks_.size()], blocks_.back());
        const Block block = blocks_.back();
        blocks_.pop_back();
        return block;
    }
    void take() {
        const std::uint64_t dice = random_() % 40;
        Block block = {0, random_() % kSmallMost + 1, static_cast<unsigned char>(random_()), Block::Kind::plain};
        if (dice == 0) block.size = kLarge;
        if (dice == 1) {
            take_own(block);
        } else if (dice % 2 == 0) {
            CALL(cuMemAlloc_v2, &block.address, block.size);
        } else {
            block.kind = Block::Kind::ordered;
            CALL(cuMemAllocAsync, &block.address, block.size, stream_);
        }
        CALL(cuMemsetD8Async, block.address, block.byte, block.size, stream_);
        blocks_.push_back(block);
    }
    void take_own(Block &block) {
        block.size = kOwn;
        block.kind = Block::Kind::own;
        CUmemAllocationProp properties = {};
        properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
        properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        properties.location.id = device_;
        CUmemGenericAllocationHandle handle = 0;
        CALL(cuMemCreate, &handle, block.size, &properties, 0);
        CALL(cuMemAddressReserve, &block.address, block.size, 0, 0, 0);
        CALL(cuMemMap, block.address, block.size, 0, handle, 0);
        const CUmemAccessDesc access = {properties.location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
        CALL(cuMemSetAccess, block.address, block.size, &access, 1);
        CALL(cuMemRelease, handle);
    }
    void compare(const Block &block) {
        std::vector<unsigned char> bytes(block.size);
        CALL(cuMemcpyDtoHAsync_v2, bytes.data(), block.address, bytes.size(), stream_);
        CALL(cuStreamSynchronize, stream_);
        for (const unsigned char byte : bytes)
            if (byte != block.byte) fail("another's byte", byte);
    }
    void give(const Block &block) {
        if (random_() % 2 == 0) compare(block);
        if (block.kind == Block::Kind::own) {
            CALL(cuStreamSynchronize, stream_);
            CALL(cuMemUnmap, block.address, block.size);
            CALL(cuMemAddressFree, block.address, block.size);
        } else if (block.kind == Block::Kind::ordered) {
            CALL(cuMemFreeAsync, block.address, stream_);
        } else {
            CALL(cuMemFree_v2, block.address);
        }
    }
    void pass(const Block &block) {
        CALL(cuStreamSynchronize, stream_);
        exchange_.put(block);
    }
    void ask() {
        if (blocks_.empty()) return;
        const Block &block = blocks_[random_() % blocks_.size()];
        std::size_t free = 0, total = 0, size = 0;
        CUdeviceptr base = 0;
        CUipcMemHandle handle = {};
        switch (random_() % kSlots) {
        case 0: CALL(cuMemGetInfo_v2, &free, &total); break;
        case 1:
            CALL(cuMemGetAddressRange_v2, &base, &size, block.address + block.size - 1);
            if (base != block.address || size != block.size) fail("another's range", 0);
            break;
        case 2:
            if (block.kind != Block::Kind::own) CALL(cuIpcGetMemHandle, &handle, block.address);
            break;
        default: break;
        }
    }

    const int device_;
    Exchange &exchange_;
    std::mt19937_64 random_;
    CUstream stream_ = nullptr;
    std::vector<Block> blocks_;
};

} // namespace

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    g_library = argv[1];
    const int devices = std::atoi(argv[2]), threads = std::atoi(argv[3]), rounds = std::atoi(argv[4]);
    const std::uint64_t seed = std::strtoull(argv[5], nullptr, 10);
    CALL(cuInit, 0);
    std::vector<CUcontext> contexts(static_cast<std::size_t>(devices));
    std::vector<Exchange> exchanges(contexts.size());
    for (int device = 0; device < devices; ++device)
        CALL(cuDevicePrimaryCtxRetain, &contexts[static_cast<std::size_t>(device)], device);
    std::vector<std::thread> all;
    all.reserve(static_cast<std::size_t>(threads));
    for (int number = 0; number < threads; ++number)
        all.emplace_back([&, number] {
            const auto device = static_cast<std::size_t>(number % devices);
            Thread(static_cast<int>(device), contexts[device], exchanges[device], seed + static_cast<unsigned>(number))
                .run(rounds);
        });
    for (std::thread &thread : all) thread.join();
    for (std::size_t device = 0; device < contexts.size(); ++device) {
        CALL(cuCtxSetCurrent, contexts[device]);
        while (const std::optional<Block> left = exchanges[device].take())
            if (left->kind != Block::Kind::own) CALL(cuMemFree_v2, left->address);
    }
    std::printf("%d threads, %d devices: each one's bytes were its own\n", threads, devices);
    return 0;
}
