// Sharing: descriptors and fabric handles, with the lifetimes that were measured on a card.
//
// A descriptor is the memfd itself, and keeps the memory alive by itself. A fabric handle names /proc/PID/fd/N of its
// creator, so it can be imported while the creator lives and never afterwards, while processes that have it mapped keep
// it. That needs one PID namespace and the right to look into the creator's /proc entry: the same user, or root.
// A legacy handle (cuIpcGetMemHandle) is made the same way, of what cuMemAlloc has made.
#include "vmm/sim/process.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs::sim {
namespace {

struct Handle { // what the 64 bytes hold; all of it is doubted on import
    char magic[8];
    std::int32_t pid;
    std::int32_t fd;
    std::uint64_t start; // of the process, so that a pid used again is not the creator
    std::uint64_t id, nonce, size;
    std::uint32_t device;
    std::uint32_t types;
    std::uint64_t check; // of the bytes before it: a handle that was cut or mixed up is no handle
};
static_assert(sizeof(Handle) == sizeof(CUmemFabricHandle));
constexpr char kMagic[8] = {'G', 'M', 'S', 'I', 'M', 'F', 'A', 'B'};
constexpr char kLegacyMagic[8] = {'G', 'M', 'S', 'I', 'M', 'I', 'P', 'C'};
static_assert(sizeof(Handle) == sizeof(CUipcMemHandle));

std::uint64_t check_of(const Handle &handle) { // FNV-1a, 64 bits
    unsigned char bytes[offsetof(Handle, check)];
    std::memcpy(bytes, &handle, sizeof bytes);
    std::uint64_t sum = 0xcbf29ce484222325;
    for (const unsigned char byte : bytes) sum = (sum ^ byte) * 0x100000001b3;
    return sum;
}

struct Origin { // what a memfd's name says: "/memfd:gmemfs-sim:MACHINE:DEVICE:ID (deleted)"; DEVICE may be kHost
    std::string machine;
    std::uint32_t device;
    std::uint64_t id;
};

// Of an entry of /proc/PID/fd; empty where it is anything else.
std::optional<Origin> read_origin(const char *link) {
    char target[300] = {};
    if (::readlink(link, target, sizeof target - 1) < 0) return std::nullopt;
    char machine[100] = {};
    unsigned device = 0;
    unsigned long long id = 0;
    int end = 0;
    if (std::sscanf(target, "/memfd:gmemfs-sim:%99[^:]:%u:%llu (deleted)%n", machine, &device, &id, &end) != 3 ||
        target[end] != '\0' || end == 0 || id == 0)
        return std::nullopt;
    return Origin{machine, device, id};
}

// Takes `fd` over, closes it where it is refused.
CUresult adopt(CUmemGenericAllocationHandle *handle, int fd, const Handle *expected) {
    Process &mine = *process();
    char link[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const std::optional<Origin> origin = read_origin(link);
    struct stat status = {};
    const bool is_ours = origin && ::fcntl(fd, F_GET_SEALS) == kSeals && ::fstat(fd, &status) == 0 &&
                         status.st_size > 0 && std::uint64_t(status.st_size) % kGranularity == 0;
    if (!is_ours) { // a descriptor of anything else: UNKNOWN (H200, driver 580)
        ::close(fd);
        return expected == nullptr ? CUDA_ERROR_UNKNOWN : CUDA_ERROR_NOT_SUPPORTED;
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    Machine *const machine = Machine::attach(origin->machine, {});
    if (machine != nullptr && expected != nullptr) {
        // The handle's maker made this memory, or the descriptor's number has been used again since.
        const auto known = machine->find(origin->id);
        if (!known || expected->id != origin->id || expected->nonce != known->nonce || expected->size != size ||
            expected->device != origin->device) {
            ::close(fd);
            return CUDA_ERROR_NOT_SUPPORTED;
        }
    }
    const auto held = machine == nullptr ? std::nullopt : machine->hold(origin->id, origin->device, size);
    if (!held) {
        ::close(fd);
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    const auto memory = std::make_shared<Memory>(machine, fd);
    memory->id = origin->id;
    memory->size = size;
    memory->nonce = held->nonce;
    const bool is_known = origin->device < mine.device_sizes.size() || origin->device == kHost;
    memory->device = is_known ? origin->device : 0;
    memory->handle_types = expected == nullptr ? unsigned(CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) : expected->types;
    memory->is_imported = true;
    const std::lock_guard<std::mutex> hold(mine.mutex);
    *handle = add_handle(memory);
    return CUDA_SUCCESS;
}

// The caller holds the mutex.
Handle describe(const Memory &memory, const char (&magic)[sizeof kMagic]) {
    Handle handle = {};
    std::memcpy(handle.magic, magic, sizeof magic);
    handle.pid = process()->pid;
    handle.fd = memory.fd;
    handle.start = start_time(process()->pid);
    handle.id = memory.id;
    handle.nonce = memory.nonce;
    handle.size = memory.size;
    handle.device = memory.device;
    handle.types = memory.handle_types;
    handle.check = check_of(handle);
    return handle;
}

bool is_sound(const Handle &handle, const char (&magic)[sizeof kMagic]) {
    return std::memcmp(handle.magic, magic, sizeof magic) == 0 && handle.check == check_of(handle) && handle.pid > 0;
}

// Of a handle that is sound. NOT_SUPPORTED: its creator has died, or given the memory back.
CUresult import_from_creator(CUmemGenericAllocationHandle *handle, const Handle &from) {
    if (start_time(from.pid) != from.start) return CUDA_ERROR_NOT_SUPPORTED;
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/fd/%d", from.pid, from.fd);
    // The name is read before anything is opened: a spoilt handle may point to a device or a terminal.
    errno = 0;
    const bool is_ours = read_origin(path).has_value();
    const int fd = is_ours ? ::open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return errno == EACCES || errno == EPERM ? CUDA_ERROR_NOT_PERMITTED : CUDA_ERROR_NOT_SUPPORTED;
    return adopt(handle, fd, &from);
}

CUresult import_fabric(CUmemGenericAllocationHandle *handle, const void *from) {
    if (from == nullptr) return CUDA_ERROR_INVALID_VALUE;
    Handle fabric;
    std::memcpy(&fabric, from, sizeof fabric);
    if (!process()->has_imex) return CUDA_ERROR_NOT_PERMITTED;
    // Bytes that no driver made, and a handle whose creator has died: NOT_SUPPORTED (H200, driver 580).
    return is_sound(fabric, kMagic) ? import_from_creator(handle, fabric) : CUDA_ERROR_NOT_SUPPORTED;
}

} // namespace

CUresult export_handle(void *handle, CUmemGenericAllocationHandle from, CUmemAllocationHandleType type) {
    Process &mine = *process();
    const std::lock_guard<std::mutex> hold(mine.mutex);
    const auto found = mine.handles.find(from);
    if (found == mine.handles.end()) return CUDA_ERROR_INVALID_VALUE;
    const Memory &memory = *found->second;
    // An import can't be exported again, as either type; nor as a type that it wasn't created with (H200, driver 580).
    if (memory.is_imported || (memory.handle_types & type) == 0) return CUDA_ERROR_INVALID_VALUE;
    if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR && type != CU_MEM_HANDLE_TYPE_FABRIC)
        return CUDA_ERROR_INVALID_VALUE; // one type at a time
    if (type == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
        const int fd = ::fcntl(memory.fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) return CUDA_ERROR_OPERATING_SYSTEM;
        std::memcpy(handle, &fd, sizeof fd);
        return CUDA_SUCCESS;
    }
    const Handle fabric = describe(memory, kMagic);
    std::memcpy(handle, &fabric, sizeof fabric);
    return CUDA_SUCCESS;
}

CUresult import_handle(CUmemGenericAllocationHandle *handle, void *from, CUmemAllocationHandleType type) {
    if (type == CU_MEM_HANDLE_TYPE_FABRIC && process()->version >= kFabricVersion) return import_fabric(handle, from);
    if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_INVALID_VALUE;
    // The driver takes the number in place of a pointer, and keeps no hold on the descriptor itself.
    const int number = static_cast<int>(reinterpret_cast<std::uintptr_t>(from));
    const int fd = ::fcntl(number, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? CUDA_ERROR_UNKNOWN : adopt(handle, fd, nullptr);
}

CUresult export_legacy(CUipcMemHandle *handle, CUdeviceptr address) {
    Process &mine = *process();
    const std::lock_guard<std::mutex> hold(mine.mutex);
    const auto found = mine.mapping_at(address);
    // Of cuMemCreate's memory there is none, nor of another process's.
    if (found == mine.mappings.end() || mine.plain_allocations.count(found->first | kTag) == 0)
        return CUDA_ERROR_INVALID_VALUE;
    const Handle legacy = describe(*found->second.memory, kLegacyMagic);
    std::memcpy(handle, &legacy, sizeof legacy);
    return CUDA_SUCCESS;
}

CUresult import_legacy(CUmemGenericAllocationHandle *handle, const CUipcMemHandle &from, std::uint64_t *size) {
    Handle legacy;
    std::memcpy(&legacy, &from, sizeof legacy);
    if (!is_sound(legacy, kLegacyMagic)) return CUDA_ERROR_INVALID_VALUE;
    // In the process that made it: INVALID_CONTEXT, whatever context is current.
    if (legacy.pid == process()->pid && legacy.start == start_time(legacy.pid)) return CUDA_ERROR_INVALID_CONTEXT;
    *size = legacy.size;
    if (start_time(legacy.pid) != legacy.start) return CUDA_ERROR_INVALID_HANDLE; // it has died
    const CUresult imported = import_from_creator(handle, legacy);
    return imported == CUDA_ERROR_NOT_SUPPORTED ? CUDA_ERROR_INVALID_VALUE : imported; // the memory is gone
}

} // namespace gmemfs::sim
