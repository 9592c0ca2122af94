// Memory: allocations as memfds, and the address ranges that they are mapped into.
//
// A reservation is a PROT_NONE mapping of nothing; cuMemMap lays a memfd over it, still PROT_NONE; cuMemSetAccess opens
// it. So the kernel of the host enforces what a card enforces. Each refusal here says whether a card was seen to
// refuse.
//
// Host memory is laid over two ranges, because devices and processors have each their own access to it:
//
//     reservation:  | device memory |  host memory  |   device addresses, less the tag: the access of all devices
//     host view:    |    (closed)   |  host memory  |   HOST_POINTER: the access of processors
#include "vmm/sim/process.hpp"

#include <algorithm>
#include <cstring>
#include <linux/memfd.h>
#include <span>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace gmemfs::sim {
namespace {

constexpr std::uint8_t kDirt = 0xA5; // new memory is never zeros by chance
constexpr std::uint64_t kWhollyDirty = std::uint64_t(64) << 20;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kAddressesMax = std::uint64_t(1) << 46; // half of what a process has on x86-64

void *host(std::uint64_t address) { return reinterpret_cast<void *>(address); } // NOLINT(performance-no-int-to-ptr)

bool is_aligned(std::uint64_t value) { return value % kGranularity == 0; }

// Huge pages can't be written by write(2). All are taken from the host now, and not when a copy needs them.
bool fill_huge_pages(int fd, std::uint64_t size) {
    void *const there = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (there == MAP_FAILED) return false;
    std::memset(there, kDirt, size);
    return ::munmap(there, size) == 0;
}

// Small memory is dirtied whole; large memory in its first and last MiB and one page in each granule, because dirt in
// all of it would take as much of the host's memory. A known kindness: a clear that misses only other pages goes
// unseen.
// Written, not mapped and filled: to create 2 MiB takes 0.8 ms so, and 1.5 ms by page faults (a virtual machine).
bool make_dirty(int fd, std::uint64_t size) {
    static const std::vector<std::uint8_t> dirt(kGranularity / 2, kDirt);
    const auto write_at = [&](std::uint64_t at, std::uint64_t count) {
        return ::pwrite(fd, dirt.data(), count, static_cast<off_t>(at)) == static_cast<ssize_t>(count);
    };
    bool is_done = true;
    if (size <= kWhollyDirty) {
        for (std::uint64_t at = 0; at < size; at += dirt.size())
            is_done = is_done && write_at(at, std::min<std::uint64_t>(size - at, dirt.size()));
        return is_done;
    }
    is_done = write_at(0, dirt.size()) && write_at(size - dirt.size(), dirt.size());
    for (std::uint64_t at = 0; at < size; at += kGranularity) is_done = is_done && write_at(at + 3 * kPage, kPage);
    return is_done;
}

// PROT_ bits of an access right; -1 for what is none.
int protection(CUmemAccess_flags flags) {
    switch (flags) {
    case CU_MEM_ACCESS_FLAGS_PROT_NONE: return PROT_NONE;
    case CU_MEM_ACCESS_FLAGS_PROT_READ: return PROT_READ;
    case CU_MEM_ACCESS_FLAGS_PROT_READWRITE: return PROT_READ | PROT_WRITE;
    default: return -1;
    }
}

// The mappings that lie side by side and fill a range exactly; none (two ends that are equal) where they don't. The
// caller holds the mutex.
using Mappings = std::map<std::uint64_t, Mapping>;
std::pair<Mappings::iterator, Mappings::iterator> whole_mappings(CUdeviceptr address, std::uint64_t size) {
    Mappings &all = process()->mappings;
    const std::uint64_t start = address & ~kTag;
    const auto first = all.find(start);
    if ((address & kTag) == 0 || size == 0 || size > kAddressesMax) return {all.end(), all.end()};
    std::uint64_t at = start;
    auto next = first;
    for (; next != all.end() && next->first == at && at < start + size; ++next) at += next->second.size;
    return at == start + size ? std::pair(first, next) : std::pair(all.end(), all.end());
}

// A range within one reservation in which nothing is mapped.
bool is_reserved_and_empty(CUdeviceptr address, std::uint64_t size) {
    const Process &mine = *process();
    const std::uint64_t start = address & ~kTag;
    auto reserved = mine.reservations.upper_bound(start);
    if ((address & kTag) == 0 || size == 0 || size > kAddressesMax || reserved == mine.reservations.begin())
        return false;
    --reserved;
    if (start + size > reserved->first + reserved->second.size) return false;
    const auto next = mine.mappings.lower_bound(start);
    if (next != mine.mappings.end() && next->first < start + size) return false;
    return next == mine.mappings.begin() || std::prev(next)->first + std::prev(next)->second.size <= start;
}

// Addresses that nothing is mapped at, closed; 0 where there are none. `align` is a power of two.
std::uint64_t find_addresses(std::uint64_t size, std::uint64_t align) {
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *const larger = ::mmap(nullptr, size + align, PROT_NONE, kFlags, -1, 0);
    if (larger == MAP_FAILED) return 0;
    const auto first = reinterpret_cast<std::uint64_t>(larger);
    const std::uint64_t start = (first + align - 1) / align * align;
    if (start > first) ::munmap(larger, start - first);
    if (start < first + align) ::munmap(host(start + size), first + align - start);
    return start;
}

// Takes away what is laid over a range, and keeps the addresses.
bool uncover(std::uint64_t start, std::uint64_t size) {
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    return ::mmap(host(start), size, PROT_NONE, kFlags, -1, 0) != MAP_FAILED;
}

// Lays memory over a reserved range, closed to all. Where it has no descriptor any more it is mapped elsewhere, and
// mremap(2) of nothing makes another mapping of the same pages.
bool lay_over(std::uint64_t start, const Memory &memory) {
    if (memory.fd >= 0)
        return ::mmap(host(start), memory.size, PROT_NONE, MAP_SHARED | MAP_FIXED, memory.fd, 0) != MAP_FAILED;
    for (const auto &[address, mapping] : process()->mappings)
        if (mapping.memory.get() == &memory)
            return ::mremap(host(address), 0, memory.size, MREMAP_MAYMOVE | MREMAP_FIXED, host(start)) != MAP_FAILED &&
                   ::mprotect(host(start), memory.size, PROT_NONE) == 0;
    return false;
}

// Where memory with these properties is counted: a device's index, or kHost.
CUresult find_place(const CUmemAllocationProp &properties, std::uint32_t &place) {
    const Process &mine = *process();
    const CUmemLocation &location = properties.location;
    // Of the uses, tiles alone are refused; that of the decompression engine also where there is none (H200).
    if ((properties.allocFlags.usage & CU_MEM_CREATE_USAGE_TILE_POOL) != 0) return CUDA_ERROR_INVALID_VALUE;
    if (location.type == CU_MEM_LOCATION_TYPE_HOST_NUMA && mine.version >= kHostNumaVersion) {
        place = kHost;
        // A node that there isn't, and remote access, which device memory may be asked for (H200, driver 580).
        const bool is_node =
            location.id == 0 || std::find(mine.nodes.begin(), mine.nodes.end(), location.id) != mine.nodes.end();
        const bool is_granted = is_node && location.id >= 0 && properties.allocFlags.gpuDirectRDMACapable == 0;
        return is_granted ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    }
    // Of the host, but of no node: INVALID_VALUE, although the granularity is told (H200, driver 580).
    if (location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
    if (location.id < 0 || static_cast<std::size_t>(location.id) >= mine.device_sizes.size())
        return CUDA_ERROR_INVALID_DEVICE;
    place = static_cast<std::uint32_t>(location.id);
    return CUDA_SUCCESS;
}

// What cuMemSetAccess says by itself, whatever is mapped. Of a device that is none: INVALID_VALUE (H200, driver 580).
bool is_possible(const CUmemAccessDesc &one) {
    if (protection(one.flags) < 0) return false;
    if (one.location.type == CU_MEM_LOCATION_TYPE_HOST) return true;
    return one.location.type == CU_MEM_LOCATION_TYPE_DEVICE && one.location.id >= 0 &&
           static_cast<std::size_t>(one.location.id) < process()->device_sizes.size();
}

// What it says of memory.
CUresult is_allowed(const CUmemAccessDesc &one, const Memory &memory) {
    if (memory.is_host()) return CUDA_SUCCESS; // by every device, and by processors
    if (one.location.type == CU_MEM_LOCATION_TYPE_HOST) return CUDA_ERROR_NOT_SUPPORTED; // H200, driver 580
    const auto user = static_cast<std::uint32_t>(one.location.id);
    return user == memory.device || process()->links.has(user, memory.device) ? CUDA_SUCCESS
                                                                              : CUDA_ERROR_INVALID_DEVICE;
}

bool give_access(std::uint64_t start, Mapping &mapping, const CUmemAccessDesc &one) {
    const int given = protection(one.flags);
    if (one.location.type == CU_MEM_LOCATION_TYPE_HOST) {
        mapping.has_host_access = given != PROT_NONE;
        return ::mprotect(host(mapping.host_view), mapping.size, given) == 0;
    }
    mapping.access[static_cast<std::size_t>(one.location.id)] = static_cast<std::uint8_t>(given);
    int any = PROT_NONE;
    for (const std::uint8_t access : mapping.access) any |= access;
    return ::mprotect(host(start), mapping.size, any) == 0;
}

} // namespace

Memory::~Memory() {
    if (fd >= 0) ::close(fd);
    if (id != 0) machine->drop(id);
}

CUresult create(
    CUmemGenericAllocationHandle *handle, std::size_t size, std::size_t used, const CUmemAllocationProp *properties) {
    Process &mine = *process();
    constexpr unsigned kKnownTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR | CU_MEM_HANDLE_TYPE_FABRIC;
    const unsigned types = properties->requestedHandleTypes;
    const bool may_share = (types & CU_MEM_HANDLE_TYPE_FABRIC) == 0 || mine.version >= kFabricVersion;
    if (size == 0 || !is_aligned(size) || !may_share || properties->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
        (types & ~kKnownTypes) != 0)
        return CUDA_ERROR_INVALID_VALUE;
    std::uint32_t place = 0;
    if (const CUresult refused = find_place(*properties, place); refused != CUDA_SUCCESS) return refused;
    // Without an IMEX channel: NOT_PERMITTED, although the device's attribute says 1 (H200, driver 580).
    if ((types & CU_MEM_HANDLE_TYPE_FABRIC) != 0 && !mine.has_imex) return CUDA_ERROR_NOT_PERMITTED;
    const auto taken = mine.machine->take(place, size);
    if (!taken) return CUDA_ERROR_OUT_OF_MEMORY;
    const auto memory = std::make_shared<Memory>(mine.machine, -1);
    memory->id = taken->id;
    memory->size = size;
    memory->nonce = taken->nonce;
    memory->device = place;
    memory->handle_types = types;
    const std::string name =
        "gmemfs-sim:" + mine.machine->name() + ":" + std::to_string(place) + ":" + std::to_string(taken->id);
    const bool is_huge = mine.is_resident && place != kHost;
    memory->fd =
        ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | (is_huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0U));
    if (memory->fd < 0 || ::ftruncate(memory->fd, static_cast<off_t>(size)) != 0 ||
        ::fcntl(memory->fd, F_ADD_SEALS, kSeals) != 0 ||
        !(is_huge ? fill_huge_pages(memory->fd, size) : make_dirty(memory->fd, used)))
        return CUDA_ERROR_OPERATING_SYSTEM;
    const std::lock_guard<std::mutex> hold(mine.mutex);
    *handle = add_handle(memory);
    return CUDA_SUCCESS;
}

CUmemGenericAllocationHandle add_handle(const std::shared_ptr<Memory> &memory) {
    ++memory->handle_count;
    process()->handles.emplace(process()->next_handle, memory);
    return process()->next_handle++;
}

CUresult release(CUmemGenericAllocationHandle handle) {
    Process &mine = *process();
    std::shared_ptr<Memory> last; // dropped after the mutex
    const std::lock_guard<std::mutex> hold(mine.mutex);
    const auto found = mine.handles.find(handle);
    if (found == mine.handles.end()) return CUDA_ERROR_INVALID_VALUE;
    last = std::move(found->second);
    mine.handles.erase(found);
    if (--last->handle_count == 0 && last->is_imported && last->fd >= 0) ::close(std::exchange(last->fd, -1));
    return CUDA_SUCCESS;
}

CUresult reserve(CUdeviceptr *address, std::size_t size, std::size_t alignment, CUdeviceptr wished) {
    Process &mine = *process();
    if (size == 0 || !is_aligned(size) || (alignment & (alignment - 1)) != 0) return CUDA_ERROR_INVALID_VALUE;
    if (size > kAddressesMax || alignment > kAddressesMax) return CUDA_ERROR_OUT_OF_MEMORY;
    const std::uint64_t align = std::max<std::uint64_t>(alignment, kGranularity);
    std::uint64_t start = 0;
    if ((wished & kTag) != 0 && is_aligned(wished)) { // a wish is granted where nothing lies
        constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
        void *const there = ::mmap(host(wished & ~kTag), size, PROT_NONE, kFlags, -1, 0);
        if (there != MAP_FAILED) start = reinterpret_cast<std::uint64_t>(there);
    }
    if (start == 0) start = find_addresses(size, align);
    if (start == 0) return CUDA_ERROR_OUT_OF_MEMORY;
    const std::lock_guard<std::mutex> hold(mine.mutex);
    mine.reservations[start] = {size, 0};
    *address = start | kTag;
    return CUDA_SUCCESS;
}

CUresult free_addresses(CUdeviceptr address, std::size_t size) {
    Process &mine = *process();
    const std::uint64_t start = address & ~kTag;
    const std::lock_guard<std::mutex> hold(mine.mutex);
    const auto found = mine.reservations.find(start);
    if ((address & kTag) == 0 || found == mine.reservations.end() || found->second.size != size)
        return CUDA_ERROR_INVALID_VALUE;
    const auto mapped = mine.mappings.lower_bound(start);
    if (mapped != mine.mappings.end() && mapped->first < start + size) return CUDA_ERROR_INVALID_VALUE;
    ::munmap(host(start), size);
    if (found->second.host_view != 0) ::munmap(host(found->second.host_view), size);
    mine.reservations.erase(found);
    return CUDA_SUCCESS;
}

CUresult map(CUdeviceptr address, std::size_t size, std::size_t offset, CUmemGenericAllocationHandle handle) {
    Process &mine = *process();
    const std::uint64_t start = address & ~kTag;
    const std::lock_guard<std::mutex> hold(mine.mutex);
    const auto found = mine.handles.find(handle);
    if (found == mine.handles.end() || (address & kTag) == 0) return CUDA_ERROR_INVALID_VALUE;
    const std::shared_ptr<Memory> memory = found->second;
    if (!is_aligned(start) || !is_aligned(size) || size == 0) return CUDA_ERROR_INVALID_VALUE;
    // Whole or not at all: NOT_SUPPORTED (H200, driver 580).
    if (offset != 0 || size != memory->size) return CUDA_ERROR_NOT_SUPPORTED;
    auto reserved = mine.reservations.upper_bound(start);
    if (reserved == mine.reservations.begin()) return CUDA_ERROR_INVALID_VALUE;
    --reserved;
    if (start + size > reserved->first + reserved->second.size) return CUDA_ERROR_INVALID_VALUE;
    const auto next = mine.mappings.lower_bound(start);
    if (next != mine.mappings.end() && next->first < start + size) return CUDA_ERROR_INVALID_VALUE;
    if (next != mine.mappings.begin() && std::prev(next)->first + std::prev(next)->second.size > start)
        return CUDA_ERROR_INVALID_VALUE;
    std::uint64_t host_view = 0;
    if (memory->is_host()) {
        Reservation &range = reserved->second;
        if (range.host_view == 0) range.host_view = find_addresses(range.size, kGranularity);
        if (range.host_view == 0) return CUDA_ERROR_MAP_FAILED;
        host_view = range.host_view + (start - reserved->first);
    }
    if (!lay_over(start, *memory)) return CUDA_ERROR_MAP_FAILED;
    if (host_view != 0 && !lay_over(host_view, *memory)) {
        uncover(start, size);
        return CUDA_ERROR_MAP_FAILED;
    }
    mine.mappings[start] = {memory, size, {}, host_view};
    return CUDA_SUCCESS;
}

CUresult unmap(CUdeviceptr address, std::size_t size) {
    Process &mine = *process();
    const std::uint64_t start = address & ~kTag;
    std::vector<std::shared_ptr<Memory>> last;         // dropped after the mutex
    const std::lock_guard<UseLock> alone(mine.in_use); // copies that run end first; queued ones will fault
    const std::lock_guard<std::mutex> hold(mine.mutex);
    const auto [first, end] = whole_mappings(address, size);
    if (first == end && is_reserved_and_empty(address, size)) return CUDA_SUCCESS; // H200, driver 580
    if (first == end) return CUDA_ERROR_INVALID_VALUE; // several neighbours in one call, but none in part
    if (!uncover(start, size)) return CUDA_ERROR_UNMAP_FAILED;
    for (auto each = first; each != end; ++each)
        if (each->second.host_view != 0 && !uncover(each->second.host_view, each->second.size))
            return CUDA_ERROR_UNMAP_FAILED;
    for (auto each = first; each != end; each = mine.mappings.erase(each))
        last.push_back(std::move(each->second.memory));
    return CUDA_SUCCESS;
}

CUresult set_access(CUdeviceptr address, std::size_t size, const CUmemAccessDesc *descriptions, std::size_t count) {
    Process &mine = *process();
    const std::span<const CUmemAccessDesc> wanted(descriptions, count);
    if (count == 0 || !std::all_of(wanted.begin(), wanted.end(), is_possible)) return CUDA_ERROR_INVALID_VALUE;
    const std::lock_guard<UseLock> alone(mine.in_use);
    const std::lock_guard<std::mutex> hold(mine.mutex);
    const auto [first, end] = whole_mappings(address, size);
    if (first == end) return CUDA_ERROR_INVALID_VALUE;
    for (auto each = first; each != end; ++each)
        for (const CUmemAccessDesc &one : wanted)
            if (const CUresult refused = is_allowed(one, *each->second.memory); refused != CUDA_SUCCESS) return refused;
    for (auto each = first; each != end; ++each)
        for (const CUmemAccessDesc &one : wanted)
            if (!give_access(each->first, each->second, one)) return CUDA_ERROR_OPERATING_SYSTEM;
    return CUDA_SUCCESS;
}

CUresult get_access(unsigned long long *flags, const CUmemLocation &location, CUdeviceptr address) {
    Process &mine = *process();
    const auto device = static_cast<std::size_t>(location.id);
    if (location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
    if (device >= mine.device_sizes.size()) return CUDA_ERROR_INVALID_DEVICE;
    const std::lock_guard<std::mutex> hold(mine.mutex);
    const auto found = mine.mapping_at(address);
    if (found == mine.mappings.end()) return CUDA_ERROR_INVALID_VALUE;
    const int access = found->second.access[device];
    *flags = (access & PROT_WRITE) != 0  ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE
             : (access & PROT_READ) != 0 ? CU_MEM_ACCESS_FLAGS_PROT_READ
                                         : CU_MEM_ACCESS_FLAGS_PROT_NONE;
    return CUDA_SUCCESS;
}

CUresult retain_handle(CUmemGenericAllocationHandle *handle, CUdeviceptr address) {
    Process &mine = *process();
    const std::lock_guard<std::mutex> hold(mine.mutex);
    const auto found = mine.mapping_at(address);
    if (found == mine.mappings.end()) return CUDA_ERROR_INVALID_VALUE;
    *handle = add_handle(found->second.memory);
    return CUDA_SUCCESS;
}

} // namespace gmemfs::sim
