#include "ecc/batch/streams.hpp"

#include "ecc/pack/crc32c.hpp"

#include <algorithm>
#include <cstring>

namespace gmemfs {
namespace {

constexpr std::size_t kPartSize = 128 * KiB; // 0.2 ms of LZ4 a thread; to wake one takes some 10 us

} // namespace

Result<void> Hands::each_part(std::uint64_t count, std::size_t page_size, const Processors::Work &work) const {
    return processors.run(own, count, std::max<std::uint64_t>(1, kPartSize / page_size), work);
}

Result<void> PackedStreams::append(const Hands &hands, const std::byte *from, std::span<const std::uint64_t> offsets) {
    first_ = next_;
    starts_.assign(1, end_);
    for (std::uint64_t index = 0; index < offsets.size(); ++index) {
        end_ += work_.sizes[first_ + index];
        starts_.push_back(end_);
    }
    next_ += offsets.size();
    if (end_ > work_.packed_size)
        return Error{ENOBUFS, 0, "pack batch",
            "packed_size has no room for page " + std::to_string(next_ - 1) +
                "'s stream: gmemfs_get_packed_bound() tells what is always enough"};
    return hands.each_part(
        offsets.size(), work_.page_size, [&](PageCodec &, std::uint64_t begin, std::uint64_t count) -> Result<void> {
            for (std::uint64_t index = begin; index < begin + count; ++index) {
                const std::span<const std::byte> written = stream(index);
                std::memcpy(work_.packed + starts_[index], from + offsets[index], written.size());
                if (work_.checksums != nullptr) work_.checksums[first_ + index] = crc32c(written);
            }
            return {};
        });
}

Result<void> PackedStreams::open_piece(std::uint64_t count) {
    const std::size_t bound = packed_bound(work_.algorithm, work_.page_size);
    first_ = next_;
    next_ += count;
    starts_.assign(1, end_);
    for (std::uint64_t index = 0; index < count; ++index) {
        const std::uint32_t size = work_.sizes[first_ + index];
        if (size == 0 || size > bound)
            return about_page(
                index, Error{EBADMSG, 0, "unpack batch", "no stream has " + std::to_string(size) + " bytes"});
        end_ += size;
        starts_.push_back(end_);
        if (end_ > work_.packed_size)
            return about_page(index, Error{ENOBUFS, 0, "unpack batch", "its stream lies beyond packed_size"});
    }
    return {};
}

Result<void> PackedStreams::check(std::uint64_t index, std::span<const std::byte> copy) const {
    if (work_.checksums == nullptr || crc32c(copy) == work_.checksums[first_ + index]) return {};
    return about_page(index, Error{EBADMSG, 0, "unpack batch", "its stream has another checksum"});
}

Error PackedStreams::about_page(std::uint64_t index, Error error) const {
    return about("page " + std::to_string(first_ + index), std::move(error));
}

} // namespace gmemfs
