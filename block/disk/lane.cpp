#include "block/disk/lane.hpp"

#include <algorithm>

namespace gmemfs::block {
namespace {

bool is_change(const Request &request) { return request.kind != Request::Kind::read; }

bool is_whole_blocks(const Request &request) {
    return request.offset % kCheckedSize == 0 && request.length % kCheckedSize == 0;
}

bool overlaps(const Request &one, const Request &other) {
    return one.offset < other.offset + other.length && other.offset < one.offset + one.length;
}

// How many requests from the first on touch no byte that an earlier one changes, or change none that an earlier one
// reads: their sums can be looked at after all of them.
std::size_t independent_count(std::span<const Request> batch) {
    for (std::size_t index = 1; index < batch.size(); ++index)
        for (const Request &earlier : batch.first(index))
            if ((is_change(earlier) || is_change(batch[index])) && overlaps(earlier, batch[index])) return index;
    return batch.size();
}

} // namespace

Result<Lane> Lane::create(Disk &disk, std::size_t memory_size) {
    Stream stream = TRY(Stream::create(disk.device()));
    PinnedBuffer memory = TRY(PinnedBuffer::create(disk.device(), memory_size));
    return Lane(disk, std::move(stream), std::move(memory));
}

void Lane::run(std::span<Request> batch) {
    for (const Request &request : batch) // of doors, which have looked at what came from outside
        GMEMFS_ASSERT(request.offset <= disk_->size() && request.length <= disk_->size() - request.offset);
    Checksums *const sums = disk_->checksums();
    while (sums != nullptr && !batch.empty()) {
        const std::size_t count = independent_count(batch);
        run_checked(batch.first(count), *sums);
        batch = batch.subspan(count);
    }
    run_unchecked(batch);
}

int Lane::queue(const Request &request) {
    if (is_change(request) && disk_->mode() == Mode::read_only) return EPERM;
    if (request.length == 0) return 0;
    const Driver &driver = disk_->device().driver();
    const CUdeviceptr address = disk_->address() + request.offset;
    CUresult result = CUDA_SUCCESS;
    switch (request.kind) {
    case Request::Kind::read:
        result = driver.cuMemcpyDtoHAsync(request.bytes, address, request.length, stream_.get());
        break;
    case Request::Kind::write:
        result = driver.cuMemcpyHtoDAsync(address, request.bytes, request.length, stream_.get());
        break;
    case Request::Kind::zero: result = driver.cuMemsetD8Async(address, 0, request.length, stream_.get()); break;
    }
    return disk_->device().check(result, "copy blocks") ? 0 : EIO;
}

void Lane::run_unchecked(std::span<Request> batch) {
    if (batch.empty()) return;
    const bool is_usable = disk_->device().make_current().has_value();
    for (Request &request : batch) request.code = is_usable ? queue(request) : EIO;
    // Whatever was queued must have ended before the lane's memory is used again.
    const CUresult waited = disk_->device().driver().cuStreamSynchronize(stream_.get());
    if (disk_->device().check(waited, "wait for blocks")) return;
    for (Request &request : batch)
        if (request.code == 0) request.code = EIO;
}

void Lane::run_checked(std::span<Request> batch, Checksums &sums) {
    std::uint64_t stripes = 0;
    for (const Request &request : batch) stripes |= Checksums::stripes_of(request.offset, request.length);
    const Checksums::Held held(sums, stripes);
    if (!std::all_of(batch.begin(), batch.end(), is_whole_blocks)) { // which a door never lets come here
        for (Request &request : batch) request.code = EINVAL;
        return;
    }
    // A process that dies before the new sums are there leaves none: the bytes are the old ones, the new ones or both.
    for (const Request &request : batch)
        if (is_change(request) && disk_->mode() == Mode::read_write) sums.forget(request.offset, request.length);
    run_unchecked(batch);
    for (Request &request : batch) {
        if (request.code != 0) continue;
        const std::span<const std::byte> bytes(request.bytes, request.length);
        if (request.kind == Request::Kind::write) sums.set(request.offset, bytes);
        if (request.kind == Request::Kind::zero) sums.set_zeros(request.offset, request.length);
        if (request.kind == Request::Kind::read && !sums.check(request.offset, bytes)) request.code = EIO;
    }
}

} // namespace gmemfs::block
