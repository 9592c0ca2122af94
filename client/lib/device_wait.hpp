// Device wait: waits for all work that may use a mapping, without disturbing any thread's graph capture.
//
// cuCtxSynchronize ends every thread's capture in its context badly, in relaxed mode, too. Allocating and freeing a
// byte waits for the context as well, but in relaxed mode leaves captures alone. That takes 3 us where nothing runs.
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

/// Waits for those primary contexts of `devices` that exist, and for the calling thread's current context. Other
/// contexts can't be enumerated. A context isn't remembered from when the memory was mapped, because the driver
/// corrupts the heap when a context that was destroyed meanwhile is made current (H200, driver 580). Makes no context,
/// and leaves the current one current. Returns the first error (a kernel has faulted, say) after all contexts have been
/// waited for. Thread-safe.
Result<void> wait_for_devices(const Driver &driver, const std::vector<CUdevice> &devices);

/// Waits for all work in one context, which lives until this returns. The caller has a RelaxedCapture. Thread-safe.
Result<void> wait_for_context(const Driver &driver, CUcontext context);

} // namespace gmemfs::client
