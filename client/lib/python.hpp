// Python: the functions of Python's C API that capsules' destructors need, and Python's lock.
//
// libgmemfs isn't linked to Python. The Python package hands over the few functions of the C API that are called here.
#pragma once

#include "client/lib/gmemfs.h"

#include <atomic>

namespace gmemfs::client {

/// The functions that gmemfs_use_python has set; null before. Thread-safe.
const gmemfs_python *python();

/// Releases Python's lock for as long as this object lives, where this thread has it. Does nothing where Python has
/// ended, or was never there. Code that waits for a device or a server must not keep the lock, because the device may
/// wait for a Python function.
class PythonUnlocked {
public:
    PythonUnlocked();
    ~PythonUnlocked();
    PythonUnlocked(const PythonUnlocked &) = delete;
    PythonUnlocked &operator=(const PythonUnlocked &) = delete;

private:
    void *state_ = nullptr;
};

template <typename Call>
void without_python_lock(const Call &call) {
    const PythonUnlocked unlocked;
    call();
}

} // namespace gmemfs::client
