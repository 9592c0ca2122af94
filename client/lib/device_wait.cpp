#include "client/lib/device_wait.hpp"

#include "vmm/base/lock.hpp"

#include <algorithm>
#include <set>

namespace gmemfs::client {
namespace {

// Of a context that is gone, or a driver at the end of the process: nothing runs there any more.
bool is_gone(CUresult result) {
    return result == CUDA_ERROR_INVALID_CONTEXT || result == CUDA_ERROR_CONTEXT_IS_DESTROYED ||
           result == CUDA_ERROR_DEINITIALIZED || result == CUDA_ERROR_NOT_INITIALIZED;
}

struct Anchored {
    Mutex mutex;
    std::set<CUcontext> contexts GUARDED_BY(mutex);
};

// A byte of each context stays allocated, so that the driver keeps what it cuts such small pieces from: the pair below
// takes 3 us then, and 59 without (H200, where nothing runs). It goes with its context, 2 MiB of the device at the
// most.
void anchor(const Driver &driver, CUcontext context) {
    static auto *const anchored = new Anchored; // never destroyed: static objects and threads unmap when main has ended
    const Hold hold(anchored->mutex);
    CUdeviceptr kept = 0;
    if (anchored->contexts.insert(context).second) (void)driver.cuMemAlloc(&kept, 1); // a full device does without
}

CUresult wait_for_current(const Driver &driver, CUcontext context) {
    anchor(driver, context);
    CUdeviceptr token = 0;
    if (driver.cuMemAlloc(&token, 1) == CUDA_SUCCESS) return driver.cuMemFree(token);
    void *page = nullptr; // the device is full, or the context is lost, which this one tells
    const CUresult made = driver.cuMemHostAlloc(&page, 1, 0);
    return made == CUDA_SUCCESS ? driver.cuMemFreeHost(page) : made;
}

CUresult wait_for(const Driver &driver, CUcontext context) {
    if (const CUresult pushed = driver.cuCtxPushCurrent(context); pushed != CUDA_SUCCESS) return pushed;
    const CUresult result = wait_for_current(driver, context);
    CUcontext popped = nullptr;
    driver.cuCtxPopCurrent(&popped);
    return result;
}

CUcontext current_context(const Driver &driver) {
    CUcontext context = nullptr;
    return driver.cuCtxGetCurrent(&context) == CUDA_SUCCESS ? context : nullptr;
}

} // namespace

Result<void> wait_for_context(const Driver &driver, CUcontext context) {
    const CUresult result = wait_for(driver, context);
    return driver.check(is_gone(result) ? CUDA_SUCCESS : result, "wait for the device");
}

Result<void> wait_for_devices(const Driver &driver, const std::vector<CUdevice> &devices) {
    std::vector<CUcontext> waited;
    CUresult first = CUDA_SUCCESS;
    const auto wait_once = [&](CUcontext context) {
        if (context == nullptr || std::find(waited.begin(), waited.end(), context) != waited.end()) return;
        waited.push_back(context);
        const CUresult result = wait_for(driver, context);
        if (first == CUDA_SUCCESS && !is_gone(result)) first = result;
    };
    for (const CUdevice device : devices) {
        unsigned flags = 0;
        int is_active = 0; // one that isn't there is never made: it would take half a GiB of the device
        CUcontext primary = nullptr;
        if (driver.cuDevicePrimaryCtxGetState(device, &flags, &is_active) != CUDA_SUCCESS || is_active == 0 ||
            driver.cuDevicePrimaryCtxRetain(&primary, device) != CUDA_SUCCESS)
            continue;
        wait_once(primary);
        driver.cuDevicePrimaryCtxRelease(device);
    }
    wait_once(current_context(driver));
    return driver.check(first, "wait for the device");
}

} // namespace gmemfs::client
