#include "block/ublk/demand.hpp"

#include <cerrno>

namespace gmemfs::block::ublk {
namespace {

// Nothing: no bytes of the disk, or none that is known here.
std::optional<Request::Kind> kind_of(std::uint32_t operation_and_flags) {
    switch (static_cast<Operation>(operation_and_flags & 0xff)) {
    case Operation::read: return Request::Kind::read;
    case Operation::write: return Request::Kind::write;
    case Operation::discard: return Request::Kind::discard;
    case Operation::write_zeroes:
        return (operation_and_flags & kNoUnmap) != 0 ? Request::Kind::zero : Request::Kind::discard;
    case Operation::flush: break;
    }
    return {};
}

} // namespace

Demand read_descriptor(const Descriptor &descriptor, std::byte *bytes, const Limits &limits) {
    const auto operation = static_cast<Operation>(descriptor.operation_and_flags & 0xff);
    if (operation == Operation::flush) return {{}, 0}; // nothing is kept anywhere else
    const std::optional<Request::Kind> kind = kind_of(descriptor.operation_and_flags);
    if (!kind) return {{}, EOPNOTSUPP};
    const std::uint64_t length = std::uint64_t(descriptor.sectors) * kSector;
    if (descriptor.first_sector > limits.size / kSector) return {{}, EINVAL};
    const std::uint64_t offset = descriptor.first_sector * kSector;
    if (length > limits.size - offset) return {{}, EINVAL};
    if (offset % limits.alignment != 0 || length % limits.alignment != 0) return {{}, EINVAL};
    if (has_bytes(*kind) && length > limits.io_size) return {{}, EINVAL};
    return {Request{*kind, offset, length, has_bytes(*kind) ? bytes : nullptr, 0}, 0};
}

} // namespace gmemfs::block::ublk
