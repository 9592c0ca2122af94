// Program: finds the driver by one of the ways that programs have, and does with its memory what scenarios ask for.
//
//     program ROUTE [STEP...]      linked (built so), needed, unversioned, path=FILE, namespace, address-11030,
//                                  address-12000, address-thread
//     alloc=SIZE | pitch=SIZE | async=SIZE | create=SIZE   one more block
//     try=SIZE                     the same as alloc, or prints what is said
//     managed=SIZE | array=SIZE | own-pool=SIZE            of the driver's own: one more block of that
//     write=BYTE | read=BYTE       fills the last one; compares it
//     free | free-async            the last one goes
//     info | range | attributes    prints what the driver says
//     share                        prints the last block's legacy handle, as 128 hexadecimal digits
//     import                       opens the one that a line on standard input has, as the last block, and prints its
//                                  size, or what is said instead
//     close                        closes the last block
//     peer                         the second device reads the last block, after cuCtxEnablePeerAccess
//     context | stream | capture   frees in one that ends, or while another one captures
//     churn=SEED                   random blocks of all kinds, whose bytes are compared, until there is a line to read
//     wait                         prints "ready", and waits for a line on standard input
//     hang-up                      closes its sockets, some time before it ends without a word
//     twice=N | small=N | pairs=SIZE                       N times a block of 2 MiB is made and freed, or one of 1 KiB;
//                                                          20 times one of that size
#include <cuda.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <iostream>
#include <poll.h>
#include <random>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

enum class Kind { plain, own, imported, array };
struct Block {
    CUdeviceptr address;
    std::size_t size;
    Kind kind;
    CUmemGenericAllocationHandle handle;
};

[[noreturn]] void fail(const std::string &what, int result) {
    std::fprintf(stderr, "%s: %d\n", what.c_str(), result);
    std::exit(1);
}

// How functions are found.
struct Route {
    void *library = nullptr;
    decltype(&::cuGetProcAddress_v2) by_address = nullptr;
    CUresult (*by_address_11030)(const char *, void **, int, cuuint64_t) = nullptr;
    cuuint64_t flags = 0;

    // `symbol` as the library exports it; by cuGetProcAddress the name goes without its version.
    void *find(const std::string &symbol, int version) const {
        void *function = nullptr;
        const std::string name = symbol.substr(0, symbol.rfind("_v"));
        if (by_address != nullptr) // forms for a thread's own stream are of CUDA 7.0
            by_address(name.c_str(), &function, flags == 0 ? version : std::max(version, 7000), flags, nullptr);
        else if (by_address_11030 != nullptr)
            by_address_11030(name.c_str(), &function, version, 0);
        else
            function = ::dlsym(library, symbol.c_str());
        if (function == nullptr) fail("find " + symbol, 0);
        return function;
    }
};

Route open_route(const std::string &way) {
    Route route;
    if (way == "unversioned")
        route.library = ::dlopen("libcuda.so", RTLD_NOW);
    else if (way.starts_with("path="))
        route.library = ::dlopen(way.c_str() + 5, RTLD_NOW);
    else if (way == "namespace")
        route.library = ::dlmopen(LM_ID_NEWLM, "libcuda.so.1", RTLD_NOW);
    else
        route.library = ::dlopen(way == "linked" ? nullptr : "libcuda.so.1", RTLD_NOW);
    if (route.library == nullptr) {
        std::fprintf(stderr, "%s\n", ::dlerror());
        std::exit(1);
    }
    if (way == "address-12000" || way == "address-thread")
        route.by_address = reinterpret_cast<decltype(route.by_address)>(::dlsym(route.library, "cuGetProcAddress_v2"));
    if (way == "address-thread") route.flags = CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
    if (way == "address-11030")
        route.by_address_11030 =
            reinterpret_cast<decltype(route.by_address_11030)>(::dlsym(route.library, "cuGetProcAddress"));
    return route;
}

class Program {
public:
    explicit Program(const std::string &way) : route_(open_route(way)) {
#define CALL(symbol, version, ...)                                                                                     \
    check(#symbol, reinterpret_cast<decltype(&::symbol)>(route_.find(#symbol, version))(__VA_ARGS__))
        CUcontext context = nullptr;
        CALL(cuInit, 2000, 0);
        CALL(cuDevicePrimaryCtxRetain, 7000, &context, 0);
        CALL(cuCtxSetCurrent, 4000, context);
    }

    void run(const std::string &step) {
        const std::size_t equals = step.find('=');
        const std::string word = step.substr(0, equals);
        const std::uint64_t number =
            equals == std::string::npos ? 0 : std::strtoull(step.c_str() + equals + 1, nullptr, 0);
        if (word == "alloc" || word == "pitch" || word == "async") return allocate(word, number);
        if (word == "try") return attempt(number);
        if (word == "create") return create(number);
        if (word == "managed" || word == "array" || word == "own-pool") return escape(word, number);
        if (word == "free" || word == "free-async") return free(word);
        if (word == "write") CALL(cuMemsetD8_v2, 3020, last().address, static_cast<unsigned char>(number), last().size);
        if (word == "read") read(static_cast<unsigned char>(number));
        if (word == "info" || word == "range" || word == "attributes") tell(word);
        if (word == "twice") twice(number);
        if (word == "small") make_pairs(number, 1024);
        if (word == "pairs") make_pairs(20, number);
        if (word == "churn") churn(number);
        if (word == "share") share();
        if (word == "import") import();
        if (word == "close") close();
        if (word == "peer") use_by_peer();
        if (word == "context") use_context();
        if (word == "stream") use_stream();
        if (word == "capture") use_capture();
        if (word == "hang-up") hang_up();
        if (word == "wait") {
            std::printf("ready\n");
            std::fflush(stdout);
            std::string line;
            std::getline(std::cin, line);
        }
    }

private:
    void check(const char *what, CUresult result) {
        if (result != CUDA_SUCCESS) fail(what, result);
    }
    Block &last() {
        if (blocks_.empty()) fail("no block", 0);
        return blocks_.back();
    }
    void allocate(const std::string &word, std::size_t size) {
        Block block = {0, size, Kind::plain, 0};
        if (word == "alloc") CALL(cuMemAlloc_v2, 3020, &block.address, size);
        if (word == "async") CALL(cuMemAllocAsync, 11020, &block.address, size, nullptr);
        std::size_t pitch = 0;
        if (word == "pitch") CALL(cuMemAllocPitch_v2, 3020, &block.address, &pitch, 100, size / 100, 4);
        if (block.address % 512 != 0 || pitch % 512 != 0) fail("alignment", 0);
        blocks_.push_back(block);
    }
    void escape(const std::string &word, std::size_t size) {
        Block block = {0, size, word == "array" ? Kind::array : Kind::plain, 0};
        CUDA_ARRAY_DESCRIPTOR wanted = {size, 0, CU_AD_FORMAT_UNSIGNED_INT8, 1};
        CUmemPoolProps properties = {};
        properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
        properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        CUarray array = nullptr;
        CUmemoryPool pool = nullptr;
        if (word == "managed") CALL(cuMemAllocManaged, 6000, &block.address, size, CU_MEM_ATTACH_GLOBAL);
        if (word == "array") CALL(cuArrayCreate_v2, 3020, &array, &wanted);
        if (word == "own-pool") CALL(cuMemPoolCreate, 11020, &pool, &properties);
        if (word == "own-pool") CALL(cuMemAllocFromPoolAsync, 11020, &block.address, size, pool, nullptr);
        if (word == "array") block.address = reinterpret_cast<CUdeviceptr>(array);
        blocks_.push_back(block);
    }
    void attempt(std::size_t size) {
        Block block = {0, size, Kind::plain, 0};
        const auto allocate = reinterpret_cast<decltype(&::cuMemAlloc_v2)>(route_.find("cuMemAlloc_v2", 3020));
        const CUresult allocated = allocate(&block.address, size);
        if (allocated == CUDA_SUCCESS) blocks_.push_back(block);
        std::printf("allocated: %d\n", allocated);
        std::fflush(stdout);
    }
    [[noreturn]] static void hang_up() {
        struct stat status = {};
        for (int fd = 3; fd < 1024; ++fd)
            if (::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode)) ::close(fd);
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        ::_exit(0);
    }
    void create(std::size_t size) {
        Block block = {0, size, Kind::own, 0};
        CUmemAllocationProp properties = {};
        properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
        properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        CALL(cuMemCreate, 10020, &block.handle, size, &properties, 0);
        CALL(cuMemAddressReserve, 10020, &block.address, size, 0, 0, 0);
        CALL(cuMemMap, 10020, block.address, size, 0, block.handle, 0);
        const CUmemAccessDesc access = {properties.location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
        CALL(cuMemSetAccess, 10020, block.address, size, &access, 1);
        blocks_.push_back(block);
    }
    void free(const std::string &word) {
        const Block block = last();
        blocks_.pop_back();
        if (block.kind == Kind::own) {
            CALL(cuMemRelease, 10020, block.handle); // the mapping holds it
            CALL(cuMemUnmap, 10020, block.address, block.size);
        } else if (block.kind == Kind::array) {
            CALL(cuArrayDestroy, 2000, reinterpret_cast<CUarray>(block.address)); // NOLINT: a handle
        } else if (word == "free-async") {
            CALL(cuMemFreeAsync, 11020, block.address, nullptr);
        } else {
            CALL(cuMemFree_v2, 3020, block.address);
        }
    }
    void read(unsigned char expected) {
        std::vector<unsigned char> bytes(last().size);
        CALL(cuMemcpyDtoH_v2, 3020, bytes.data(), last().address, bytes.size());
        for (const unsigned char byte : bytes)
            if (byte != expected) fail("another byte", byte);
    }
    // Whatever happens around it, only that there is no memory is no failure.
    void churn(std::uint64_t seed) {
        struct Filled {
            CUdeviceptr address;
            std::size_t size;
            unsigned char byte;
        };
        std::mt19937_64 random(seed);
        std::vector<Filled> all;
        const auto allocate = reinterpret_cast<decltype(&::cuMemAlloc_v2)>(route_.find("cuMemAlloc_v2", 3020));
        const auto compare = [&](const Filled &block, std::size_t at) {
            unsigned char bytes[512] = {};
            const std::size_t size = std::min(sizeof bytes, block.size - at);
            CALL(cuMemcpyDtoH_v2, 3020, bytes, block.address + at, size);
            for (std::size_t index = 0; index < size; ++index)
                if (bytes[index] != block.byte) fail("another byte", bytes[index]);
        };
        pollfd input = {STDIN_FILENO, POLLIN, 0};
        for (std::uint64_t step = 0; ::poll(&input, 1, 0) == 0; ++step) {
            const unsigned kind = static_cast<unsigned>(random() % 100);
            const std::size_t most = std::size_t(kind < 3 ? 44 : kind < 20 ? 6 : 1) << 20;
            Filled block = {0, kind < 3 ? most - random() % (8 << 20) : 1 + random() % most, 0};
            block.byte = static_cast<unsigned char>(1 + step % 255);
            const CUresult made = all.size() < 60 ? allocate(&block.address, block.size) : CUDA_ERROR_OUT_OF_MEMORY;
            if (made == CUDA_SUCCESS) {
                CALL(cuMemsetD8_v2, 3020, block.address, block.byte, block.size);
                all.push_back(block);
                continue;
            }
            if (made != CUDA_ERROR_OUT_OF_MEMORY) fail("cuMemAlloc_v2", made);
            for (std::size_t count = all.size() / 2 + 1; count-- > 0 && !all.empty();) {
                std::swap(all[random() % all.size()], all.back());
                compare(all.back(), 0);
                compare(all.back(), all.back().size - std::min<std::size_t>(all.back().size, 512));
                CALL(cuMemFree_v2, 3020, all.back().address);
                all.pop_back();
            }
        }
        for (const Filled &block : all) {
            compare(block, 0);
            CALL(cuMemFree_v2, 3020, block.address);
        }
        std::string line;
        std::getline(std::cin, line);
        std::printf("churned\n");
        std::fflush(stdout);
    }
    void tell(const std::string &word) {
        std::size_t first = 0, second = 0;
        CUdeviceptr base = 0;
        if (word == "info") CALL(cuMemGetInfo_v2, 3020, &first, &second);
        if (word == "info") CALL(cuMemGetInfo_v2, 3020, nullptr, nullptr); // as some callers do
        if (word == "range") CALL(cuMemGetAddressRange_v2, 3020, &base, &first, last().address + last().size - 1);
        if (word == "range") second = last().address - base;
        if (word == "attributes") {
            CALL(cuPointerGetAttribute, 4000, &base, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, last().address + 1);
            CALL(cuPointerGetAttribute, 4000, &first, CU_POINTER_ATTRIBUTE_RANGE_SIZE, last().address + 1);
            second = last().address - base;
        }
        std::printf("%s %zu %zu\n", word.c_str(), first, second);
    }
    void share() {
        CUipcMemHandle handle = {};
        CALL(cuCtxSynchronize, 2000); // another process's streams wait for none of this one's
        CALL(cuIpcGetMemHandle, 4010, &handle, last().address);
        int is_capable = -1;
        CALL(cuPointerGetAttribute, 4000, &is_capable, CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE, last().address);
        if (is_capable != 1) fail("it isn't told that it can be shared", is_capable);
        for (const char byte : handle.reserved) std::printf("%02x", static_cast<unsigned char>(byte));
        std::printf("\n");
        std::fflush(stdout);
    }
    void import() {
        CUipcMemHandle handle = {};
        std::string line;
        std::getline(std::cin, line);
        for (std::size_t index = 0; index < sizeof handle; ++index)
            handle.reserved[index] = static_cast<char>(std::stoul(line.substr(2 * index, 2), nullptr, 16));
        Block block = {0, 0, Kind::imported, 0};
        const auto open =
            reinterpret_cast<decltype(&::cuIpcOpenMemHandle)>(route_.find("cuIpcOpenMemHandle_v2", 11000));
        const CUresult opened = open(&block.address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
        CUdeviceptr base = 0;
        if (opened == CUDA_SUCCESS) CALL(cuMemGetAddressRange_v2, 3020, &base, &block.size, block.address);
        if (opened == CUDA_SUCCESS && base != block.address) fail("it isn't its own base", 0);
        if (opened == CUDA_SUCCESS) blocks_.push_back(block);
        std::printf(opened == CUDA_SUCCESS ? "imported %zu\n" : "refused %zu\n",
            opened == CUDA_SUCCESS ? block.size : std::size_t(opened));
        std::fflush(stdout);
    }
    void close() {
        CALL(cuIpcCloseMemHandle, 4010, last().address);
        blocks_.pop_back();
    }
    void use_by_peer() {
        CUcontext own = nullptr, other = nullptr;
        CUdeviceptr target = 0;
        unsigned char byte = 0;
        CALL(cuDevicePrimaryCtxRetain, 7000, &own, 0);
        CALL(cuDevicePrimaryCtxRetain, 7000, &other, 1);
        CALL(cuCtxSetCurrent, 4000, other);
        if (!has_peer_) CALL(cuCtxEnablePeerAccess, 4000, own, 0);
        has_peer_ = true;
        CALL(cuMemAlloc_v2, 3020, &target, last().size);
        CALL(cuMemcpyDtoD_v2, 3020, target, last().address, last().size);
        CALL(cuMemcpyDtoH_v2, 3020, &byte, target, 1);
        CALL(cuMemFree_v2, 3020, target);
        CALL(cuCtxSetCurrent, 4000, own);
        std::printf("peer %u\n", static_cast<unsigned>(byte));
    }
    // What waits for a context that is gone can't be waited for; what was allocated in it is gone, too.
    void use_context() {
        CUcontext own = nullptr, other = nullptr;
        CUdeviceptr freed = 0, left = 0;
        CALL(cuDevicePrimaryCtxRetain, 7000, &own, 0);
        check("cuCtxCreate_v2", reinterpret_cast<CUresult (*)(CUcontext *, unsigned, CUdevice)>(
                                    route_.find("cuCtxCreate_v2", 3020))(&other, 0, 0));
        CALL(cuMemAlloc_v2, 3020, &freed, std::size_t(2) << 20);
        CALL(cuMemAlloc_v2, 3020, &left, std::size_t(2) << 20);
        CALL(cuMemFree_v2, 3020, freed);
        CALL(cuCtxDestroy_v2, 4000, other);
        CALL(cuCtxSetCurrent, 4000, own);
        twice(100); // more than an arena has
    }
    // Another stream may get the number of one that is gone.
    void use_stream() {
        CUstream stream = nullptr;
        CUdeviceptr first = 0, second = 0;
        for (int round = 0; round < 2; ++round) {
            CALL(cuStreamCreate, 2000, &stream, CU_STREAM_NON_BLOCKING);
            CALL(cuMemAllocAsync, 11020, &first, std::size_t(2) << 20, stream);
            CALL(cuMemFreeAsync, 11020, first, stream);
            CALL(cuMemAllocAsync, 11020, &second, std::size_t(2) << 20, stream);
            if (first != second) fail("a stream's own memory isn't used again", 0);
            CALL(cuMemFreeAsync, 11020, second, stream);
            CALL(cuStreamDestroy_v2, 4000, stream);
        }
        twice(100);
    }
    // The pool's fences leave a capture whole, and a captured allocation is the driver's.
    void use_capture() {
        CUstream stream = nullptr;
        CUgraph graph = nullptr;
        CUdeviceptr node = 0;
        CALL(cuStreamCreate, 2000, &stream, CU_STREAM_NON_BLOCKING);
        CALL(cuStreamBeginCapture_v2, 10010, stream, CU_STREAM_CAPTURE_MODE_GLOBAL);
        twice(100);
        const auto allocate = reinterpret_cast<decltype(&::cuMemAllocAsync)>(route_.find("cuMemAllocAsync", 11020));
        std::printf("captured: %d\n", allocate(&node, 1000, stream));
        CALL(cuStreamEndCapture, 10000, stream, &graph);
        CALL(cuStreamDestroy_v2, 4000, stream);
    }
    void twice(std::uint64_t count) { make_pairs(count, std::size_t(2) << 20); }
    void make_pairs(std::uint64_t count, std::size_t size) {
        const auto make = reinterpret_cast<decltype(&::cuMemAlloc_v2)>(route_.find("cuMemAlloc_v2", 3020));
        const auto free = reinterpret_cast<decltype(&::cuMemFree_v2)>(route_.find("cuMemFree_v2", 3020));
        const auto began = std::chrono::steady_clock::now();
        for (std::uint64_t index = 0; index < count; ++index) {
            CUdeviceptr address = 0;
            check("cuMemAlloc_v2", make(&address, size));
            check("cuMemFree_v2", free(address));
        }
        const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
        std::printf("microseconds a pair: %.3f\n", took.count() / static_cast<double>(count));
    }

    const Route route_;
    std::vector<Block> blocks_;
    bool has_peer_ = false;
};

} // namespace

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    Program program(argv[1]);
    for (int index = 2; index < argc; ++index) program.run(argv[index]);
    return 0;
}
