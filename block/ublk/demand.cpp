#include "block/ublk/demand.hpp"

#include <cerrno>

namespace gmemfs::block::ublk {
namespace {

// Null: no bytes of the disk, or none that is known here.
const Request::Kind *kind_of(Operation operation) {
    static constexpr Request::Kind kRead = Request::Kind::read, kWrite = Request::Kind::write,
                                   kZero = Request::Kind::zero;
    switch (operation) {
    case Operation::read: return &kRead;
    case Operation::write: return &kWrite;
    case Operation::discard:
    case Operation::write_zeroes: return &kZero;
    case Operation::flush: break;
    }
    return nullptr;
}

} // namespace

Demand read_descriptor(const Descriptor &descriptor, std::byte *bytes, const Limits &limits) {
    const auto operation = static_cast<Operation>(descriptor.operation_and_flags & 0xff);
    if (operation == Operation::flush) return {{}, 0}; // nothing is kept anywhere else
    const Request::Kind *const kind = kind_of(operation);
    if (kind == nullptr) return {{}, EOPNOTSUPP};
    const std::uint64_t length = std::uint64_t(descriptor.sectors) * kSector;
    if (descriptor.first_sector > limits.size / kSector) return {{}, EINVAL};
    const std::uint64_t offset = descriptor.first_sector * kSector;
    if (length > limits.size - offset) return {{}, EINVAL};
    if (offset % limits.alignment != 0 || length % limits.alignment != 0) return {{}, EINVAL};
    const bool has_bytes = *kind != Request::Kind::zero;
    if (has_bytes && length > limits.io_size) return {{}, EINVAL};
    return {Request{*kind, offset, length, has_bytes ? bytes : nullptr, 0}, 0};
}

} // namespace gmemfs::block::ublk
