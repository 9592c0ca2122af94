// Door: an audit library of the dynamic linker that has the pool's library found wherever a program opens the driver.
//
//     libcuda.so*, by any name, path or namespace      ->  $GMEMFS_POOL_LIBRARY, whose soname is libcuda.so.1
//     libgmemfs-driver.so, that library's dependency   ->  $GMEMFS_POOL_DRIVER, the driver itself
//     libnvidia-ml.so*, with --limit alone             ->  $GMEMFS_POOL_NVML_LIBRARY; its dependency: $GMEMFS_POOL_NVML
//
// The linker asks here once for each library that it is about to look for (rtld-audit(7), LA_SER_ORIG); everything else
// stays as it was, and no function's call comes by here. The driver goes by a path that nobody else writes, because
// glibc compares the names of loaded libraries before it asks: an open of the driver's own path would find it loaded.
//
// A process that opens no driver pays for this file alone, so it needs nothing but the C library.
#include "pool/memory/names.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <link.h>

namespace {

struct Door {
    const char *file;  // whose opens are redirected
    const char *alias; // what the library that stands there calls the original
    char *library, *original;
};
// Set once, before anybody asks. A door without a library isn't there.
Door g_doors[] = {{"libcuda.so", gmemfs::pool::kDriverName, nullptr, nullptr},
    {"libnvidia-ml.so", gmemfs::pool::kNvmlName, nullptr, nullptr}};

const char *base_of(const char *path) {
    const char *const slash = std::strrchr(path, '/');
    return slash == nullptr ? path : slash + 1;
}

// libcuda.so, libcuda.so.1, libcuda.so.580.95.05; not libcuda.something-else.
bool is_of(const char *base, const char *file) {
    const std::size_t length = std::strlen(file);
    return std::strncmp(base, file, length) == 0 && (base[length] == '\0' || base[length] == '.');
}

} // namespace

extern "C" {

__attribute__((visibility("default"))) unsigned la_version(unsigned version) {
    const auto read = [](const char *name) { return std::getenv(name); }; // NOLINT(concurrency-mt-unsafe): before main
    g_doors[0].library = read(gmemfs::pool::kLibraryVariable);
    g_doors[0].original = read(gmemfs::pool::kDriverVariable);
    g_doors[1].library = read(gmemfs::pool::kNvmlLibraryVariable);
    g_doors[1].original = read(gmemfs::pool::kNvmlVariable);
    return g_doors[0].library == nullptr || g_doors[0].original == nullptr ? 0 : version; // 0: this library isn't used
}

__attribute__((visibility("default"))) char *la_objsearch(const char *name, std::uintptr_t *, unsigned flag) {
    auto *const as_it_was = const_cast<char *>(name); // NOLINT: the interface's way
    if (flag != LA_SER_ORIG) return as_it_was;
    const char *const base = base_of(name);
    for (const Door &door : g_doors) {
        if (door.library == nullptr || door.original == nullptr) continue;
        if (std::strcmp(base, door.alias) == 0) return door.original;
        if (is_of(base, door.file) && std::strcmp(name, door.original) != 0) return door.library;
    }
    return as_it_was;
}

} // extern "C"
