// Kernel: modules whose functions are host-compiled twins, found by name, run lane by lane on the stream's thread.
#include "vmm/sim/streams.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <sys/mman.h>

namespace gmemfs::sim {
namespace {

constexpr unsigned kParamsMax = 16;

struct Kernel {
    gmemfs_host_kernel run;
    std::vector<unsigned> param_sizes;
};

struct Kernels {
    std::mutex mutex;
    std::map<std::string, Kernel> by_name; // nodes stay where they are: a CUfunction is the address of one
};

Kernels &kernels() {
    static auto *const only = new Kernels;
    return *only;
}

// Of the launch that this thread runs.
thread_local std::uint32_t device_of_launch = 0;
thread_local bool has_faulted = false; // a lane asked for an address that isn't mapped

// A kernel may touch whatever lies in mapped memory: the byte at the address is what can be checked here.
void *translate_for_kernel(unsigned long long address) {
    void *const found = process()->translate(address, 1, PROT_READ, device_of_launch);
    has_faulted = has_faulted || found == nullptr;
    return found;
}

} // namespace

extern "C" __attribute__((visibility("default"))) int gmemfs_sim_offer_host_kernel(
    const char *name, gmemfs_host_kernel kernel, const unsigned *param_sizes, unsigned param_count) {
    if (name == nullptr || kernel == nullptr || param_count > kParamsMax) return EINVAL;
    if (param_sizes == nullptr && param_count != 0) return EINVAL;
    const std::lock_guard<std::mutex> hold(kernels().mutex);
    kernels().by_name[name] = {kernel, {param_sizes, param_sizes + param_count}};
    return 0;
}

CUresult get_function(CUfunction *function, const char *name) {
    const std::lock_guard<std::mutex> hold(kernels().mutex);
    const auto found = kernels().by_name.find(name);
    if (found == kernels().by_name.end()) return CUDA_ERROR_NOT_FOUND;
    *function = reinterpret_cast<CUfunction>(&found->second);
    return CUDA_SUCCESS;
}

CUresult launch(CUfunction function, unsigned blocks, unsigned threads, CUstream handle, void **params) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (function == nullptr || blocks == 0 || threads == 0 || threads > 1024) return CUDA_ERROR_INVALID_VALUE;
    Kernel kernel;
    {
        const std::lock_guard<std::mutex> hold(kernels().mutex);
        kernel = *reinterpret_cast<Kernel *>(function);
    }
    if (params == nullptr && !kernel.param_sizes.empty()) return CUDA_ERROR_INVALID_VALUE;
    // The arguments are copied when the launch is queued, as a driver does.
    std::vector<std::vector<std::byte>> copies;
    for (std::size_t i = 0; i < kernel.param_sizes.size(); ++i) {
        const auto *const from = static_cast<const std::byte *>(params[i]);
        copies.emplace_back(from, from + kernel.param_sizes[i]);
    }
    const std::uint32_t device = stream->context()->device;
    submit(*stream, [=]() mutable -> CUresult {
        const std::shared_lock<UseLock> using_it(process()->in_use);
        std::vector<void *> arguments;
        arguments.reserve(copies.size());
        for (auto &copy : copies) arguments.push_back(copy.data());
        device_of_launch = device;
        has_faulted = false;
        for (unsigned block = 0; block < blocks; ++block)
            for (unsigned thread = 0; thread < threads; ++thread) {
                const gmemfs_lane lane = {block, thread, blocks, threads};
                kernel.run(&lane, arguments.data(), translate_for_kernel);
            }
        return has_faulted ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
}

} // namespace gmemfs::sim
