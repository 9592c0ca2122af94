// Door: an audit library of the dynamic linker that has the pool's library found wherever a program opens the driver.
//
//     libcuda.so*, by any name, path or namespace      ->  $GMEMFS_POOL_LIBRARY, whose soname is libcuda.so.1
//     libgmemfs-driver.so, that library's dependency   ->  $GMEMFS_POOL_DRIVER, the driver itself
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

constexpr char kDriverFile[] = "libcuda.so";

char *g_library = nullptr; // set once, before anybody asks
char *g_driver = nullptr;

const char *base_of(const char *path) {
    const char *const slash = std::strrchr(path, '/');
    return slash == nullptr ? path : slash + 1;
}

// libcuda.so, libcuda.so.1, libcuda.so.580.95.05; not libcuda.something-else.
bool is_driver(const char *base) {
    const std::size_t length = sizeof kDriverFile - 1;
    return std::strncmp(base, kDriverFile, length) == 0 && (base[length] == '\0' || base[length] == '.');
}

} // namespace

extern "C" {

__attribute__((visibility("default"))) unsigned la_version(unsigned version) {
    g_library = std::getenv(gmemfs::pool::kLibraryVariable);          // NOLINT(concurrency-mt-unsafe): before main
    g_driver = std::getenv(gmemfs::pool::kDriverVariable);            // NOLINT(concurrency-mt-unsafe)
    return g_library == nullptr || g_driver == nullptr ? 0 : version; // 0: this library isn't used
}

__attribute__((visibility("default"))) char *la_objsearch(const char *name, std::uintptr_t *, unsigned flag) {
    auto *const as_it_was = const_cast<char *>(name); // NOLINT: the interface's way
    if (flag != LA_SER_ORIG) return as_it_was;
    const char *const base = base_of(name);
    if (std::strcmp(base, gmemfs::pool::kDriverName) == 0) return g_driver;
    if (!is_driver(base) || std::strcmp(name, g_driver) == 0) return as_it_was;
    return g_library;
}

} // extern "C"
