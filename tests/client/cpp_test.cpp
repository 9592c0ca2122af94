// cpp_test: the C++ interface as a C++ program uses it: cpp_test MOUNT, with $GMEMFS_DRIVER for the driver.
//
// It writes and reads device memory by the driver's own calls, in a context of its own, as a framework would.
#include "client/lib/gmemfs.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace {

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "cpp_test:%d: %s\n", __LINE__, #condition);                                           \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

// The few driver functions that a framework would call, without <cuda.h>, as a user's program may be built.
struct Driver {
    void *library = dlopen(std::getenv("GMEMFS_DRIVER"), RTLD_NOW);
    template <typename... Arguments>
    void call(const char *name, Arguments... arguments) const {
        auto *const function = reinterpret_cast<int (*)(Arguments...)>(dlsym(library, name));
        CHECK(function != nullptr);
        CHECK(function(arguments...) == 0);
    }
};

void write_and_read(const Driver &driver, const std::string &path, const gmemfs::Mapping &mapping, int seed) {
    std::vector<unsigned char> bytes(mapping.size());
    for (std::size_t index = 0; index < bytes.size(); ++index)
        bytes[index] = static_cast<unsigned char>(index * 7 + index / 251 + static_cast<unsigned>(seed));
    driver.call("cuMemcpyHtoD_v2", mapping.address(), static_cast<const void *>(bytes.data()), bytes.size());
    std::vector<unsigned char> found(bytes.size());
    const int fd = open(path.c_str(), O_RDONLY);
    CHECK(read(fd, found.data(), found.size()) == static_cast<ssize_t>(found.size()));
    close(fd);
    CHECK(found == bytes);
}

int code_of_map(const gmemfs::File &file, const gmemfs::MapOptions &options) {
    try {
        file.map(options);
    } catch (const gmemfs::Failure &failure) {
        CHECK(std::strlen(failure.what()) > 10);
        return failure.code().value();
    }
    return 0;
}

// Pages of a mapped file, packed where they are and unpacked into host memory.
void pack_pages(const gmemfs::Mapping &mapping, const std::string &path) {
    constexpr std::size_t kPage = 4096, kCount = 100;
    gmemfs::RingOptions options;
    options.threads = 2;
    options.staging = 1 << 20;
    gmemfs::Ring first(options), ring = std::move(first);
    std::vector<char> packed(gmemfs_get_packed_bound(GMEMFS_LZ4, kPage) * kCount), pages(kPage * kCount), want(pages);
    std::vector<std::uint32_t> sizes(kCount), checksums(kCount);
    gmemfs::Batch batch;
    batch.algorithm = GMEMFS_LZ4;
    batch.backend = GMEMFS_CPU;
    batch.memory = GMEMFS_DEVICE_PAGES;
    batch.page_size = kPage;
    batch.page_count = kCount;
    batch.pages = mapping.address();
    batch.packed = packed.data();
    batch.packed_size = packed.size();
    batch.sizes = sizes.data();
    batch.checksums = checksums.data();
    std::uint64_t ticket = ring.pack(batch);
    std::optional<gmemfs::BatchResult> result;
    while (!result) result = ring.poll(ticket);
    CHECK(result->plain_size == pages.size() && result->from_device_ns > 0 && result->backend == GMEMFS_CPU);
    batch.memory = GMEMFS_HOST_PAGES;
    batch.pages = reinterpret_cast<std::uint64_t>(pages.data());
    ticket = ring.unpack(batch);
    CHECK(ring.wait(ticket).plain_size == pages.size());
    const int fd = open(path.c_str(), O_RDONLY);
    CHECK(read(fd, want.data(), want.size()) == static_cast<ssize_t>(want.size()));
    close(fd);
    CHECK(pages == want);
    checksums[3] ^= 1;
    ticket = ring.unpack(batch);
    try {
        ring.wait(ticket);
        CHECK(false);
    } catch (const gmemfs::Failure &failure) {
        CHECK(failure.code().value() == EBADMSG && std::strstr(failure.what(), "page 3") != nullptr);
    }
}

// Device memory that goes and comes back at its address, with its bytes, or with zeros.
void pause_blocks(const Driver &driver, const std::string &folder) {
    CHECK(mkdir(folder.c_str(), 0700) == 0);
    {
        gmemfs::Allocator first(folder), allocator = std::move(first);
        const std::string number = std::to_string(allocator.number());
        const auto allocate = reinterpret_cast<void *(*)(std::ptrdiff_t, int, void *)>(
            dlsym(RTLD_DEFAULT, ("gmemfs_allocate_in_" + number).c_str()));
        const auto give = reinterpret_cast<void (*)(void *, std::ptrdiff_t, int, void *)>(
            dlsym(RTLD_DEFAULT, ("gmemfs_free_in_" + number).c_str()));
        CHECK(allocate != nullptr && give != nullptr);
        std::vector<unsigned char> bytes(20 << 20), found(bytes.size());
        for (std::size_t index = 0; index < bytes.size(); ++index)
            bytes[index] = static_cast<unsigned char>(index / 99);
        void *const block = allocate(20 << 20, 0, nullptr);
        CHECK(block != nullptr);
        const auto address = reinterpret_cast<std::uint64_t>(block);
        driver.call("cuMemcpyHtoD_v2", address, static_cast<const void *>(bytes.data()), bytes.size());
        for (const int flags : {GMEMFS_PAUSE_KEEP, GMEMFS_PAUSE_KEEP, 0}) {
            allocator.pause(flags);
            allocator.resume();
            driver.call("cuMemcpyDtoH_v2", static_cast<void *>(found.data()), address, found.size());
            CHECK(found == (flags != 0 ? bytes : std::vector<unsigned char>(bytes.size())));
        }
        give(block, 20 << 20, 0, nullptr);
    }
    CHECK(rmdir(folder.c_str()) == 0);
}

} // namespace

int main(int argc, char **argv) {
    CHECK(argc == 2);
    const std::string mount = argv[1];
    const Driver driver;
    void *context = nullptr;
    driver.call("cuInit", 0U);
    driver.call("cuDevicePrimaryCtxRetain", &context, 0);
    driver.call("cuCtxSetCurrent", context);
    std::size_t own_stack = 0;
    driver.call("cuCtxGetLimit", &own_stack, 0);
    CHECK(own_stack >= 1024);

    // One extent, by each handle type.
    gmemfs::File file = gmemfs::File::create(mount + "/one", 1000000);
    gmemfs::MapOptions options;
    for (const int handles : {GMEMFS_HANDLES_ANY, GMEMFS_HANDLES_FABRIC, GMEMFS_HANDLES_FD}) {
        options.handles = handles;
        const gmemfs::Mapping mapping = file.map(options);
        CHECK(handles == GMEMFS_HANDLES_ANY || mapping.info().handles == handles);
        write_and_read(driver, mount + "/one", mapping, handles);
    }
    // The context is the program's: its kernels have the stack that they had (CU_LIMIT_STACK_SIZE).
    std::size_t stack = 0;
    driver.call("cuCtxGetLimit", &stack, 0);
    CHECK(stack == own_stack);
    void *current = nullptr;
    gmemfs::wait();
    driver.call("cuCtxGetCurrent", &current);
    CHECK(current == context);

    // Several extents, at one contiguous address: the file grows while it is mapped, so nothing may be merged.
    gmemfs::File several = gmemfs::File::create(mount + "/several", 2 << 20);
    std::vector<gmemfs::Mapping> mappings;
    for (std::uint64_t size = 2 << 20; size <= 10 << 20; size += 4 << 20) {
        several.set_size(size);
        mappings.push_back(several.map());
    }
    CHECK(mappings.back().info().extent_count == 3 && mappings.back().length() == 10 << 20);
    write_and_read(driver, mount + "/several", mappings.back(), 5);
    pack_pages(mappings.back(), mount + "/several");

    // Its address can be had again.
    options = {};
    options.address = mappings.back().address();
    mappings.back().unmap();
    mappings.pop_back();
    const gmemfs::Mapping again = several.map(options);
    CHECK(again.address() == options.address);

    // Read only: the driver refuses to write.
    options = {};
    options.access = GMEMFS_READ;
    {
        const gmemfs::Mapping read_only = file.map(options);
        auto *const copy = reinterpret_cast<int (*)(std::uint64_t, const void *, std::size_t)>(
            dlsym(driver.library, "cuMemcpyHtoD_v2"));
        CHECK(copy(read_only.address(), mount.data(), 1) != 0);
    }
    options = {};
    options.sharing = GMEMFS_ALONE;
    gmemfs::Mapping alone = file.map(options);
    CHECK(code_of_map(file, {}) == EBUSY);
    alone.unmap();
    CHECK(code_of_map(file, {}) == 0);
    // A directory at once; the empty file is left out.
    const std::string folder = mount + "/folder";
    CHECK(mkdir(folder.c_str(), 0700) == 0);
    gmemfs::File::create(folder + "/a", 3 << 20);
    gmemfs::File::create(folder + "/b", 5 << 20);
    gmemfs::File::create(folder + "/empty", 0);
    {
        std::map<std::string, gmemfs::Mapping> files = gmemfs::map_directory(folder);
        CHECK(files.size() == 2 && files.at("a").size() == 3 << 20 && files.at("b").size() == 5 << 20);
        write_and_read(driver, folder + "/b", files.at("b"), 5);
        gmemfs::MapOptions by_itself;
        by_itself.sharing = GMEMFS_ALONE;
        try {
            gmemfs::map_directory(folder, by_itself);
            CHECK(false);
        } catch (const gmemfs::Failure &failure) {
            CHECK(failure.code().value() == EBUSY && std::strstr(failure.what(), "/folder/a") != nullptr);
        }
    }
    pause_blocks(driver, mount + "/allocator");
    return 0;
}
