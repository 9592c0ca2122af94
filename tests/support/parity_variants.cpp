#include "tests/support/parity_variants.hpp"

#include "ecc/parity/twins.hpp"
#include "tests/support/read_all.cuh"

extern "C" const unsigned char parity_variants_fatbin[];
extern "C" const unsigned char parity_variants_fatbin_end[];

namespace gmemfs::test {
namespace {

constexpr auto kTwins120 = ParityTwins<120>::make("parity_encode_120", "parity_verify_120", "parity_repair_120");

void read_all_on_host(const gmemfs_lane *lane, void **params, void *(*translate)(unsigned long long)) {
    const HostArguments arguments(params, translate);
    const auto *const from = arguments.pointer<const kernels::Quad>(0);
    auto *const sums = arguments.pointer<std::uint32_t>(2);
    if (from == nullptr || sums == nullptr) return;
    read_all_lane(std::uint64_t(lane->block_index) * lane->thread_count + lane->thread_index,
        std::uint64_t(lane->block_count) * lane->thread_count, from, arguments.value<std::uint64_t>(1), sums);
}
constexpr unsigned kReadAllSizes[] = {sizeof(CUdeviceptr), sizeof(std::uint64_t), sizeof(CUdeviceptr)};
constexpr HostTwin kReadAllTwin = {"read_all", read_all_on_host, kReadAllSizes};

std::span<const unsigned char> image() {
    // Through a volatile pointer: two arrays never begin at one address, as the compiler sees it.
    const unsigned char *const volatile end = parity_variants_fatbin_end;
    return {+parity_variants_fatbin, static_cast<std::size_t>(end - +parity_variants_fatbin)};
}

} // namespace

Result<std::unique_ptr<ParityKernels>> load_kernels_120(Device &device) {
    return ParityKernels::load(device, {image(), kTwins120});
}

Result<Module> load_read_all(Device &device) { return Module::load(device, image(), {&kReadAllTwin, 1}); }

} // namespace gmemfs::test
