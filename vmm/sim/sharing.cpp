// Sharing: descriptors and fabric handles, with the lifetimes that were measured on a card.
//
// A descriptor is the memfd itself, and keeps the memory alive by itself. A fabric handle names /proc/PID/fd/N of its
// creator, so it can be imported while the creator lives and never afterwards, while whoever has it mapped keeps it.
// That needs one PID namespace and the right to look into the creator's /proc entry: the same user, or root.
#include "vmm/sim/process.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
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
    char unused[8];
};
static_assert(sizeof(Handle) == sizeof(CUmemFabricHandle));
constexpr char kMagic[8] = {'G', 'M', 'S', 'I', 'M', 'F', 'A', 'B'};

// Reads "/memfd:gmemfs-sim:MACHINE:ID (deleted)" of an open descriptor; false where it is anything else.
bool parse_name(int fd, std::string &machine, std::uint64_t &id) {
    char link[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    char target[300] = {};
    if (::readlink(link, target, sizeof target - 1) < 0) return false;
    const std::string name = target;
    const std::string prefix = "/memfd:gmemfs-sim:";
    const std::size_t colon = name.rfind(':');
    if (name.compare(0, prefix.size(), prefix) != 0 || colon < prefix.size()) return false;
    machine = name.substr(prefix.size(), colon - prefix.size());
    id = std::strtoull(name.c_str() + colon + 1, nullptr, 10);
    return id != 0;
}

// Takes `fd` over, closes it where it is refused.
CUresult adopt(CUmemGenericAllocationHandle *handle, int fd, const Handle *expected) {
    Process &mine = *process();
    std::string machine_name;
    std::uint64_t id = 0;
    struct stat status = {};
    if (!parse_name(fd, machine_name, id) || ::fstat(fd, &status) != 0) {
        ::close(fd);
        return CUDA_ERROR_INVALID_VALUE;
    }
    Machine *const machine = Machine::attach(machine_name, {});
    const auto known = machine == nullptr ? std::nullopt : machine->find(id);
    const bool is_right = expected == nullptr || (known && expected->id == id && expected->nonce == known->nonce);
    if (machine == nullptr || !is_right) {
        ::close(fd);
        return expected == nullptr ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_ERROR_NOT_SUPPORTED;
    }
    // An allocation that only a descriptor held was swept from the table when its last process died: it lives on,
    // uncounted, as the descriptor itself was.
    const auto memory = std::make_shared<Memory>(machine, fd);
    if (machine->hold(id)) memory->id = id;
    memory->size = static_cast<std::uint64_t>(status.st_size);
    memory->nonce = known ? known->nonce : 0;
    memory->device = known && known->device < mine.device_sizes.size() ? known->device : 0;
    memory->handle_types = expected == nullptr ? unsigned(CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) : expected->types;
    memory->is_imported = true;
    const std::lock_guard<std::mutex> hold(mine.mutex);
    *handle = mine.next_handle++;
    mine.handles.emplace(*handle, memory);
    return CUDA_SUCCESS;
}

CUresult import_fabric(CUmemGenericAllocationHandle *handle, const void *from) {
    Handle fabric;
    std::memcpy(&fabric, from, sizeof fabric);
    // What a card says to bytes that no driver made hasn't been measured.
    if (std::memcmp(fabric.magic, kMagic, sizeof kMagic) != 0) return CUDA_ERROR_INVALID_VALUE;
    if (!process()->has_imex) return CUDA_ERROR_NOT_PERMITTED;
    // Its creator has died: NOT_SUPPORTED (H200, driver 580).
    if (fabric.pid <= 0 || start_time(fabric.pid) != fabric.start) return CUDA_ERROR_NOT_SUPPORTED;
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/fd/%d", fabric.pid, fabric.fd);
    const int fd = ::open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return errno == EACCES || errno == EPERM ? CUDA_ERROR_NOT_PERMITTED : CUDA_ERROR_NOT_SUPPORTED;
    return adopt(handle, fd, &fabric);
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
    if (type == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
        const int fd = ::fcntl(memory.fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) return CUDA_ERROR_OPERATING_SYSTEM;
        std::memcpy(handle, &fd, sizeof fd);
        return CUDA_SUCCESS;
    }
    Handle fabric = {};
    std::memcpy(fabric.magic, kMagic, sizeof kMagic);
    fabric.pid = mine.pid;
    fabric.fd = memory.fd;
    fabric.start = start_time(mine.pid);
    fabric.id = memory.id;
    fabric.nonce = memory.nonce;
    fabric.size = memory.size;
    fabric.device = memory.device;
    fabric.types = memory.handle_types;
    std::memcpy(handle, &fabric, sizeof fabric);
    return CUDA_SUCCESS;
}

CUresult import_handle(CUmemGenericAllocationHandle *handle, void *from, CUmemAllocationHandleType type) {
    if (type == CU_MEM_HANDLE_TYPE_FABRIC) return import_fabric(handle, from);
    if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_INVALID_VALUE;
    // The driver takes the number in place of a pointer, and keeps no hold on the descriptor itself.
    const int number = static_cast<int>(reinterpret_cast<std::uintptr_t>(from));
    const int fd = ::fcntl(number, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? CUDA_ERROR_INVALID_VALUE : adopt(handle, fd, nullptr);
}

} // namespace gmemfs::sim
