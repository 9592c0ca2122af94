// Module: owner of a loaded module of kernels, which offers their host twins where the driver is the simulator.
#pragma once

#include "vmm/device/device.hpp"

#include <span>

namespace gmemfs {

/// A kernel's twin for the simulator: the same text, compiled for the host.
struct HostTwin {
    const char *name;
    gmemfs_host_kernel run;
    std::span<const unsigned> param_sizes; ///< bytes of each argument
};

/// The arguments that a host twin was launched with.
class HostArguments {
public:
    HostArguments(void **params, void *(*translate)(unsigned long long)) : params_(params), translate_(translate) {}
    template <typename T>
    T value(unsigned index) const {
        return *static_cast<const T *>(params_[index]);
    }
    /// A device pointer, translated for the host. Null: nothing is mapped there; the simulator has noted the fault, and
    /// the twin returns without doing anything.
    template <typename T>
    T *pointer(unsigned index) const {
        return static_cast<T *>(translate_(value<CUdeviceptr>(index)));
    }

private:
    void **params_;
    void *(*translate_)(unsigned long long);
};

/// Move-only. Thread-safe after load().
class Module {
public:
    /// `image` is what nvcc made; empty in a build without nvcc. ENOEXEC: `image` has no machine code for this GPU.
    static Result<Module> load(
        Device &device, std::span<const unsigned char> image, std::span<const HostTwin> host_twins);
    Module(Module &&other) noexcept : device_(other.device_), module_(std::exchange(other.module_, nullptr)) {}
    Module &operator=(Module &&) = delete;
    Module(const Module &) = delete;
    Module &operator=(const Module &) = delete;
    ~Module() {
        // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): it loses sight of Result's union
        if (module_ != nullptr) device_.driver().cuModuleUnload(module_);
    }

    Device &device() const { return device_; }
    /// ENOENT: no kernel of this name.
    Result<CUfunction> function(const char *name) const;

private:
    Module(Device &device, CUmodule module) : device_(device), module_(module) {}

    Device &device_;
    CUmodule module_;
};

} // namespace gmemfs
