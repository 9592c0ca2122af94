#include "fuse/core/file/file_slices.hpp"

namespace gmemfs {

Result<void> File::read_alive(Copiers &copiers, std::uint64_t offset, std::span<std::byte> to) {
    Windows held;
    const Result<void> queued = for_each_slice(copiers, offset, to.size(), held,
        [&](Slice slice, std::uint64_t done) { return copiers.queue_read(slice, to.data() + done); });
    Result<void> read = copiers.wait_after(queued);
    if (!read && read.error().code == ENOSPC && residence_ == Residence::packed)
        read = read_on_host(copiers.of(home()), offset, to);
    return read;
}

// How many bytes from `offset` on are on devices that live. A packed file is read whole or not at all.
std::uint64_t File::alive_before(std::uint64_t offset, std::uint64_t length) const {
    std::uint64_t alive = 0;
    if (residence_ == Residence::plain)
        (void)extents_.for_each(offset, length, [&](Slice slice, std::uint64_t) -> Result<void> {
            TRY(slice.extent->device().check_alive());
            alive += slice.length;
            return {};
        });
    return alive;
}

} // namespace gmemfs
