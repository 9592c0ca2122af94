// Gmemfs pool: the C interface to what a process says of its pool.
#include "client/lib/gmemfs_pool.h"

#include "client/lib/options.hpp"
#include "client/lib/pool_reader.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <unistd.h>
#include <utility>

namespace gmemfs::client {
namespace {

static_assert(GMEMFS_POOL_TIMES == ReadPoolFigures::kTimes);
static_assert(GMEMFS_POOL_LIBRARIES == ReadPoolFigures::kLibraries);
static_assert(GMEMFS_POOL_KINDS == ReadPoolFigures::kind_count);
static_assert(GMEMFS_POOL_GRAPH_NODES == ReadPoolFigures::graph_nodes);
static_assert(sizeof(gmemfs_pool_library::name) == ReadPoolFigures::kLibraryName);

Result<ReadPoolFigures> read(const char *directory) {
    return directory == nullptr ? read_pool_figures(::getpid()) : read_pool_figures(std::string(directory));
}

gmemfs_pool_info describe(const ReadPoolFigures &figures) {
    gmemfs_pool_info info = {};
    info.held = figures.held;
    info.used = figures.used;
    info.used_most = figures.used_most;
    info.unlisted = figures.unlisted;
    info.spilled = figures.spilled;
    info.limit = figures.limit;
    info.blocks = figures.taken - std::min(figures.taken, figures.given);
    info.allocations = figures.taken;
    info.fences = figures.fences;
    for (const auto &device : figures.devices) {
        info.idle += device.idle;
        info.idle_largest = std::max(info.idle_largest, device.idle_largest);
    }
    std::copy_n(figures.times[ReadPoolFigures::take], GMEMFS_POOL_TIMES, info.allocation_times);
    std::copy_n(figures.times[ReadPoolFigures::give], GMEMFS_POOL_TIMES, info.free_times);
    for (std::size_t kind = 0; kind < GMEMFS_POOL_KINDS; ++kind)
        info.kinds[kind] = {figures.kinds[kind].count, figures.kinds[kind].bytes};
    return info;
}

} // namespace
} // namespace gmemfs::client

using namespace gmemfs;
using namespace gmemfs::client;

extern "C" {

int gmemfs_read_pool(const char *directory, gmemfs_pool_info *info) {
    if (info == nullptr) return fail(Error{EINVAL, 0, "read pool", "there is no place for what is read"});
    const Result<ReadPoolFigures> figures = read(directory);
    return figures ? hand_out(describe(*figures), info) : fail(figures.error());
}

int gmemfs_read_pool_libraries(const char *directory, gmemfs_pool_library *libraries, size_t *count) {
    if (count == nullptr || (libraries == nullptr && *count != 0))
        return fail(Error{EINVAL, 0, "read pool", "there is no place for what is read"});
    const Result<ReadPoolFigures> figures = read(directory);
    if (!figures) return fail(figures.error());
    const std::size_t room = std::exchange(*count, figures->library_count);
    if (room < *count) return fail(Error{ERANGE, 0, "read pool", std::to_string(*count) + " libraries have allocated"});
    for (std::size_t index = 0; index < *count; ++index) {
        std::memcpy(libraries[index].name, figures->libraries[index].name, sizeof libraries[index].name);
        libraries[index].used = figures->libraries[index].used;
    }
    return 0;
}

} // extern "C"
