// AllBytes: reads and writes that go on until all bytes have come or gone, however many calls that takes.
#pragma once

#include "vmm/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace gmemfs {

/// Asked when a signal has interrupted a call: true ends the whole with EINTR, false has the call made again.
using MustEnd = bool (*)();
constexpr bool never() { return false; }

/// How many of `bytes` there were before the end of the file. The errors are the system call's, without a name.
Result<std::size_t> read_until_end(int fd, std::span<std::byte> bytes, std::uint64_t offset, MustEnd must_end);
/// EIO: the file is shorter.
Result<void> read_all(int fd, std::span<std::byte> bytes, std::uint64_t offset, MustEnd must_end);
Result<void> write_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset, MustEnd must_end);
/// The same from where the descriptor stands: of a pipe, say.
Result<std::size_t> read_until_end(int fd, std::span<std::byte> bytes, MustEnd must_end);
Result<void> write_all(int fd, std::span<const std::byte> bytes, MustEnd must_end);

} // namespace gmemfs
