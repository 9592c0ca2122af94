// DriverApi: the raw functions of the driver under test, opened at run time; no layer of gmemfs between.
#pragma once

#include "vmm/device/copy_batch.h"
#include "vmm/device/host_kernel.h"

#include <cuda.h>

#include <ostream>
#include <string>

namespace gmemfs::conformance {

/// Immutable once loaded. A function that the driver lacks is null.
struct DriverApi {
#define REQUIRED(name, version) decltype(&::name) name = nullptr;
#define OPTIONAL(name, version) decltype(&::name) name = nullptr;
#define ALSO(name, version) decltype(&::name) name = nullptr;
#include "tests/conformance/more_entries.def"
#include "vmm/device/driver_entries.def"
#undef REQUIRED
#undef OPTIONAL
#undef ALSO
    gmemfs_copy_batch copy_batch = nullptr;
    decltype(&::cuGetProcAddress) get_proc_address = nullptr;
    std::string library;

    // The simulator's own; null on a card.
    int (*set_faults)(const char *plan) = nullptr;
    unsigned long (*call_count)() = nullptr;
    gmemfs_offer_host_kernel offer_host_kernel = nullptr;
    bool is_simulator() const { return set_faults != nullptr; }
};

/// Loads the library and looks its functions up, without cuInit. False, with one line on standard error, where it can't
/// be.
bool load_driver(const std::string &library);
const DriverApi &driver();

/// "CUDA_ERROR_INVALID_VALUE (1)".
std::string name_of(CUresult result);

} // namespace gmemfs::conformance

/// How GoogleTest shows what a driver answered: found by argument-dependent look-up, hence the global namespace.
void PrintTo(CUresult result, std::ostream *stream); // NOLINT(readability-identifier-naming)
