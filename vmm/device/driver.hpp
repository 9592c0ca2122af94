// Driver: the CUDA driver library, opened at run time, or the simulator that stands in for it.
//
// The driver is never linked, so the program starts on a machine without one and says so. The list of functions is
// vmm/device/driver_entries.def; each is found by cuGetProcAddress under its name and version.
#pragma once

#include "vmm/base/result.hpp"
#include "vmm/device/host_kernel.h"

#include <cuda.h>

#include <initializer_list>
#include <memory>
#include <string>

namespace gmemfs {

/// The errno that a CUresult means where the call site doesn't know better (docs/errors.md has the table), and whether
/// the error is sticky: the process's context is lost with it. `code` is 0 for CUDA_SUCCESS alone.
struct DriverErrno {
    int code;
    bool sticky;
};
DriverErrno driver_errno(CUresult result);

/// A loaded driver. Immutable after open(), so every thread may use it. Outlives all that it made. The library stays
/// loaded when the Driver is gone, because a driver's own threads can't be unloaded.
struct Driver {
#define REQUIRED(name, version) decltype(&::name) name = nullptr;
#define OPTIONAL(name, version) decltype(&::name) name = nullptr; // null where the driver is too old
#include "vmm/device/driver_entries.def"
#undef REQUIRED
#undef OPTIONAL
    /// Offers a kernel's host twin to the simulator; null with a real driver.
    gmemfs_offer_host_kernel offer_host_kernel = nullptr;
    int version = 0;     ///< 13000 is CUDA 13.0
    std::string library; ///< as it was given to open()

    /// Loads `library_name` (a soname or a path) and initialises the driver; don't fork afterwards. ENOENT: no such
    /// library. ENOSYS: the driver is too old, or lacks a required function, which the message names. ENODEV: no GPU.
    /// Everything else as docs/errors.md has it for cuInit.
    static Result<std::unique_ptr<Driver>> open(const std::string &library_name);

    /// An errno that this call site knows better than the table.
    struct Errno {
        CUresult result;
        int code;
    };
    /// check(r, "import extent", {{CUDA_ERROR_NOT_SUPPORTED, ESTALE}}): its creator has died.
    Result<void> check(CUresult result, const char *doing, std::initializer_list<Errno> here = {}) const {
        if (result == CUDA_SUCCESS) [[likely]]
            return {};
        return failure(result, doing, here);
    }

    /// Looks up a function outside the list, for tests and peers. Null where the driver lacks it.
    void *find(const char *name, int version_wanted) const;

private:
    Error failure(CUresult result, const char *doing, std::initializer_list<Errno> here) const;
    Result<void> load(void *handle);

    decltype(&::cuGetProcAddress) get_proc_address_ = nullptr;
};

} // namespace gmemfs
