// Python: capsules for the Python package, whose destructors are C, and the interpreter's functions that those need.
//
// libgmemfs isn't linked to Python: the package hands over the few functions of the C API that are called here.
#pragma once

#include "client/lib/gmemfs.h"

#include <atomic>

namespace gmemfs::client {

/// What gmemfs_use_python has set; null before. Thread-safe.
const gmemfs_python *python();

/// Lets Python's lock go for as long as it lives, where this thread has it; does nothing where Python has ended, or was
/// never there. What waits for a device or a server must not keep the lock: the device may wait for a Python function.
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
