// DeviceSlot, memory: its staging, which grows to what batches need, and copies between its parts.
#include "ecc/batch/device_slot.hpp"

#include <algorithm>

namespace gmemfs {

Result<void> DeviceSlot::reserve(const BatchWork &work, std::uint64_t count, std::size_t temp_size) {
    const std::size_t stride = round_up(packed_bound(work.algorithm, work.page_size), 16); // more than a page's
    TRY(pinned(count * stride));
    TRY(grow(first_, count * stride));
    TRY(grow(second_, count * stride));
    TRY(grow(temp_, std::max<std::size_t>(temp_size, 1)));
    if (count <= row_count_) return {};
    const std::size_t size = count * kRows * sizeof(std::uint64_t);
    row_count_ = 0;
    tables_.reset();
    PinnedBuffer tables = TRY(PinnedBuffer::create(device_.device(), size));
    tables_.emplace(std::move(tables));
    TRY(grow(device_tables_, size));
    row_count_ = count;
    return {};
}

Result<void> DeviceSlot::grow(std::optional<DeviceBuffer> &buffer, std::size_t size) const {
    if (buffer && buffer->size() >= size) return {};
    buffer.reset(); // first: both may not fit
    DeviceBuffer larger = TRY(DeviceBuffer::create(device_.device(), size));
    buffer.emplace(std::move(larger));
    return {};
}

Result<std::byte *> DeviceSlot::pinned(std::size_t size) {
    if (!pinned_ || pinned_->bytes().size() < size) {
        pinned_.reset();
        PinnedBuffer larger = TRY(PinnedBuffer::create(device_.device(), size));
        pinned_.emplace(std::move(larger));
    }
    return pinned_->bytes().data();
}

Result<void> DeviceSlot::read(CUdeviceptr from, std::size_t size) {
    return waited(queue_out(pinned_->bytes().data(), from, size));
}

Result<void> DeviceSlot::write(CUdeviceptr to, std::size_t size) {
    return waited(queue_in(to, pinned_->bytes().data(), size));
}

std::span<std::uint64_t> DeviceSlot::row(unsigned index) const {
    const std::uint64_t rows = index == kPieces ? kRows - kPieces : 1;
    return {reinterpret_cast<std::uint64_t *>(tables_->bytes().data()) + index * row_count_, rows * row_count_};
}

CUdeviceptr DeviceSlot::device_row(unsigned index) const {
    return device_tables_->address() + index * row_count_ * sizeof(std::uint64_t);
}

Result<void> DeviceSlot::copy_rows_in(unsigned first, unsigned count) {
    return queue_in(device_row(first), reinterpret_cast<const std::byte *>(row(first).data()),
        count * row_count_ * sizeof(std::uint64_t));
}

Result<void> DeviceSlot::move_pieces(CUdeviceptr from, CUdeviceptr to, std::uint64_t count) {
    TRY(copy_rows_in(kPieces, kRows - kPieces));
    return device_.kernels().move(stream_.get(), from, to, device_row(kPieces), count);
}

Result<void> DeviceSlot::queue_in(CUdeviceptr to, const std::byte *from, std::size_t size) {
    return device_.device().check(driver().cuMemcpyHtoDAsync(to, from, size, stream_.get()), "copy to the device");
}

Result<void> DeviceSlot::queue_out(std::byte *to, CUdeviceptr from, std::size_t size) {
    return device_.device().check(driver().cuMemcpyDtoHAsync(to, from, size, stream_.get()), "copy from the device");
}

Result<void> DeviceSlot::wait() {
    return device_.device().check(driver().cuStreamSynchronize(stream_.get()), "wait for the device");
}

Result<void> DeviceSlot::waited(const Result<void> &queued) {
    const Result<void> ended = wait();
    return queued ? ended : queued;
}

} // namespace gmemfs
