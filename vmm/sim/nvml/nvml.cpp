// NVML of the simulator: devices, their memory, and what each process is charged, from the machine's table.
//
// A process is charged for the memory that it has made and still holds, as far as is known of a card. Contexts take
// none here (docs/simulator.md). GMEMFS_SIM_MACHINE says which machine; one that nobody uses has the usual device.
#include "vmm/device/nvml.h"
#include "vmm/sim/machine.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

using namespace gmemfs::sim;

namespace {

std::mutex g_mutex;
Machine *g_machine = nullptr; // null: not initialised, or shut down

Machine *machine() {
    const std::lock_guard<std::mutex> hold(g_mutex);
    return g_machine;
}

// A handle is the index, from 1.
bool find(nvmlDevice_t device, std::uint32_t &index) {
    const auto number = reinterpret_cast<std::uintptr_t>(device);
    if (machine() == nullptr || number == 0 || number > machine()->sizes().size()) return false;
    index = static_cast<std::uint32_t>(number - 1);
    return true;
}

nvmlReturn_t not_found() { return machine() == nullptr ? GMEMFS_NVML_UNINITIALIZED : GMEMFS_NVML_INVALID_ARGUMENT; }

} // namespace

extern "C" {

nvmlReturn_t nvmlInit_v2() {
    const std::lock_guard<std::mutex> hold(g_mutex);
    if (g_machine != nullptr) return GMEMFS_NVML_SUCCESS;
    const char *const name = std::getenv("GMEMFS_SIM_MACHINE");
    static const bool will_leave = std::atexit(Machine::leave_all) == 0;
    g_machine = will_leave ? Machine::attach(name == nullptr ? "default" : name, {}) : nullptr;
    return g_machine != nullptr ? GMEMFS_NVML_SUCCESS : GMEMFS_NVML_UNINITIALIZED;
}

nvmlReturn_t nvmlShutdown() {
    const std::lock_guard<std::mutex> hold(g_mutex);
    g_machine = nullptr;
    return GMEMFS_NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count) {
    if (machine() == nullptr || count == nullptr) return not_found();
    *count = static_cast<unsigned>(machine()->sizes().size());
    return GMEMFS_NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device) {
    if (machine() == nullptr || device == nullptr || index >= machine()->sizes().size()) return not_found();
    *device = reinterpret_cast<nvmlDevice_t>(std::uintptr_t(index) + 1); // NOLINT(performance-no-int-to-ptr)
    return GMEMFS_NVML_SUCCESS;
}

// As cuDeviceGetUuid has it: "GMEMFS-SIM", zeros, and the index.
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length) {
    std::uint32_t index = 0;
    if (!find(device, index) || uuid == nullptr) return not_found();
    const int size = std::snprintf(uuid, length, "GPU-474d454d-4653-2d53-494d-0000000000%02x", index);
    return size < static_cast<int>(length) ? GMEMFS_NVML_SUCCESS : GMEMFS_NVML_INSUFFICIENT_SIZE;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
    std::uint32_t index = 0;
    if (!find(device, index) || memory == nullptr) return not_found();
    memory->total = machine()->sizes()[index];
    memory->used = std::min<unsigned long long>(machine()->used(index), memory->total);
    memory->free = memory->total - memory->used;
    return GMEMFS_NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory) {
    if (memory == nullptr) return GMEMFS_NVML_INVALID_ARGUMENT;
    if (memory->version != GMEMFS_NVML_MEMORY_2) return GMEMFS_NVML_MISMATCH;
    nvmlMemory_t plain = {};
    const nvmlReturn_t result = nvmlDeviceGetMemoryInfo(device, &plain);
    if (result != GMEMFS_NVML_SUCCESS) return result;
    memory->total = plain.total;
    memory->reserved = 0;
    memory->free = plain.free;
    memory->used = plain.used;
    return GMEMFS_NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(
    nvmlDevice_t device, unsigned *count, nvmlProcessInfo_t *processes) {
    std::uint32_t index = 0;
    if (!find(device, index) || count == nullptr) return not_found();
    const std::map<pid_t, std::uint64_t> charged = machine()->charges(index);
    const unsigned room = *count;
    *count = static_cast<unsigned>(charged.size());
    if (room < charged.size()) return GMEMFS_NVML_INSUFFICIENT_SIZE;
    for (const auto &[pid, bytes] : charged) *processes++ = {static_cast<unsigned>(pid), bytes, ~0U, ~0U};
    return GMEMFS_NVML_SUCCESS;
}

} // extern "C"
