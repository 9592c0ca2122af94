#include "tests/conformance/memory.hpp"

#include "vmm/base/random.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace gmemfs::conformance {

void require(CUresult result, const char *doing) {
    if (result == CUDA_SUCCESS) return;
    std::fprintf(stderr, "conformance-tests: cannot %s: %s\n", doing, name_of(result).c_str());
    std::fflush(stderr);
    std::abort();
}

CUmemAllocationProp properties(unsigned handle_types, int device) {
    CUmemAllocationProp wanted = {};
    wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    wanted.location.id = device;
    wanted.requestedHandleTypes = static_cast<CUmemAllocationHandleType>(handle_types);
    wanted.allocFlags.gpuDirectRDMACapable = 1;
    return wanted;
}

CUmemAllocationProp host_properties(unsigned handle_types) {
    CUmemAllocationProp wanted = {};
    wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    wanted.location.type = CU_MEM_LOCATION_TYPE_HOST_NUMA;
    // -1: the machine has no nodes, and 0 is the one to name (<cuda.h>).
    wanted.location.id = std::max(attribute_of_device(CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID), 0);
    wanted.requestedHandleTypes = static_cast<CUmemAllocationHandleType>(handle_types);
    return wanted;
}

CUmemAccessDesc access_of_host(CUmemAccess_flags flags) {
    CUmemAccessDesc access = {};
    access.location.type = CU_MEM_LOCATION_TYPE_HOST;
    access.flags = flags;
    return access;
}

CUmemAccessDesc access_of(int device, CUmemAccess_flags flags) {
    CUmemAccessDesc access = {};
    access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    access.location.id = device;
    access.flags = flags;
    return access;
}

int attribute_of_device(CUdevice_attribute attribute) {
    int value = -1;
    return driver().cuDeviceGetAttribute(&value, attribute, 0) == CUDA_SUCCESS ? value : -1;
}

bool has_host_memory() { return driver().is_simulator() || attribute_of_device(kHostNumaMemory) == 1; }

bool has_fabric() {
    const CUmemAllocationProp wanted = properties(kFabric);
    CUmemGenericAllocationHandle handle = 0;
    const bool has = driver().cuMemCreate(&handle, kGranule, &wanted, 0) == CUDA_SUCCESS;
    if (has) require(driver().cuMemRelease(handle), "release a probe");
    return has;
}

unsigned shareable() { return has_fabric() ? kDescriptor | kFabric : kDescriptor; }

namespace {

CUmemGenericAllocationHandle create(std::size_t size, const CUmemAllocationProp &wanted) {
    CUmemGenericAllocationHandle handle = 0;
    require(driver().cuMemCreate(&handle, size, &wanted, 0), "create memory");
    return handle;
}

} // namespace

Memory::Memory(std::size_t size, unsigned handle_types, int device)
    : Memory(create(size, properties(handle_types, device)), size) {}

HostMemory::HostMemory(std::size_t size, unsigned handle_types)
    : Memory(create(size, host_properties(handle_types)), size) {}

void Memory::release() {
    if (handle_ != 0) driver().cuMemRelease(handle_);
    handle_ = 0;
}

Fd Memory::export_descriptor() const {
    int fd = -1;
    require(driver().cuMemExportToShareableHandle(&fd, handle_, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0),
        "export a descriptor");
    return Fd(fd);
}

Reservation::Reservation(std::size_t size) : size_(size) {
    require(driver().cuMemAddressReserve(&address_, size, 0, 0, 0), "reserve addresses");
}

Reservation::~Reservation() {
    while (!parts_.empty()) unmap(parts_.back().offset);
    driver().cuMemAddressFree(address_, size_);
}

void Reservation::map(const Memory &memory, std::size_t offset) {
    require(driver().cuMemMap(address_ + offset, memory.size(), 0, memory.handle(), 0), "map");
    parts_.push_back({offset, memory.size()});
}

void Reservation::unmap(std::size_t offset) {
    const auto found =
        std::find_if(parts_.begin(), parts_.end(), [&](const Part &part) { return part.offset == offset; });
    if (found == parts_.end()) return;
    driver().cuMemUnmap(address_ + offset, found->size);
    parts_.erase(found);
}

void Reservation::allow(CUmemAccess_flags flags, int device) {
    const CUmemAccessDesc access = access_of(device, flags);
    require(driver().cuMemSetAccess(address_, size_, &access, 1), "set access");
}

void Reservation::allow_host(CUmemAccess_flags flags) const {
    const CUmemAccessDesc access = access_of_host(flags);
    require(driver().cuMemSetAccess(address_, size_, &access, 1), "set access for the host");
}

std::uint8_t *Reservation::host_pointer() const {
    std::uint8_t *pointer = nullptr;
    require(driver().cuPointerGetAttribute(&pointer, CU_POINTER_ATTRIBUTE_HOST_POINTER, address_),
        "ask for the host's pointer");
    return pointer;
}

std::uint8_t *Reservation::host_address() const {
    if (!driver().is_simulator())
        return reinterpret_cast<std::uint8_t *>(address_); // NOLINT(performance-no-int-to-ptr)
    allow_host();
    std::uint8_t *const pointer = host_pointer();
    allow_host(CU_MEM_ACCESS_FLAGS_PROT_NONE);
    return pointer;
}

CUresult import_descriptor(int descriptor, CUmemGenericAllocationHandle &handle) {
    // The driver takes the descriptor's number in place of a pointer.
    void *const number = reinterpret_cast<void *>(static_cast<std::uintptr_t>(descriptor)); // NOLINT
    return driver().cuMemImportFromShareableHandle(&handle, number, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
}

OwnStream::OwnStream() { require(driver().cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING), "create a stream"); }
OwnStream::~OwnStream() { driver().cuStreamDestroy(stream_); }

void use_context(int device) {
    CUcontext context = nullptr;
    require(driver().cuDevicePrimaryCtxRetain(&context, device), "make a context");
    require(driver().cuCtxSetCurrent(context), "bind the context");
}

Bytes pattern(std::size_t size, std::uint64_t seed) {
    Random random(seed);
    Bytes bytes(size);
    for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
        const std::uint64_t word = random.next();
        std::memcpy(bytes.data() + at, &word, std::min(sizeof word, size - at));
    }
    return bytes;
}

void write(CUdeviceptr to, const Bytes &bytes) {
    const OwnStream stream;
    require(driver().cuMemcpyHtoDAsync(to, bytes.data(), bytes.size(), stream.get()), "copy in");
    require(driver().cuStreamSynchronize(stream.get()), "wait for a copy in");
}

Bytes read(CUdeviceptr from, std::size_t size) {
    const OwnStream stream;
    Bytes bytes(size, kUnread);
    require(driver().cuMemcpyDtoHAsync(bytes.data(), from, size, stream.get()), "copy out");
    require(driver().cuStreamSynchronize(stream.get()), "wait for a copy out");
    return bytes;
}

std::size_t free_memory() {
    std::size_t free = 0;
    std::size_t total = 0;
    require(driver().cuMemGetInfo(&free, &total), "ask for free memory");
    return free;
}

} // namespace gmemfs::conformance
