#include "ecc/batch/batch_kernels.hpp"

#include <algorithm>
#include <span>

// What nvcc made of kernels/batch.cu; nothing lies between the two in a build without nvcc.
extern "C" const unsigned char batch_fatbin[];
extern "C" const unsigned char batch_fatbin_end[];

namespace gmemfs {
namespace {

constexpr unsigned kLanes = 32;
constexpr unsigned kThreads = 128; // as the kernel's launch bounds say
constexpr std::uint64_t kBlocksMost = 1U << 20;

// A warp's first lane does the work of all 32; the other lanes' calls return at once.
void run_move(const gmemfs_lane *lane, void **params, void *(*translate)(unsigned long long)) {
    if (lane->thread_index % kLanes != 0) return;
    const HostArguments arguments(params, translate);
    const auto *const from = arguments.pointer<std::uint8_t>(0);
    auto *const to = arguments.pointer<std::uint8_t>(1);
    const auto *const pieces = arguments.pointer<MovePiece>(2);
    if (from == nullptr || to == nullptr || pieces == nullptr) return;
    const kernels::Warp warp((std::uint64_t(lane->block_index) * lane->thread_count + lane->thread_index) / kLanes,
        std::uint64_t(lane->block_count) * lane->thread_count / kLanes);
    kernels::batch_move(warp, from, to, pieces, arguments.value<std::uint64_t>(3));
}

constexpr unsigned kSizes[] = {8, 8, 8, 8};
constexpr HostTwin kTwins[] = {{"batch_move", run_move, kSizes}};

} // namespace

Result<BatchKernels> BatchKernels::load(Device &device) {
    // Through a volatile pointer: two arrays never begin at one address, as the compiler sees it.
    const unsigned char *const volatile end = batch_fatbin_end;
    Module module = TRY(Module::load(device, {+batch_fatbin, static_cast<std::size_t>(end - +batch_fatbin)}, kTwins));
    const CUfunction move = TRY(module.function(kTwins[0].name));
    return BatchKernels(std::move(module), move);
}

Result<void> BatchKernels::move(
    CUstream stream, CUdeviceptr from, CUdeviceptr to, CUdeviceptr pieces, std::uint64_t count) const {
    GMEMFS_ASSERT(count > 0);
    constexpr unsigned kWarps = kThreads / kLanes;
    const auto grid = static_cast<unsigned>(std::min((count + kWarps - 1) / kWarps, kBlocksMost));
    void *arguments[] = {&from, &to, &pieces, &count};
    return module_.device().check(
        module_.device().driver().cuLaunchKernel(move_, grid, 1, 1, kThreads, 1, 1, 0, stream, arguments, nullptr),
        "launch batch kernel");
}

} // namespace gmemfs
