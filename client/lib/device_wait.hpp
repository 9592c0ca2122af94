// Device wait: all work that may use a mapping has ended, and no thread's graph capture has been disturbed.
//
// cuCtxSynchronize ends any capture in its context badly, whoever's it is, in relaxed mode, too. Allocating and freeing
// a byte waits for the context as well, and in relaxed mode leaves captures alone; it takes 3 us where nothing runs.
// Neither waits for another context of the device (H200, driver 580; tests/conformance/wait_test.cpp).
#pragma once

#include "vmm/device/driver.hpp"

#include <vector>

namespace gmemfs::client {

/// While it lives, what this thread calls doesn't disturb graph captures, its own included. Not thread-safe.
class RelaxedCapture {
public:
    explicit RelaxedCapture(const Driver &driver) : driver_(driver) {
        driver_.cuThreadExchangeStreamCaptureMode(&mode_);
    }
    ~RelaxedCapture() { driver_.cuThreadExchangeStreamCaptureMode(&mode_); }
    RelaxedCapture(const RelaxedCapture &) = delete;
    RelaxedCapture &operator=(const RelaxedCapture &) = delete;

private:
    const Driver &driver_;
    CUstreamCaptureMode mode_ = CU_STREAM_CAPTURE_MODE_RELAXED; // then what was before
};

/// Waits for the primary contexts of `devices` that are there, and for the calling thread's current context. Others
/// can't be enumerated; nor is one remembered from when the memory was mapped, because the driver corrupts the heap
/// when a context is made current that has been destroyed meanwhile (H200, driver 580). Makes none, and changes no
/// current one. An error (a kernel has faulted, say) is the first of them, and comes after all have been waited for.
/// Thread-safe.
Result<void> wait_for_devices(const Driver &driver, const std::vector<CUdevice> &devices);

} // namespace gmemfs::client
