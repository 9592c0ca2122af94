// Units: sizes in bytes, rounding, and "1G" to bytes and back.
#pragma once

#include "vmm/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace gmemfs {

inline constexpr std::uint64_t KiB = 1024;
inline constexpr std::uint64_t MiB = 1024 * KiB;
inline constexpr std::uint64_t GiB = 1024 * MiB;
inline constexpr std::uint64_t TiB = 1024 * GiB;

/// The smallest multiple of `unit` that is not less than `size`. The caller has checked that the result doesn't
/// overflow.
constexpr std::uint64_t round_up(std::uint64_t size, std::uint64_t unit) { return (size + unit - 1) / unit * unit; }
constexpr std::uint64_t round_down(std::uint64_t size, std::uint64_t unit) { return size / unit * unit; }

/// "4096", "64K", "1.5G", "2TiB", "1gb": bytes, powers of 1024, fractions rounded down to a byte.
/// EINVAL: not a size, or negative. ERANGE: more than INT64_MAX bytes.
Result<std::uint64_t> parse_size(std::string_view text);

/// "1.5 GiB": three significant digits at the most, for people.
std::string format_size(std::uint64_t bytes);

} // namespace gmemfs
