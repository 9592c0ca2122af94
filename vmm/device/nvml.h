// NVML: the few functions of NVIDIA's management library (libnvidia-ml.so.1) that gmemfs calls, or answers itself.
//
// Toolkits don't all have <nvml.h>, so what is needed stands here, as NVML 12 documents it. The library is opened at
// run time.
#pragma once

#include <cstddef>

extern "C" {

struct nvmlDevice_st;                        // NOLINT(readability-identifier-naming): NVML's names, as all here
using nvmlDevice_t = struct nvmlDevice_st *; // NOLINT
using nvmlReturn_t = int;                    // NOLINT

struct nvmlMemory_t { // NOLINT
    unsigned long long total, free, used;
};
struct nvmlMemory_v2_t { // NOLINT
    unsigned version;    // GMEMFS_NVML_MEMORY_2
    unsigned long long total, reserved, free, used;
};
struct nvmlProcessInfo_t { // NOLINT: of _v3
    unsigned pid;
    unsigned long long usedGpuMemory; // GMEMFS_NVML_UNKNOWN: not told
    unsigned gpuInstanceId, computeInstanceId;
};

nvmlReturn_t nvmlInit_v2();
nvmlReturn_t nvmlShutdown();
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count);
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device);
/// "GPU-12345678-1234-1234-1234-123456789abc", and a zero.
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length);
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory);
nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory);
/// `count`: of what `processes` has room for; then how many there are.
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(
    nvmlDevice_t device, unsigned *count, nvmlProcessInfo_t *processes);

} // extern "C"

inline constexpr unsigned GMEMFS_NVML_MEMORY_2 = sizeof(nvmlMemory_v2_t) | 2U << 24; // NOLINT
inline constexpr unsigned long long GMEMFS_NVML_UNKNOWN = ~0ULL;                     // NOLINT
inline constexpr nvmlReturn_t GMEMFS_NVML_SUCCESS = 0;                               // NOLINT
inline constexpr nvmlReturn_t GMEMFS_NVML_UNINITIALIZED = 1;                         // NOLINT
inline constexpr nvmlReturn_t GMEMFS_NVML_INVALID_ARGUMENT = 2;                      // NOLINT
inline constexpr nvmlReturn_t GMEMFS_NVML_INSUFFICIENT_SIZE = 7;                     // NOLINT
inline constexpr nvmlReturn_t GMEMFS_NVML_MISMATCH = 25;                             // NOLINT
