#include "vmm/device/staging.hpp"

namespace gmemfs {

Result<PinnedBuffer> PinnedBuffer::create(Device &device, std::size_t size) {
    TRY(device.make_current());
    void *memory = nullptr;
    // PORTABLE: pinned for every device's context, so that one worker's buffer serves files on all of them.
    TRY(device.check(device.driver().cuMemHostAlloc(&memory, size, CU_MEMHOSTALLOC_PORTABLE), "pin host memory",
        {{CUDA_ERROR_OUT_OF_MEMORY, ENOMEM}}));
    return PinnedBuffer(device, {static_cast<std::byte *>(memory), size});
}

PinnedBuffer::PinnedBuffer(PinnedBuffer &&other) noexcept
    : device_(other.device_), bytes_(std::exchange(other.bytes_, {})) {}

PinnedBuffer::~PinnedBuffer() {
    if (bytes_.empty()) return;
    // Where the context can't be bound now, this thread has it bound already, most likely; and where it is gone, its
    // pinned memory is, too. A call that fails is better than memory that stays locked.
    (void)device_.make_current();
    device_.driver().cuMemFreeHost(bytes_.data());
}

Result<Staging> Staging::create(Device &device, std::size_t chunk_size, std::size_t count) {
    Staging staging(chunk_size);
    for (std::size_t index = 0; index < count; ++index) {
        PinnedBuffer buffer = TRY(PinnedBuffer::create(device, chunk_size));
        staging.slots_.push_back({ std::move(buffer), TRY(Event::create(device)) });
    }
    return staging;
}

} // namespace gmemfs
