// Lockdown: keeps a process that serves a block device out of the way of what it serves.
//
// A process that writes swap out mustn't wait for memory, because that may wait for the process. So its memory is
// locked, the kernel knows it as an I/O flusher, which doesn't reclaim by I/O, and it isn't killed for memory. What the
// kernel itself needs for it, a socket's buffer say, real-time threads may take from a reserve that is kept from
// others: without that, swap over nbd stood still under pressure whatever vm.min_free_kbytes was (Linux 6.1, 6.12).
#pragma once

#include "block/process/setup.hpp"

namespace gmemfs::block {

/// Before threads and large blocks of memory are made: one arena, which never gives memory back.
void prepare_memory();
/// What is in memory now stays there, and what comes later stays once it was touched. By the main thread, last.
/// Locking::required: EPERM and ENOMEM say which right is missing.
Result<void> lock_memory(Locking locking);
/// Of the calling thread. A real-time thread only of a disk that swap may lie on.
Result<void> become_io_flusher(Locking locking);
/// Touches so much of the calling thread's stack as it will need.
void touch_stack();

} // namespace gmemfs::block
