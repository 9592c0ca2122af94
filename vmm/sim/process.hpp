// Process: what one process knows of the simulated driver: contexts, handles, address ranges, faults.
#pragma once

#include "vmm/device/host_kernel.h"
#include "vmm/sim/machine.hpp"

#include <cuda.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <fcntl.h>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gmemfs::sim {

inline constexpr std::uint64_t kGranularity = std::uint64_t(2) << 20; // as on an H200, driver 580
/// Device addresses carry this bit, which no address of the host has: a host that follows one faults, as on a card.
/// Addresses of host memory carry it as well, because cuMemAddressReserve doesn't know what will be mapped: a processor
/// comes to host memory by HOST_POINTER, the one case of "disjoint addressing" that <cuda.h> speaks of. On a card both
/// are one number.
inline constexpr CUdeviceptr kTag = CUdeviceptr(1) << 62;

/// CU_MEM_HANDLE_TYPE_FABRIC came with it; an older driver takes the value for a wrong one.
inline constexpr int kFabricVersion = 12030;
inline constexpr int kHostNumaVersion = 12020; ///< the same of CU_MEM_LOCATION_TYPE_HOST_NUMA
/// An importer must not be made to touch pages that are gone: no memfd of ours can be cut, and only such are imported.
inline constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

/// One memfd that this process holds, by a handle or a mapping. The machine's table counts it as held.
struct Memory {
    Memory(Machine *its_machine, int its_fd) : machine(its_machine), fd(its_fd) {}
    ~Memory();
    Memory(const Memory &) = delete;
    Memory &operator=(const Memory &) = delete;

    Machine *const machine;
    int fd; // -1 for an import that is mapped and has no handle any more: a card keeps no descriptor either
    std::uint64_t id = 0; // 0: the table doesn't count it
    std::uint64_t size = 0, nonce = 0;
    std::uint32_t device = 0; // or kHost
    unsigned handle_types = 0;
    unsigned handle_count = 0; // under the process's mutex
    bool is_imported = false;  // and so can't be exported again: INVALID_VALUE (H200, driver 580)

    bool is_host() const { return device == kHost; }
};

/// A context; work on it fails for ever once `failed` is set. Never freed: its streams' threads may still look at it.
struct Context {
    std::uint32_t device;
    std::atomic<int> failed = CUDA_SUCCESS;
    /// Bytes, as a driver begins with: the stack of each of a kernel's threads, its printf's ring, its malloc's heap.
    std::atomic<std::size_t> stack = 1024, printf_ring = std::size_t(1) << 20, heap = std::size_t(8) << 20;
    std::atomic<unsigned> retain_count = 0; ///< 0: destroyed, or a primary context that nobody has retained
};

struct Mapping {
    std::shared_ptr<Memory> memory;
    std::uint64_t size;
    std::array<std::uint8_t, kDevicesMax> access; // PROT_ bits that each device has
    std::uint64_t host_view; // where processors reach host memory, with the access that they have; 0 of device memory
    bool has_host_access = false; // that processors have any
};

struct Reservation {
    std::uint64_t size;
    std::uint64_t host_view; // as large, of the host memory in it at the same offsets; 0 until some has been mapped
};

/// What cuIpcOpenMemHandle has mapped.
struct LegacyImport {
    std::uint64_t size;
    std::array<unsigned char, sizeof(CUipcMemHandle)> handle;
    unsigned count; // how often it must be closed
};

/// A shared mutex that lets no reader past a waiting writer: streams that copy all the time would starve cuMemUnmap.
class UseLock {
public:
    void lock() {
        turnstile_.lock();
        inner_.lock();
    }
    void unlock() {
        inner_.unlock();
        turnstile_.unlock();
    }
    void lock_shared() {
        const std::lock_guard<std::mutex> hold(turnstile_);
        inner_.lock_shared();
    }
    void unlock_shared() { inner_.unlock_shared(); }

private:
    std::mutex turnstile_;
    std::shared_mutex inner_;
};

/// Which devices reach each other's memory; both ways.
struct Links {
    bool is_all = true;
    std::set<std::pair<std::uint32_t, std::uint32_t>> pairs; ///< the smaller number first; where it isn't all
    bool has(std::uint32_t one, std::uint32_t other) const {
        return one != other && (is_all || pairs.contains(std::minmax(one, other)));
    }
};

/// Everything is under `mutex` but what says otherwise. One a process, made by cuInit and never destroyed: streams'
/// threads outlive main.
struct Process {
    pid_t pid;
    Machine *machine;
    std::vector<std::uint64_t> device_sizes; // constant
    bool has_imex;                           // constant
    Links links;                             // constant
    std::vector<int> nodes;                  // constant: each device's NUMA node; -1: none is told
    bool is_resident;                        // constant: devices' memory and pinned memory are never swapped out
    int version;                             // constant

    std::mutex mutex;
    std::unordered_map<CUmemGenericAllocationHandle, std::shared_ptr<Memory>> handles;
    CUmemGenericAllocationHandle next_handle = 0x1000;
    std::map<std::uint64_t, Reservation> reservations;                // by host address
    std::map<std::uint64_t, Mapping> mappings;                        // by host address
    std::unordered_map<CUdeviceptr, std::uint64_t> plain_allocations; // cuMemAlloc: device address to size
    std::map<CUdeviceptr, LegacyImport> legacy_imports;               // by device address
    std::map<std::uint64_t, std::uint32_t> own_pools;                 // cuMemPoolCreate: to the device
    std::map<std::uint32_t, std::set<std::uint32_t>> peer_users;      // of a device's plain memory: which others may
    std::map<std::uint64_t, std::uint64_t> pinned; // cuMemHostAlloc, cuMemHostRegister: host address to size
    std::vector<std::unique_ptr<Context>> primary; // one a device, made at the first retain
    std::atomic<std::size_t> modules = 0;          // loaded

    /// Held shared while work touches device memory, alone while memory is taken away from under it. Before `mutex`.
    UseLock in_use;

    /// The host address of a device range that is mapped throughout with `access` (PROT_ bits) for the device; null
    /// where it isn't.
    std::byte *translate(CUdeviceptr address, std::uint64_t size, int access, std::uint32_t device);
    /// The mapping that an address lies in; mappings.end() where there is none. The caller holds `mutex`.
    std::map<std::uint64_t, Mapping>::iterator mapping_at(CUdeviceptr address);
    /// The device address of a place in a host view; what is none comes back as it is. The caller holds `mutex`.
    CUdeviceptr device_address(CUdeviceptr address) const;
};

/// Null before cuInit, and in a child of the process that called it.
Process *process();
/// What cuInit does. Reads the environment: see docs/simulator.md.
CUresult start_process();
/// GMEMFS_SIM_DRIVER_VERSION, also before cuInit.
int driver_version();
/// The calling thread's current context; null where there is none.
Context *&current_context();

// memory.cpp: allocations and their addresses; the names are the driver's, less its prefix.
/// Of `size` bytes the first `used` are handed out, and so full of dirt.
CUresult create(
    CUmemGenericAllocationHandle *handle, std::size_t size, std::size_t used, const CUmemAllocationProp *properties);
CUmemGenericAllocationHandle add_handle(const std::shared_ptr<Memory> &memory); ///< the caller holds `mutex`
CUresult release(CUmemGenericAllocationHandle handle);
CUresult reserve(CUdeviceptr *address, std::size_t size, std::size_t alignment, CUdeviceptr wished);
CUresult free_addresses(CUdeviceptr address, std::size_t size);
CUresult map(CUdeviceptr address, std::size_t size, std::size_t offset, CUmemGenericAllocationHandle handle);
CUresult unmap(CUdeviceptr address, std::size_t size);
CUresult set_access(CUdeviceptr address, std::size_t size, const CUmemAccessDesc *descriptions, std::size_t count);
CUresult get_access(unsigned long long *flags, const CUmemLocation &location, CUdeviceptr address);
CUresult retain_handle(CUmemGenericAllocationHandle *handle, CUdeviceptr address);

/// Plain memory of the device `owner`: as cuCtxEnablePeerAccess has it.
CUresult open_to_peers(CUdeviceptr address, std::uint64_t size, std::uint32_t owner);

// sharing.cpp
CUresult export_handle(void *handle, CUmemGenericAllocationHandle from, CUmemAllocationHandleType type);
CUresult import_handle(CUmemGenericAllocationHandle *handle, void *from, CUmemAllocationHandleType type);
/// Of the plain allocation that has the address.
CUresult export_legacy(CUipcMemHandle *handle, CUdeviceptr address);
CUresult import_legacy(CUmemGenericAllocationHandle *handle, const CUipcMemHandle &from, std::uint64_t *size);

} // namespace gmemfs::sim
