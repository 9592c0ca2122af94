#include "vmm/memory/allocation.hpp"

#include <utility>

namespace gmemfs {
namespace {

constexpr unsigned kFd = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
constexpr unsigned kFabric = CU_MEM_HANDLE_TYPE_FABRIC;

} // namespace

Result<Allocation> Allocation::create(
    const Driver &driver, const DeviceInfo &device, std::uint64_t size, HandlePolicy policy) {
    // The device attribute says that fabric handles work where creation refuses them: so creation is what we ask.
    CUmemGenericAllocationHandle handle = 0;
    CUmemAllocationProp properties = allocation_properties(device, policy == HandlePolicy::fd ? kFd : kFd | kFabric);
    CUresult result = driver.cuMemCreate(&handle, size, &properties, 0);
    auto handles = policy == HandlePolicy::fd ? Handles::fd : Handles::fabric_and_fd;
    if (result != CUDA_SUCCESS && result != CUDA_ERROR_OUT_OF_MEMORY && policy == HandlePolicy::automatic) {
        properties = allocation_properties(device, kFd);
        result = driver.cuMemCreate(&handle, size, &properties, 0);
        handles = Handles::fd;
    }
    if (result != CUDA_SUCCESS && result != CUDA_ERROR_OUT_OF_MEMORY && policy != HandlePolicy::fabric) {
        properties.allocFlags = {}; // a machine with no RDMA at all
        result = driver.cuMemCreate(&handle, size, &properties, 0);
    }
    TRY(driver.check(result, "create extent"));
    return Allocation(driver, handle, handles);
}

Result<Allocation> Allocation::import_fabric(const Driver &driver, const FabricHandle &fabric) {
    CUmemGenericAllocationHandle handle = 0;
    FabricHandle bytes = fabric;
    TRY(driver.check(driver.cuMemImportFromShareableHandle(&handle, bytes.data(), CU_MEM_HANDLE_TYPE_FABRIC),
        "import fabric handle", {{CUDA_ERROR_NOT_SUPPORTED, ESTALE}}));
    return Allocation(driver, handle, Handles::fd);
}

Result<Allocation> Allocation::import_fd(const Driver &driver, const Fd &fd) {
    CUmemGenericAllocationHandle handle = 0;
    // The driver takes the descriptor's number in place of a pointer, and keeps no hold on it.
    void *number = reinterpret_cast<void *>(static_cast<std::uintptr_t>(fd.get())); // NOLINT(performance-no-int-to-ptr)
    TRY(driver.check(driver.cuMemImportFromShareableHandle(&handle, number, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR),
        "import descriptor", {{CUDA_ERROR_UNKNOWN, EINVAL}})); // no descriptor of device memory (H200, driver 580)
    return Allocation(driver, handle, Handles::fd);
}

Allocation::Allocation(Allocation &&other) noexcept
    : driver_(other.driver_), handle_(std::exchange(other.handle_, 0)), has_fabric_(other.has_fabric_) {}

Allocation &Allocation::operator=(Allocation &&other) noexcept {
    if (this != &other) {
        release();
        driver_ = other.driver_;
        handle_ = std::exchange(other.handle_, 0);
        has_fabric_ = other.has_fabric_;
    }
    return *this;
}

void Allocation::release() {
    if (handle_ != 0) driver_->cuMemRelease(std::exchange(handle_, 0));
}

Result<FabricHandle> Allocation::export_fabric() const {
    if (!has_fabric_)
        return Error{ENOTSUP, 0, "export fabric handle",
            "the extent was created without one: by --handles=fd, or because this machine has none, and then "
            "`gmemfs doctor` says why"};
    FabricHandle bytes;
    TRY(driver_->check(driver_->cuMemExportToShareableHandle(bytes.data(), handle_, CU_MEM_HANDLE_TYPE_FABRIC, 0),
        "export fabric handle", {{CUDA_ERROR_NOT_PERMITTED, ENOTSUP}}));
    return bytes;
}

Result<Fd> Allocation::export_fd() const {
    int fd = -1;
    TRY(driver_->check(driver_->cuMemExportToShareableHandle(&fd, handle_, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0),
        "export descriptor"));
    return Fd(fd);
}

} // namespace gmemfs
