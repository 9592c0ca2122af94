// Gate: holds a stream of the simulator back until it is opened, so that what is queued behind it surely hasn't run.
#pragma once

#include <cuda.h>

namespace gmemfs::conformance {

/// A kernel on the stream that waits for open(). One at a time in a process; for the simulator only.
class Gate {
public:
    explicit Gate(CUstream stream);
    ~Gate() { open(); }
    Gate(const Gate &) = delete;
    Gate &operator=(const Gate &) = delete;
    void open();
};

} // namespace gmemfs::conformance
