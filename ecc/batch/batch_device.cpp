#include "ecc/batch/batch_device.hpp"

namespace gmemfs {
namespace {

// Of this thread, and for good: staging is allocated while other threads of the process may capture graphs.
void relax_captures(const Driver &driver) {
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    driver.cuThreadExchangeStreamCaptureMode(&mode);
}

} // namespace

Result<std::unique_ptr<BatchDevice>> BatchDevice::open(const Settings &settings) {
    std::unique_ptr<BatchDevice> opened(new BatchDevice);
    opened->driver_ = TRY(Driver::open(settings.driver));
    relax_captures(*opened->driver_);
    const DeviceInfo info = TRY(DeviceInfo::query(*opened->driver_, settings.ordinal));
    opened->device_ = TRY(Device::open(*opened->driver_, info));
    opened->can_compute_ = opened->prepare_to_compute(settings.nvcomp);
    return opened;
}

BatchDevice::~BatchDevice() {
    if (device_) (void)device_->make_current(); // the kernel's module goes with its context in any case
}

Result<void> BatchDevice::prepare_to_compute(const std::vector<std::string> &places) {
    nvcomp_ = TRY(Nvcomp::open(*driver_, places));
    TRY(device_->make_current());
    BatchKernels kernels = TRY(BatchKernels::load(*device_));
    kernels_.emplace(std::move(kernels));
    return {};
}

Result<BatchDevice *> BatchDeviceOnce::get() {
    const Hold hold(mutex_);
    if (!opened_) opened_.emplace(BatchDevice::open(settings_));
    if (!*opened_) return opened_->error();
    BatchDevice *const device = (*opened_)->get();
    relax_captures(device->device().driver());
    return device;
}

Result<DeviceBuffer> DeviceBuffer::create(Device &device, std::size_t size) {
    CUdeviceptr address = 0;
    TRY(device.check(device.driver().cuMemAlloc(&address, size), "allocate staging on the device",
        {{CUDA_ERROR_OUT_OF_MEMORY, ENOSPC}}));
    return DeviceBuffer(device, address, size);
}

} // namespace gmemfs
