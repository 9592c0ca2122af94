#include "ecc/parity/kernels.hpp"

#include "ecc/parity/twins.hpp"

#include <algorithm>

// What nvcc made of kernels/parity.cu; nothing lies between the two in a build without nvcc.
extern "C" const unsigned char parity_fatbin[];
extern "C" const unsigned char parity_fatbin_end[];

namespace gmemfs {
namespace {

constexpr unsigned kRepairBlocksMax = 4096;

constexpr auto kTwins = ParityTwins<kDataRows>::make("parity_encode", "parity_verify", "parity_repair");

std::span<const unsigned char> image() {
    // Through a volatile pointer: two arrays never begin at one address, as the compiler sees it.
    const unsigned char *const volatile end = parity_fatbin_end;
    return {+parity_fatbin, static_cast<std::size_t>(end - +parity_fatbin)};
}

} // namespace

Result<std::unique_ptr<ParityKernels>> ParityKernels::load(Device &device) { return load(device, {image(), kTwins}); }

Result<std::unique_ptr<ParityKernels>> ParityKernels::load(Device &device, const Source &source) {
    Module module = TRY(Module::load(device, source.image, source.host_twins));
    const CUfunction encode = TRY(module.function(source.host_twins[0].name));
    const CUfunction verify = TRY(module.function(source.host_twins[1].name));
    const CUfunction repair = TRY(module.function(source.host_twins[2].name));
    return std::unique_ptr<ParityKernels>(new ParityKernels(std::move(module), encode, verify, repair));
}

Result<void> ParityKernels::launch(
    CUfunction function, std::uint64_t warps, CUstream stream, Blocks blocks, CUdeviceptr findings) const {
    GMEMFS_ASSERT(blocks.count > 0);
    GMEMFS_ASSERT(warps < 1U << 31);
    void *arguments[] = {&blocks.data, &blocks.parity, &blocks.checksums, &blocks.count, &findings};
    TRY(device().make_current());
    return device().check(device().driver().cuLaunchKernel(function, static_cast<unsigned>(warps), 1, 1, kLanes, 1, 1,
                              0, stream, arguments, nullptr),
        "launch parity kernel");
}

Result<void> ParityKernels::encode(CUstream stream, const Blocks &blocks) const {
    return launch(encode_, blocks.count, stream, blocks, 0);
}

Result<void> ParityKernels::verify(CUstream stream, const Blocks &blocks, CUdeviceptr findings) const {
    GMEMFS_ASSERT(blocks.count <= kBlocksPerPass);
    return launch(verify_, blocks.count, stream, blocks, findings);
}

Result<void> ParityKernels::repair(CUstream stream, const Blocks &blocks, CUdeviceptr findings) const {
    GMEMFS_ASSERT(blocks.count <= kBlocksPerPass);
    return launch(repair_, std::min<std::uint64_t>(blocks.count, kRepairBlocksMax), stream, blocks, findings);
}

} // namespace gmemfs
