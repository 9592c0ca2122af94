// CRC32C on the host: of an image's header and table; the chunks' are made on the device (kernels/crc32c.cuh).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gmemfs {

/// Castagnoli's, as iSCSI and ext4 have it: of "123456789" it is 0xe3069283.
std::uint32_t crc32c(std::span<const std::byte> bytes);

} // namespace gmemfs
