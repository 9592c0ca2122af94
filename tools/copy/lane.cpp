#include "tools/copy/lane.hpp"

#include "tools/host/interruption.hpp"
#include "vmm/base/all_bytes.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <utility>

namespace gmemfs {

Result<Lane> Lane::create(Device *device) {
    Lane lane(device);
    if (device != nullptr) {
        TRY(device->make_current());
        lane.stream_.emplace(TRY(Stream::create(*device)));
    }
    return lane;
}

Result<void> Lane::make_buffers() {
    for (Slot &slot : slots_) TRY(make(slot));
    return {};
}

Result<void> Lane::make(Slot &slot) {
    if (slot.pinned || !slot.pageable.empty()) return {};
    if (device_ == nullptr) {
        slot.pageable.resize(kCopyChunk);
        return {};
    }
    slot.done.emplace(TRY(Event::create(*device_)));
    slot.pinned.emplace(TRY(PinnedBuffer::create(*device_, kCopyChunk)));
    return {};
}

Lane::~Lane() { // the engine must be done with the buffers before they go
    if (!stream_ || stream_->get() == nullptr) return;
    (void)device_->make_current(); // a lane that was kept goes in another thread
    (void)device_->check(device_->driver().cuStreamSynchronize(stream_->get()), "end copy");
}

bool Lane::is_idle() const {
    return std::all_of(slots_.begin(), slots_.end(), [](const Slot &slot) { return slot.length == 0; });
}

Result<std::size_t> Lane::copy(CopyEnd source, CopyEnd target, std::uint64_t offset, std::size_t length) {
    Slot &slot = slots_.at(next_++ % kSlots);
    TRY(make(slot));
    TRY(complete(slot, target));
    const std::span<std::byte> bytes = slot.bytes(length);
    slot.offset = offset;
    if (source.is_device()) {
        slot.length = length;
        TRY(queue_read(source.address + offset, bytes));
        TRY(mark(slot));
        return length;
    }
    std::size_t have = 0;
    if (source.direct != nullptr) have = source.direct->read(slot.bytes(kCopyChunk), offset, length);
    have += TRY(read_until_end(source.fd, bytes.subspan(have), offset + have, is_interrupted));
    slot.length = have;
    if (have == 0) return have;
    if (!target.is_device()) {
        TRY(complete(slot, target));
        return have;
    }
    TRY(device_->check(device_->driver().cuMemcpyHtoDAsync(target.address + offset, bytes.data(), have, stream_->get()),
        "copy to device"));
    TRY(mark(slot));
    return have;
}

Result<void> Lane::finish(CopyEnd target) {
    for (std::size_t index = 0; index < kSlots; ++index) TRY(complete(slots_.at(next_++ % kSlots), target));
    return {};
}

Result<void> Lane::read(int fd, std::uint64_t offset, std::size_t length, const TakeBytes &take) {
    TRY(make(slots_.front()));
    const std::span<std::byte> bytes = slots_.front().bytes(length);
    TRY(read_all(fd, bytes, offset, is_interrupted));
    return take(offset, bytes);
}

Result<void> Lane::compare(CopyEnd left, CopyEnd right, std::uint64_t offset, std::size_t length) {
    TRY(make_buffers());
    const std::span<std::byte> one = slots_.front().bytes(length);
    const std::span<std::byte> two = slots_.back().bytes(length);
    TRY(fetch(left, offset, one));
    TRY(fetch(right, offset, two));
    const auto [at, same] = std::mismatch(one.begin(), one.end(), two.begin());
    if (at == one.end()) return {};
    return Error{EBADMSG, 0, "verify", "byte " + std::to_string(offset + std::uint64_t(at - one.begin())) + " differs"};
}

Result<void> Lane::queue_read(CUdeviceptr from, std::span<std::byte> to) {
    return device_->check(
        device_->driver().cuMemcpyDtoHAsync(to.data(), from, to.size(), stream_->get()), "copy from device");
}

Result<void> Lane::mark(Slot &slot) {
    return device_->check(device_->driver().cuEventRecord(slot.done->get(), stream_->get()), "mark chunk");
}

// Ends what is under way in the slot; on the way out its bytes go to the host file now.
Result<void> Lane::complete(Slot &slot, CopyEnd target) {
    if (slot.length == 0) return {};
    const std::size_t length = std::exchange(slot.length, 0);
    if (device_ != nullptr)
        TRY(device_->check(device_->driver().cuEventSynchronize(slot.done->get()), "wait for chunk"));
    if (target.is_device()) return {};
    const std::span<const std::byte> bytes = slot.bytes(length);
    if (target.mapped == nullptr) return write_all(target.fd, bytes, slot.offset, is_interrupted);
    // By one call instead of a fault a page; what a fault would answer with SIGBUS is EFAULT.
    if (target.is_lazy && ::madvise(target.mapped + slot.offset, length, MADV_POPULATE_WRITE) != 0)
        return Error{errno == EFAULT ? ENOSPC : errno, 0, "allocate room in the target"};
    std::memcpy(target.mapped + slot.offset, bytes.data(), bytes.size());
    return {};
}

Result<void> Lane::fetch(CopyEnd end, std::uint64_t offset, std::span<std::byte> to) {
    if (!end.is_device()) return read_all(end.fd, to, offset, is_interrupted);
    TRY(queue_read(end.address + offset, to));
    return device_->check(device_->driver().cuStreamSynchronize(stream_->get()), "wait for chunk");
}

} // namespace gmemfs
