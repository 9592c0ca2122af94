// SideBySide: the same work on several threads, until all are done or one fails.
//
// A FUSE mount answers one 1 MiB request of a thread at a time; 8 threads read eight times what one does.
#pragma once

#include "tools/host/progress.hpp"

#include "vmm/base/fd.hpp"

#include <atomic>
#include <functional>
#include <span>

namespace gmemfs {

/// Threads of save and restore where the user names no number, and the most.
inline constexpr unsigned kThreadsDefault = 8;
inline constexpr unsigned kThreadsMost = 64;
/// What --threads says, at most kThreadsMost; `otherwise` where it says nothing (null). EINVAL: no number from 1.
Result<unsigned> parse_threads(const char *text, unsigned otherwise);

/// `must_end` says that another one has failed: return at once, with anything. The first error is returned; EINTR: the
/// user has interrupted it.
using SideWork = std::function<Result<void>(const std::function<bool()> &must_end)>;
Result<void> run_side_by_side(unsigned threads, const SideWork &work);

/// As many of `bytes` as the file has at `offset`, in requests of 1 MiB. `name` is for messages. pread(2)'s errors.
Result<std::size_t> read_until_end(int fd, std::span<std::byte> bytes, std::uint64_t offset, const std::string &name);
/// All of `bytes`, in requests of 1 MiB. `name` is for messages. EIO: the file is shorter. Else pread(2)'s,
/// pwrite(2)'s.
Result<void> read_all(int fd, std::span<std::byte> bytes, std::uint64_t offset, const std::string &name);
Result<void> write_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset, const std::string &name);

} // namespace gmemfs
