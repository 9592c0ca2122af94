// Memory: owners of what the driver makes, and copies that wait, for tests and for the processes they start.
#pragma once

#include "tests/conformance/driver_api.hpp"
#include "vmm/base/fd.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gmemfs::conformance {

inline constexpr std::size_t kGranule = std::size_t(2) << 20;
inline constexpr unsigned kDescriptor = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
inline constexpr unsigned kFabric = CU_MEM_HANDLE_TYPE_FABRIC;

/// Ends the process with one line unless the driver said CUDA_SUCCESS: for what a test needs, not for what it asks.
void require(CUresult result, const char *doing);

enum class Place { device, host };

CUmemAllocationProp properties(unsigned handle_types, int device = 0);
/// Of host memory at the node that device 0 is nearest to.
CUmemAllocationProp host_properties(unsigned handle_types);
CUmemAccessDesc access_of(int device, CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
CUmemAccessDesc access_of_host(CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE);

/// CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, a name that <cuda.h> has from 12.9 on.
inline constexpr auto kHostNumaMemory = static_cast<CUdevice_attribute>(141);
/// Of device 0; -1 where the driver doesn't know the attribute.
int attribute_of_device(CUdevice_attribute attribute);

/// Whether device 0 maps memory of the host. The simulator's does, whatever its attribute says.
bool has_host_memory();
/// Whether memory with a fabric handle can be made here: on a card, once an IMEX channel exists.
bool has_fabric();
/// Every handle type that this machine can give.
unsigned shareable();

/// Owns an allocation's handle. Not thread-safe, like all owners here.
class Memory {
public:
    explicit Memory(std::size_t size, unsigned handle_types = 0, int device = 0);
    Memory(CUmemGenericAllocationHandle handle, std::size_t size) : handle_(handle), size_(size) {}
    ~Memory() { release(); }
    Memory(const Memory &) = delete;
    Memory &operator=(const Memory &) = delete;

    CUmemGenericAllocationHandle handle() const { return handle_; }
    std::size_t size() const { return size_; }
    void release(); ///< early; what is mapped stays
    Fd export_descriptor() const;

private:
    CUmemGenericAllocationHandle handle_ = 0;
    std::size_t size_ = 0;
};

/// An allocation of host memory.
class HostMemory : public Memory {
public:
    explicit HostMemory(std::size_t size, unsigned handle_types = 0);
};

/// Owns a reserved range of addresses. What is mapped in it is unmapped first.
class Reservation {
public:
    explicit Reservation(std::size_t size);
    ~Reservation();
    Reservation(const Reservation &) = delete;
    Reservation &operator=(const Reservation &) = delete;

    CUdeviceptr address(std::size_t offset = 0) const { return address_ + offset; }
    std::size_t size() const { return size_; }
    void map(const Memory &memory, std::size_t offset = 0);
    void unmap(std::size_t offset = 0);
    void allow(CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE, int device = 0);
    void allow_host(CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE) const; ///< processors
    /// Where processors reach the first byte of a range that holds host memory.
    std::uint8_t *host_pointer() const;
    /// Where processors would load, before they have access.
    std::uint8_t *host_address() const;

private:
    struct Part {
        std::size_t offset, size;
    };
    CUdeviceptr address_ = 0;
    std::size_t size_ = 0;
    std::vector<Part> parts_;
};

/// A range with one allocation mapped in it, which may be read and written.
class Mapped : public Reservation {
public:
    explicit Mapped(const Memory &memory) : Reservation(memory.size()) {
        map(memory);
        allow();
    }
};

/// Owns a non-blocking stream.
class OwnStream {
public:
    OwnStream();
    ~OwnStream();
    OwnStream(const OwnStream &) = delete;
    OwnStream &operator=(const OwnStream &) = delete;
    CUstream get() const { return stream_; }

private:
    CUstream stream_ = nullptr;
};

/// Makes the primary context of a device current in the calling thread, once for the process.
void use_context(int device = 0);

using Bytes = std::vector<std::uint8_t>;
/// Bytes that depend on `seed` and the place.
Bytes pattern(std::size_t size, std::uint64_t seed);
/// Copies on a stream of their own, and waits.
void write(CUdeviceptr to, const Bytes &bytes);
/// A byte that is kUnread may be one that the driver hasn't brought.
Bytes read(CUdeviceptr from, std::size_t size);
inline constexpr std::uint8_t kUnread = 0xEE;

/// Imports a descriptor's memory into this process.
CUresult import_descriptor(int descriptor, CUmemGenericAllocationHandle &handle);

std::size_t free_memory(); ///< of the current context's device

} // namespace gmemfs::conformance
