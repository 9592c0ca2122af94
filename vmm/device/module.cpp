#include "vmm/device/module.hpp"

namespace gmemfs {

Result<Module> Module::load(
    Device &device, std::span<const unsigned char> image, std::span<const HostTwin> host_twins) {
    const Driver &driver = device.driver();
    if (driver.offer_host_kernel != nullptr)
        for (const HostTwin &twin : host_twins) {
            const int refused = driver.offer_host_kernel(
                twin.name, twin.run, twin.param_sizes.data(), static_cast<unsigned>(twin.param_sizes.size()));
            if (refused != 0) return Error{refused, 0, "offer kernel to the simulator", twin.name};
        }
    else if (image.empty())
        return Error{ENOEXEC, 0, "load kernels",
            "this program was built without nvcc, so it has none for a GPU: install the CUDA toolkit and build again"};
    // The simulator looks at no image; but a null pointer is refused, as by a driver.
    static constexpr unsigned char kNothing = 0;
    TRY(device.make_current());
    CUmodule module = nullptr;
    TRY(device.check(driver.cuModuleLoadData(&module, image.empty() ? &kNothing : image.data()), "load kernels"));
    return Module(device, module);
}

Result<CUfunction> Module::function(const char *name) const {
    CUfunction function = nullptr;
    TRY(device_.check(device_.driver().cuModuleGetFunction(&function, module_, name), "find kernel"));
    int stack_size = 0; // what doesn't fit into registers
    TRY(device_.check(device_.driver().cuFuncGetAttribute(&stack_size, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, function),
        "read kernel's stack"));
    TRY(device_.keep_stack(static_cast<std::size_t>(stack_size)));
    return function;
}

} // namespace gmemfs
