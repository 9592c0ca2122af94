#include "ecc/batch/work.hpp"

#include <array>

namespace gmemfs {

Result<void> BatchWork::check() const {
    constexpr const char *kDoing = "submit batch";
    constexpr std::uint64_t kPagesMax = std::uint64_t{1} << 40; // bytes of pages: no product overflows
    if (algorithm != Algorithm::lz4 && algorithm != Algorithm::zstd)
        return Error{EINVAL, 0, kDoing, "algorithm: GMEMFS_LZ4 or GMEMFS_ZSTD"};
    if (page_size == 0 || page_size > kPageSizeMax)
        return Error{EINVAL, 0, kDoing, "page_size: 1 byte to " + format_size(kPageSizeMax)};
    if (page_count > kPagesMax / page_size) return Error{EINVAL, 0, kDoing, "page_count: 1 TiB of pages at the most"};
    if (page_count == 0) return {};
    if (pages == 0 || packed == nullptr || sizes == nullptr)
        return Error{EINVAL, 0, kDoing, "pages, packed and sizes are needed"};
    if (direction == Direction::unpack && backend == Backend::gpu && checksums == nullptr)
        return Error{
            EINVAL, 0, kDoing, "a GPU decodes only streams whose checksums are known: give them, or take GMEMFS_CPU"};
    return {};
}

const char *name_of(Direction direction) { return direction == Direction::pack ? "pack" : "unpack"; }
const char *name_of(PageMemory memory) { return memory == PageMemory::host ? "host" : "device"; }
const char *name_of(Backend backend) {
    constexpr std::array kNames = {"auto", "cpu", "gpu"};
    return kNames.at(static_cast<std::size_t>(backend));
}
const char *name_of(Choice choice) {
    constexpr std::array kNames = {"named", "only", "model", "measured"};
    return kNames.at(static_cast<std::size_t>(choice));
}

} // namespace gmemfs
