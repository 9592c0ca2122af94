// SideBySide: runs the same work on several threads, until all are done or one fails.
//
// A thread has one request of 1 MiB at a FUSE mount at a time, so 8 threads read eight times what one does.
#pragma once

#include "tools/host/interruption.hpp"
#include "vmm/base/result.hpp"

#include <atomic>
#include <functional>
#include <span>

namespace gmemfs {

/// How many threads save and restore use where the user names no number, and the most that a user may name.
inline constexpr unsigned kThreadsDefault = 8;
inline constexpr unsigned kThreadsMost = 64;
/// The value of --threads, kThreadsMost at the most; `otherwise` where `text` is null. EINVAL: `text` is no number from
/// 1 on.
Result<unsigned> parse_threads(const char *text, unsigned otherwise);

/// Runs `work` on `threads` threads. Where `must_end` returns true another thread has failed: return at once, with any
/// Result. The first error is returned. EINTR: the user has interrupted.
using SideWork = std::function<Result<void>(const std::function<bool()> &must_end)>;
Result<void> run_side_by_side(unsigned threads, const SideWork &work);

} // namespace gmemfs
