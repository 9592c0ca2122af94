// Last error: what the calling thread's last failure was, in a buffer that nothing destroys.
//
// atexit handlers, destructors of static objects and of other thread-locals call the library when this thread's own
// thread-locals have been destroyed: so there is nothing here that has a destructor.
#pragma once

#include "vmm/base/result.hpp"

namespace gmemfs::client {

/// Keeps the error for the calling thread; its errno.
int fail(const Error &error);
/// The same; 0 for success.
int finish(const Result<void> &result);

const char *last_error_text(); ///< "" before the first failure; good until the thread's next call
int last_error_driver();       ///< CUresult

} // namespace gmemfs::client
