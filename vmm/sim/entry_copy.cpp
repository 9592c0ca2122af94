// Entry, copies: copies and fills.
//
// A range that isn't mapped and accessible is refused when the work is queued; one that is unmapped before the work
// runs loses the context, as a fault on a card does.
#include "vmm/sim/capture.hpp"
#include "vmm/sim/entry.hpp"
#include "vmm/sim/streams.hpp"

#include <cstring>
#include <shared_mutex>
#include <sys/mman.h>

using namespace gmemfs::sim;

namespace {

constexpr unsigned char kPoison = 0xDB; // what a host buffer holds between the queueing of a copy into it and its end
constexpr std::uint64_t kLargeFill = std::uint64_t(1) << 20;
constexpr std::uint64_t kPage = 4096;

// A range of device memory as the device of a stream sees it.
struct DeviceRange {
    CUdeviceptr address;
    std::size_t size;
    int access; // PROT_ bits
    std::uint32_t device;
    std::byte *translate() const { return process()->translate(address, size, access, device); }
};

CUresult finish_synchronous() {
    const std::shared_ptr<Stream> stream = find_stream(nullptr);
    synchronize(*stream);
    return static_cast<CUresult>(current_context()->failed.load());
}

CUresult copy_in(CUdeviceptr to, const void *from, std::size_t size, CUstream handle) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (size == 0) return CUDA_SUCCESS;
    const DeviceRange range = {to, size, PROT_WRITE, stream->context()->device};
    if (from == nullptr || range.translate() == nullptr) return CUDA_ERROR_INVALID_VALUE;
    submit(*stream, [=]() -> CUresult {
        const std::shared_lock<UseLock> using_it(process()->in_use);
        std::byte *const target = range.translate();
        if (target == nullptr) return CUDA_ERROR_ILLEGAL_ADDRESS;
        std::memcpy(target, from, size);
        return CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
}

CUresult copy_out(void *to, CUdeviceptr from, std::size_t size, CUstream handle) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (size == 0) return CUDA_SUCCESS;
    const DeviceRange range = {from, size, PROT_READ, stream->context()->device};
    if (to == nullptr || range.translate() == nullptr) return CUDA_ERROR_INVALID_VALUE;
    std::memset(to, kPoison, size);
    submit(*stream, [=]() -> CUresult {
        const std::shared_lock<UseLock> using_it(process()->in_use);
        const std::byte *const source = range.translate();
        if (source == nullptr) return CUDA_ERROR_ILLEGAL_ADDRESS;
        std::memcpy(to, source, size);
        return CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
}

CUresult copy_ranges(const DeviceRange &written, const DeviceRange &read, CUstream handle) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    const std::size_t size = read.size;
    if (size == 0) return CUDA_SUCCESS;
    if (read.translate() == nullptr || written.translate() == nullptr) return CUDA_ERROR_INVALID_VALUE;
    submit(*stream, [=]() -> CUresult {
        const std::shared_lock<UseLock> using_it(process()->in_use);
        const std::byte *const source = read.translate();
        std::byte *const target = written.translate();
        if (source == nullptr || target == nullptr) return CUDA_ERROR_ILLEGAL_ADDRESS;
        std::memmove(target, source, size);
        return CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
}

CUresult copy_within(CUdeviceptr to, CUdeviceptr from, std::size_t size, CUstream handle) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    const std::uint32_t device = stream->context()->device;
    return copy_ranges({to, size, PROT_WRITE, device}, {from, size, PROT_READ, device}, handle);
}

// Zeros over many pages are holes in the memfd: the host's memory comes back, and 64 GiB are cleared in no time.
void fill_bytes(std::byte *target, unsigned char value, std::size_t size) {
    const auto start = reinterpret_cast<std::uint64_t>(target);
    const std::uint64_t first = (start + kPage - 1) / kPage * kPage;
    const std::uint64_t last = (start + size) / kPage * kPage;
    if (value == 0 && size >= kLargeFill && ::madvise(target + (first - start), last - first, MADV_REMOVE) == 0) {
        std::memset(target, 0, first - start);
        std::memset(target + (last - start), 0, start + size - last);
        return;
    }
    std::memset(target, value, size);
}

CUresult fill(CUdeviceptr to, std::uint32_t pattern, std::size_t unit, std::size_t count, CUstream handle) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (count == 0) return CUDA_SUCCESS;
    const std::size_t size = unit * count;
    const DeviceRange range = {to, size, PROT_WRITE, stream->context()->device};
    if (size / unit != count || to % unit != 0 || range.translate() == nullptr) return CUDA_ERROR_INVALID_VALUE;
    submit(*stream, [=]() -> CUresult {
        const std::shared_lock<UseLock> using_it(process()->in_use);
        std::byte *const target = range.translate();
        if (target == nullptr) return CUDA_ERROR_ILLEGAL_ADDRESS;
        if (unit == 1 || pattern == 0) {
            fill_bytes(target, static_cast<unsigned char>(pattern), size);
            return CUDA_SUCCESS;
        }
        for (std::size_t at = 0; at < size; at += unit) std::memcpy(target + at, &pattern, unit);
        return CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
}

CUresult copy_any(CUdeviceptr to, CUdeviceptr from, std::size_t size, CUstream stream) {
    const bool to_device = (to & kTag) != 0;
    const bool from_device = (from & kTag) != 0;
    if (to_device && from_device) return copy_within(to, from, size, stream);
    if (to_device) return copy_in(to, reinterpret_cast<const void *>(from), size, stream); // NOLINT
    if (from_device) return copy_out(reinterpret_cast<void *>(to), from, size, stream);    // NOLINT
    return CUDA_ERROR_INVALID_VALUE;
}

} // namespace

extern "C" {

CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, std::size_t size, CUstream stream) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemcpyHtoDAsync);
    return copy_in(to, from, size, stream);
}

CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, std::size_t size, CUstream stream) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemcpyDtoHAsync);
    return copy_out(to, from, size, stream);
}

CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, std::size_t size, CUstream stream) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemcpyDtoDAsync);
    return copy_within(to, from, size, stream);
}

// Each device reads and writes its own, so no access of the other is needed: without one the driver goes through the
// host (H200, driver 580).
CUresult cuMemcpyPeerAsync(
    CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, std::size_t size, CUstream stream) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemcpyPeerAsync);
    GMEMFS_SIM_NOT_NULL(to_context);
    GMEMFS_SIM_NOT_NULL(from_context);
    for (CUcontext const each : {to_context, from_context})
        if (const CUresult loss = loss_of(reinterpret_cast<const Context *>(each)->device); loss != CUDA_SUCCESS)
            return loss;
    return copy_ranges({to, size, PROT_WRITE, reinterpret_cast<const Context *>(to_context)->device},
        {from, size, PROT_READ, reinterpret_cast<const Context *>(from_context)->device}, stream);
}

CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t size, CUstream stream) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemcpyAsync);
    return copy_any(to, from, size, stream);
}

// The last one first, because a card promises no order.
CUresult copy_batch_13000(CUdeviceptr *targets, CUdeviceptr *sources, std::size_t *sizes, std::size_t count,
    gmemfs_copy_attributes *attributes, std::size_t *firsts, std::size_t attribute_count, CUstream stream) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemcpyBatchAsync);
    for (const void *const array :
        {static_cast<const void *>(targets), static_cast<const void *>(sources), static_cast<const void *>(sizes),
            static_cast<const void *>(attributes), static_cast<const void *>(firsts)})
        GMEMFS_SIM_NOT_NULL(array);
    if (stream == nullptr || attribute_count == 0 || attribute_count > count || firsts[0] != 0)
        return CUDA_ERROR_INVALID_VALUE;
    for (std::size_t index = 0; index < attribute_count; ++index) {
        const bool is_in_order = index == 0 || firsts[index] > firsts[index - 1];
        const int order = attributes[index].source_order;
        if (!is_in_order || firsts[index] >= count || order < 1 || order > 3) return CUDA_ERROR_INVALID_VALUE;
    }
    for (std::size_t index = count; index-- > 0;)
        if (const CUresult queued = copy_any(targets[index], sources[index], sizes[index], stream);
            queued != CUDA_SUCCESS)
            return queued;
    return CUDA_SUCCESS;
}

CUresult cuMemcpyHtoD(CUdeviceptr to, const void *from, std::size_t size) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemcpyHtoD);
    const CUresult queued = copy_in(to, from, size, nullptr);
    return queued == CUDA_SUCCESS ? finish_synchronous() : queued;
}

CUresult cuMemcpyDtoH(void *to, CUdeviceptr from, std::size_t size) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemcpyDtoH);
    const CUresult queued = copy_out(to, from, size, nullptr);
    return queued == CUDA_SUCCESS ? finish_synchronous() : queued;
}

CUresult cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, std::size_t size) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemcpyDtoD);
    return copy_within(to, from, size, nullptr); // a card doesn't wait either: device to device is asynchronous
}

CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, std::size_t size) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemcpy);
    const CUresult queued = copy_any(to, from, size, nullptr);
    return queued == CUDA_SUCCESS ? finish_synchronous() : queued;
}

CUresult cuMemsetD8(CUdeviceptr to, unsigned char value, std::size_t count) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemsetD8);
    return fill(to, value, 1, count, nullptr);
}

CUresult cuMemsetD32(CUdeviceptr to, unsigned value, std::size_t count) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemsetD32);
    return fill(to, value, sizeof value, count, nullptr);
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, std::size_t count, CUstream stream) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemsetD8Async);
    return fill(to, value, 1, count, stream);
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, std::size_t count, CUstream stream) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemsetD32Async);
    return fill(to, value, sizeof value, count, stream);
}

} // extern "C"
