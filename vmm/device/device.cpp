#include "vmm/device/device.hpp"

#include "vmm/base/units.hpp"

#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <unistd.h>

namespace gmemfs {
namespace {

std::uint64_t physical_memory() {
    return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// <cuda.h> has their names from 12.8 on: CU_DEVICE_ATTRIBUTE_MEM_DECOMPRESS_ALGORITHM_MASK,
// CU_MEM_CREATE_USAGE_HW_DECOMPRESS.
constexpr auto kDecompressAlgorithms = static_cast<CUdevice_attribute>(136);
constexpr unsigned short kUsageHwDecompress = 2;

Result<std::uint64_t> granularity_of(const Driver &driver, const DeviceInfo &info) {
    const CUmemAllocationProp properties = allocation_properties(info, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
    std::size_t granularity = 0;
    TRY(driver.check(
        driver.cuMemGetAllocationGranularity(&granularity, &properties, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED),
        "read device's granularity"));
    return std::uint64_t(granularity);
}

} // namespace

std::string DeviceInfo::uuid_text() const {
    if (uuid == kHostUuid) return "host";
    std::string text = "GPU-";
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", uuid.at(i));
        text += digits;
    }
    return text;
}

Result<DeviceInfo> DeviceInfo::query(const Driver &driver, int ordinal) {
    DeviceInfo info;
    info.ordinal = ordinal;
    TRY(driver.check(driver.cuDeviceGet(&info.handle, ordinal), "find device", {{CUDA_ERROR_INVALID_VALUE, ENODEV}}));
    CUuuid uuid;
    TRY(driver.check(driver.cuDeviceGetUuid(&uuid, info.handle), "read device's UUID"));
    std::memcpy(info.uuid.data(), uuid.bytes, info.uuid.size());
    char text[256] = {};
    TRY(driver.check(driver.cuDeviceGetName(text, sizeof text - 1, info.handle), "read device's name"));
    info.name = text;
    std::memset(text, 0, sizeof text);
    TRY(driver.check(driver.cuDeviceGetPCIBusId(text, sizeof text - 1, info.handle), "read device's bus address"));
    info.bus_id = text;
    std::size_t total = 0;
    TRY(driver.check(driver.cuDeviceTotalMem(&total, info.handle), "read device's memory size"));
    info.total = total;
    const auto attribute = [&](int *value, CUdevice_attribute which) {
        return driver.check(driver.cuDeviceGetAttribute(value, which, info.handle), "read device's attribute");
    };
    TRY(attribute(&info.compute_major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR));
    TRY(attribute(&info.compute_minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
    int has_vmm = 0;
    TRY(attribute(&has_vmm, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED));
    if (has_vmm == 0) return Error{ENODEV, 0, "find device", info.name + " has no virtual memory management"};
    int algorithms = 0; // unknown before 12.8
    const CUresult told = driver.cuDeviceGetAttribute(&algorithms, kDecompressAlgorithms, info.handle);
    info.decompresses = told == CUDA_SUCCESS && algorithms != 0;
    info.granularity = TRY(granularity_of(driver, info));
    constexpr auto kNode = CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID; // unknown before 12.2
    if (driver.cuDeviceGetAttribute(&info.numa_node, kNode, info.handle) != CUDA_SUCCESS) info.numa_node = -1;
    info.users = {info.handle};
    return info;
}

std::uint64_t available_host_memory() {
    std::ifstream told("/proc/meminfo");
    std::string word;
    while (told >> word) {
        std::uint64_t kib = 0;
        if (word == "MemAvailable:" && told >> kib) return kib * KiB;
    }
    return 0;
}

Result<DeviceInfo> DeviceInfo::query_host(const Driver &driver, const std::vector<DeviceInfo> &gpus) {
    DeviceInfo info = gpus.front();             // whose context it uses
    if (info.numa_node < 0) info.numa_node = 0; // a machine without nodes
    info.kind = Kind::host;
    info.decompresses = false;
    info.ordinal = -1;
    info.uuid = kHostUuid;
    info.name = "host memory";
    info.total = physical_memory();
    info.users.clear();
    for (const DeviceInfo &gpu : gpus) info.users.push_back(gpu.handle);
    const Result<std::uint64_t> granularity = granularity_of(driver, info);
    if (granularity) info.granularity = *granularity;
    // The attribute that tells whether it can is known to drivers from 12.9 on alone: so creation is what is asked.
    const CUmemAllocationProp properties = allocation_properties(info, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
    CUmemGenericAllocationHandle probe = 0;
    if (!granularity || driver.cuMemCreate(&probe, info.granularity, &properties, 0) != CUDA_SUCCESS)
        return Error{ENOTSUP, 0, "use host memory", "the driver makes none that can be shared: it needs 12.2 or later"};
    driver.cuMemRelease(probe);
    return info;
}

Error Device::failure(CUresult result, const char *doing, std::initializer_list<Driver::Errno> here) const {
    const Error error = driver_.check(result, doing, here).error();
    heard(error);
    return error;
}

// An error of host memory's is that of a GPU that has lent its context, and each says by itself whether it is lost.
void Device::heard(const Error &error) const {
    if (!driver_errno(static_cast<CUresult>(error.driver)).sticky) return;
    for (const Device *const gpu : carriers_) (void)gpu->memory();
    if (carriers_.empty() || carrier().failed()) lose(error);
}

const Device &Device::carrier() const {
    for (const Device *const gpu : carriers_)
        if (!gpu->failed()) return *gpu;
    return carriers_.empty() ? *this : *carriers_.front();
}

void Device::lose(const Error &error) const {
    std::call_once(lost_, [&] {
        failed_ = true;
        if (watch_ != nullptr) watch_->device_failed(*this, error);
    });
}

Error Device::loss() const {
    std::call_once(lost_, [] {}); // the watch may end this process, so that the next one carries the request out
    return Error{EIO, 0, "use device", info_.uuid_text() + " is lost to this server, whose log says why"};
}

void Device::look_for_link(const Device &target) const {
    if (watch_ == nullptr || failed() || (targets_.fetch_or(bit_of(target)) & bit_of(target)) != 0) return;
    int can = 0;
    const CUresult asked = driver_.cuDeviceCanAccessPeer(&can, target.info_.handle, info_.handle);
    if (asked != CUDA_SUCCESS || can != 0) return; // of a driver that fails the copy itself tells
    target.targets_.fetch_or(bit_of(*this));       // the way back needn't be told of
    watch_->link_missed(*this, target);
}

CUmemAllocationProp allocation_properties(const DeviceInfo &device, unsigned types) {
    CUmemAllocationProp properties = {};
    properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location.type = device.is_host() ? CU_MEM_LOCATION_TYPE_HOST_NUMA : CU_MEM_LOCATION_TYPE_DEVICE;
    properties.location.id = device.is_host() ? device.numa_node : device.handle;
    // Handle types are bits that <cuda.h> declares as an enum; the driver takes them together (H200, driver 580).
    properties.requestedHandleTypes = static_cast<CUmemAllocationHandleType>(types);
    properties.allocFlags.gpuDirectRDMACapable = device.is_host() ? 0 : 1; // host memory: INVALID_VALUE (H200)
    properties.allocFlags.usage = device.decompresses ? kUsageHwDecompress : 0;
    return properties;
}

Result<std::vector<DeviceInfo>> query_devices(const Driver &driver) {
    int count = 0;
    TRY(driver.check(driver.cuDeviceGetCount(&count), "count devices"));
    std::vector<DeviceInfo> devices;
    devices.reserve(static_cast<std::size_t>(count));
    for (int ordinal = 0; ordinal < count; ++ordinal) devices.push_back(TRY(DeviceInfo::query(driver, ordinal)));
    return devices;
}

Result<std::vector<DeviceInfo>> query_living_devices(const Driver &driver) {
    int count = 0;
    TRY(driver.check(driver.cuDeviceGetCount(&count), "count devices"));
    std::vector<DeviceInfo> devices;
    std::optional<Error> first;
    for (int ordinal = 0; ordinal < count; ++ordinal) {
        Result<DeviceInfo> info = DeviceInfo::query(driver, ordinal);
        if (info)
            devices.push_back(*std::move(info));
        else if (!first)
            first = info.error();
    }
    if (devices.empty() && first) return Error(*first);
    return devices;
}

std::unique_ptr<Device> Device::make_lost(const Driver &driver, const DeviceInfo &info) {
    std::unique_ptr<Device> device(new Device(driver, info));
    device->failed_ = true;
    return device;
}

Result<std::unique_ptr<Device>> Device::open(const Driver &driver, const DeviceInfo &info) {
    std::unique_ptr<Device> device(new Device(driver, info));
    unsigned flags = 0;
    int is_there = 0;
    TRY(driver.check(
        driver.cuDevicePrimaryCtxGetState(info.handle, &flags, &is_there), "look for a context on device"));
    TRY(driver.check(driver.cuDevicePrimaryCtxRetain(&device->context_, info.handle), "make context on device",
        {{CUDA_ERROR_OUT_OF_MEMORY, ENOMEM}}));
    TRY(device->make_current());
    device->is_own_ = is_there == 0;
    // There is a stack for every thread that the device can run at once, 270,336 on an H200. No kernel of ours prints
    // or allocates.
    if (device->is_own_)
        for (const CUlimit limit : {CU_LIMIT_STACK_SIZE, CU_LIMIT_PRINTF_FIFO_SIZE, CU_LIMIT_MALLOC_HEAP_SIZE})
            TRY(device->set_limit(limit, 0));
    return device;
}

Result<void> Device::set_limit(CUlimit limit, std::size_t size) const {
    const CUresult result = driver_.cuCtxSetLimit(limit, size);
    // A driver that wants more keeps its own size: that costs memory, and nothing else.
    if (result == CUDA_ERROR_UNSUPPORTED_LIMIT || result == CUDA_ERROR_INVALID_VALUE) return {};
    return check(result, "set context's limit");
}

Result<void> Device::keep_stack(std::size_t size) {
    const Hold hold(stack_mutex_);
    if (!is_own_ || size <= stack_size_) return {};
    TRY(make_current());
    TRY(set_limit(CU_LIMIT_STACK_SIZE, size));
    stack_size_ = size;
    return {};
}

Device::~Device() {
    if (context_ != nullptr) driver_.cuDevicePrimaryCtxRelease(info_.handle);
}

Result<void> Device::make_current() const {
    if (failed()) [[unlikely]]
        return loss();
    if (!carriers_.empty()) return carrier().make_current();
    return check(driver_.cuCtxSetCurrent(context_), "bind context to thread");
}

Result<Device::Memory> Device::memory() const {
    if (info_.is_host()) return Memory{available_host_memory(), info_.total};
    if (failed()) return Error{EIO, 0, "read free memory", "the device is lost"}; // `df` doesn't wait for the watch
    TRY(make_current());
    std::size_t free = 0;
    std::size_t total = 0;
    TRY(check(driver_.cuMemGetInfo(&free, &total), "read free memory"));
    return Memory{free, total};
}

} // namespace gmemfs
