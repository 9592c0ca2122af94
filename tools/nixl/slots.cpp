#include "tools/nixl/slots.hpp"

#include <sys/mman.h>

namespace gmemfs {

Result<std::unique_ptr<NixlSlots>> NixlSlots::create(NixlAgent &agent, Device *device, NixlSlotShape shape) {
    std::unique_ptr<NixlSlots> slots(new NixlSlots(shape));
    const std::size_t size = shape.size * shape.count;
    if (device != nullptr) {
        slots->pinned_.emplace(TRY(PinnedBuffer::create(*device, size)));
        slots->bytes_ = slots->pinned_->bytes();
    } else {
        void *const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return Error{errno, 0, "make slots", {}};
        slots->plain_ = slots->bytes_ = {static_cast<std::byte *>(memory), size};
    }
    slots->region_.emplace(TRY(agent.add({NixlMemory::host, slots->address(), size, 0})));
    return slots;
}

NixlSlots::~NixlSlots() {
    region_.reset();
    if (!plain_.empty()) ::munmap(plain_.data(), plain_.size());
}

std::span<std::byte> NixlSlots::bytes(std::uint32_t slot, std::uint64_t length) const {
    GMEMFS_ASSERT(slot < shape_.count && length <= shape_.size);
    return bytes_.subspan(slot * shape_.size, length);
}

NixlPiece NixlSlots::piece(std::uint32_t slot, std::uint64_t length) const {
    return {NixlMemory::host, reinterpret_cast<std::uintptr_t>(bytes(slot, length).data()), length, 0};
}

} // namespace gmemfs
