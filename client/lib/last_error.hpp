// Last error: keeps the calling thread's last failure in a buffer that nothing destroys.
//
// atexit handlers, and destructors of static objects and of other thread-locals, may call the library after this
// thread's thread-locals have been destroyed. So nothing here has a destructor.
#pragma once

#include "vmm/base/result.hpp"

namespace gmemfs::client {

/// Keeps the error for the calling thread, and returns its errno.
int fail(const Error &error);
/// The same; 0 for success.
int finish(const Result<void> &result);

const char *last_error_text(); ///< "" before the first failure; good until the thread's next call
int last_error_driver();       ///< CUresult

} // namespace gmemfs::client
