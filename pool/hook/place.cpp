// Place: where in the mount a program's memory lies.
#include "pool/hook/place.h"

#include "pool/hook/process_pool.hpp"

#include <cerrno>

using namespace gmemfs;
using namespace gmemfs::pool;

extern "C" int gmemfs_pool_find(std::uint64_t address, gmemfs_pool_place *place) {
    if (place == nullptr || place->struct_size != sizeof *place) return EINVAL;
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr) return ENOENT;
    std::optional<DevicePool::Place> found = pool->own().locate(address);
    for (const auto &device : pool->devices())
        if (!found) found = device->locate(address);
    if (!found) return ENOENT;
    if (found->path.empty() || found->path.size() >= sizeof place->path) return ENODATA;
    place->address = found->address;
    place->size = found->size;
    place->offset = found->offset;
    found->path.copy(place->path, found->path.size());
    place->path[found->path.size()] = '\0';
    return 0;
}
