#include "tools/pool/escaped.hpp"

#include "vmm/device/device.hpp"

#include <array>
#include <string_view>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::string_view kFirstNamespace = "pid:[4026531836]"; // PROC_PID_INIT_INO, <linux/proc_ns.h>

bool is_in_first_namespace() {
    std::array<char, 64> name = {};
    return ::readlink("/proc/self/ns/pid", name.data(), name.size() - 1) > 0 && name.data() == kFirstNamespace;
}

} // namespace

Escaped::Escaped(const std::string &driver, Contexts contexts) : knows_numbers_(is_in_first_namespace()) {
    Result<std::unique_ptr<Nvml>> opened = Nvml::open(driver);
    if (!opened) {
        why_nvml_ = opened.error().text();
        return;
    }
    nvml_ = *std::move(opened);
    why_context_ = "what a context takes isn't measured: --context";
    if (contexts == Contexts::unknown) return;
    const Result<void> measured = measure(driver);
    why_context_ = measured ? "" : measured.error().text();
}

// One device after the other, so that no context counts twice.
Result<void> Escaped::measure(const std::string &driver_name) {
    const std::unique_ptr<Driver> driver = TRY(Driver::open(driver_name));
    for (const DeviceInfo &device : TRY(query_devices(*driver))) {
        CUcontext context = nullptr;
        TRY(driver->check(driver->cuDevicePrimaryCtxRetain(&context, device.handle), "make a context to measure it"));
        const std::optional<Nvml::Charge> own = nvml_->charge(::getpid());
        (void)driver->cuDevicePrimaryCtxRelease(device.handle);
        if (!own) return Error{ENODATA, 0, "measure a context", "NVML doesn't tell of this process"};
        by_device_[device.uuid_text()] = own->bytes;
    }
    knows_numbers_ = true;
    return {};
}

Escaped::Told Escaped::of(pid_t pid, const ReadPoolFigures &figures) const {
    Told told;
    told.why = why_nvml_;
    if (nvml_ == nullptr) return told;
    told.why = "NVML's process numbers may be those of another PID namespace: --context finds out";
    if (!knows_numbers_) return told;
    const std::optional<Nvml::Charge> charge = nvml_->charge(pid);
    told.why = "NVML doesn't tell of this process";
    if (!charge) return told;
    told.charged = charge->bytes;
    told.why = why_context_;
    if (!why_context_.empty()) return told;
    std::uint64_t contexts = 0;
    for (const std::string &device : charge->devices) {
        const auto known = by_device_.find(device);
        told.why = "the process uses a device that this one doesn't see: mind CUDA_VISIBLE_DEVICES";
        if (known == by_device_.end()) return told;
        contexts += known->second;
    }
    told.context = contexts;
    const std::uint64_t files = figures.held - std::min(figures.held, figures.unlisted);
    told.why = "NVML charges less than the pool and a context have";
    if (charge->bytes < files + contexts) return told;
    told.escaped = charge->bytes - files - contexts;
    told.why.clear();
    return told;
}

} // namespace gmemfs
