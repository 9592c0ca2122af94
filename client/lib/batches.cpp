// Batches: the C interface of batches of pages: checks arguments, and turns them into those of ecc/batch.
#include "client/lib/gmemfs.h"

#include "client/lib/devices.hpp"
#include "client/lib/handle_table.hpp"
#include "client/lib/options.hpp"
#include "client/lib/origin.hpp"
#include "ecc/batch/ring.hpp"
#include "ecc/nvcomp/places.hpp"

#include <cstddef>
#include <utility>

namespace gmemfs::client {
namespace {

HandleTable<gmemfs_ring, BatchRing> &rings() {
    static auto *const only = new HandleTable<gmemfs_ring, BatchRing>; // never destroyed: as the tables of gmemfs.cpp
    return *only;
}

Result<std::shared_ptr<BatchRing>> find(const gmemfs_ring *handle) {
    TRY(check_origin());
    std::shared_ptr<BatchRing> ring = rings().find(handle);
    if (!ring) return Error{EBADF, 0, "use ring", "it is closed, or never was one"};
    return ring;
}

Result<RingSettings> settings_of(const gmemfs_ring_options &options) {
    constexpr const char *kDoing = "open ring";
    if (options.slots > RingSettings::kSlotsMax)
        return Error{EINVAL, 0, kDoing, "slots: 1 to " + std::to_string(RingSettings::kSlotsMax)};
    if (options.threads > RingSettings::kThreadsMax)
        return Error{EINVAL, 0, kDoing, "threads: 1 to " + std::to_string(RingSettings::kThreadsMax)};
    if (options.staging != 0 && (options.staging < MiB || options.staging > RingSettings::kStagingMax))
        return Error{EINVAL, 0, kDoing, "staging: 1 MiB to " + format_size(RingSettings::kStagingMax)};
    RingSettings settings;
    if (options.slots != 0) settings.slots = options.slots;
    settings.threads = options.threads;
    if (options.staging != 0) settings.limits.staging = options.staging;
    settings.device.driver = driver_library(options.driver);
    settings.device.ordinal = options.device;
    settings.device.nvcomp = options.nvcomp == nullptr ? nvcomp_places() : std::vector<std::string>{options.nvcomp};
    if (options.model != nullptr) settings.model = options.model;
    return settings;
}

Result<gmemfs_ring *> open(const gmemfs_ring_options *options) {
    TRY(check_origin());
    const gmemfs_ring_options read = TRY(read_options(options));
    const RingSettings settings = TRY(settings_of(read));
    std::unique_ptr<BatchRing> ring = TRY(BatchRing::create(settings));
    return rings().add(std::move(ring));
}

Result<std::uint64_t> submit(const gmemfs_ring *handle, const gmemfs_batch *given, Direction direction) {
    const std::shared_ptr<BatchRing> ring = TRY(find(handle));
    const gmemfs_batch batch = TRY(read_options(given));
    if (batch.backend < GMEMFS_AUTO || batch.backend > GMEMFS_GPU)
        return Error{EINVAL, 0, "submit batch", "backend: GMEMFS_AUTO, GMEMFS_CPU or GMEMFS_GPU"};
    if (batch.memory != GMEMFS_HOST_PAGES && batch.memory != GMEMFS_DEVICE_PAGES)
        return Error{EINVAL, 0, "submit batch", "memory: GMEMFS_HOST_PAGES or GMEMFS_DEVICE_PAGES"};
    BatchWork work;
    work.direction = direction;
    work.algorithm = static_cast<Algorithm>(batch.algorithm);
    work.backend = static_cast<Backend>(batch.backend);
    work.memory = static_cast<PageMemory>(batch.memory);
    work.page_size = batch.page_size;
    work.page_count = batch.page_count;
    work.pages = batch.pages;
    work.packed = static_cast<std::byte *>(batch.packed);
    work.packed_size = batch.packed_size;
    work.sizes = batch.sizes;
    work.checksums = batch.checksums;
    return ring->submit(work);
}
static_assert(static_cast<int>(Algorithm::zstd) == GMEMFS_ZSTD && static_cast<int>(Backend::gpu) == GMEMFS_GPU &&
              static_cast<int>(PageMemory::device) == GMEMFS_DEVICE_PAGES &&
              static_cast<int>(Choice::measured) == GMEMFS_CHOICE_MEASURED);

gmemfs_batch_result describe(const BatchReport &report) {
    gmemfs_batch_result result = {};
    result.to_device_ns = report.times.to_device_ns;
    result.compute_ns = report.times.compute_ns;
    result.from_device_ns = report.times.from_device_ns;
    result.total_ns = report.times.total_ns;
    result.plain_size = report.plain_size;
    result.packed_size = report.packed_size;
    const auto plain = static_cast<double>(report.plain_size);
    if (report.packed_size != 0) result.ratio = plain / static_cast<double>(report.packed_size);
    if (report.times.total_ns != 0) result.bytes_per_second = plain * 1e9 / static_cast<double>(report.times.total_ns);
    result.compute_outweighs = report.times.compute_outweighs() ? 1 : 0;
    result.backend = static_cast<int>(report.backend);
    result.choice = static_cast<int>(report.choice);
    result.predicted_ns = report.predicted_ns;
    result.measuring_ns = report.measuring_ns;
    return result;
}

int collect(const gmemfs_ring *handle, std::uint64_t ticket, int timeout_ms, gmemfs_batch_result *result) {
    const Result<std::shared_ptr<BatchRing>> ring = find(handle);
    if (!ring) return fail(ring.error());
    const Result<BatchReport> report = (*ring)->collect(ticket, timeout_ms);
    if (!report) return fail(report.error());
    return result == nullptr ? 0 : hand_out(describe(*report), result);
}

} // namespace
} // namespace gmemfs::client

using namespace gmemfs::client;
using gmemfs::Direction;

int gmemfs_open_ring(const gmemfs_ring_options *options, gmemfs_ring **ring) { return hand_over(open(options), ring); }

void gmemfs_close_ring(gmemfs_ring *ring) {
    if (ring != nullptr && !is_copy()) rings().take(ring); // its destructor waits
}

int gmemfs_pack_batch(gmemfs_ring *ring, const gmemfs_batch *batch, uint64_t *ticket) {
    return hand_over(submit(ring, batch, Direction::pack), ticket);
}

int gmemfs_unpack_batch(gmemfs_ring *ring, const gmemfs_batch *batch, uint64_t *ticket) {
    return hand_over(submit(ring, batch, Direction::unpack), ticket);
}

int gmemfs_poll_batch(gmemfs_ring *ring, uint64_t ticket, gmemfs_batch_result *result) {
    return collect(ring, ticket, 0, result);
}

int gmemfs_wait_batch(gmemfs_ring *ring, uint64_t ticket, int timeout_ms, gmemfs_batch_result *result) {
    return collect(ring, ticket, timeout_ms, result);
}

size_t gmemfs_get_packed_bound(int algorithm, size_t page_size) {
    if (algorithm != GMEMFS_LZ4 && algorithm != GMEMFS_ZSTD) return 0;
    if (page_size == 0 || page_size > gmemfs::kPageSizeMax) return 0;
    return gmemfs::packed_bound(static_cast<gmemfs::Algorithm>(algorithm), page_size);
}
