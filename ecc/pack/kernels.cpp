#include "ecc/pack/kernels.hpp"

#include "ecc/pack/kernels/crc32c.cuh"
#include "ecc/pack/kernels/decode.cuh"
#include "ecc/pack/kernels/encode.cuh"
#include "ecc/pack/kernels/plan.cuh"
#include "ecc/pack/kernels/window.cuh"

#include <span>

// What nvcc made of kernels/pack.cu; nothing lies between the two in a build without nvcc.
extern "C" const unsigned char pack_fatbin[];
extern "C" const unsigned char pack_fatbin_end[];

namespace gmemfs {
namespace {

constexpr unsigned kLanes = 32;
constexpr unsigned kThreads = 128; // as the kernels' launch bounds say

using Translate = void *(*)(unsigned long long);

// A warp's first lane does the work of all 32; the other lanes' calls return at once.
bool is_first(const gmemfs_lane &lane) { return lane.thread_index % kLanes == 0; }
kernels::Warp warp(const gmemfs_lane &lane) {
    return {(std::uint64_t(lane.block_index) * lane.thread_count + lane.thread_index) / kLanes,
        std::uint64_t(lane.block_count) * lane.thread_count / kLanes};
}

void run_plan(const gmemfs_lane *lane, void **params, Translate translate) {
    if (!is_first(*lane)) return;
    const HostArguments arguments(params, translate);
    const auto *const plain = arguments.pointer<std::uint8_t>(0);
    auto *const entries = arguments.pointer<ImageEntry>(1);
    if (plain == nullptr || entries == nullptr) return;
    kernels::PackScratch scratch;
    kernels::pack_plan(warp(*lane), plain, entries, arguments.value<std::uint64_t>(2), scratch);
}
void run_encode(const gmemfs_lane *lane, void **params, Translate translate) {
    if (!is_first(*lane)) return;
    const HostArguments arguments(params, translate);
    const auto *const plain = arguments.pointer<std::uint8_t>(0);
    auto *const image = arguments.pointer<std::uint8_t>(1);
    const auto *const entries = arguments.pointer<ImageEntry>(2);
    if (plain == nullptr || image == nullptr || entries == nullptr) return;
    kernels::PackScratch scratch;
    kernels::pack_encode(warp(*lane), plain, image, entries, arguments.value<std::uint64_t>(3), scratch);
}
void run_gather(const gmemfs_lane *lane, void **params, Translate translate) {
    if (!is_first(*lane)) return;
    const HostArguments arguments(params, translate);
    const auto *const window = arguments.pointer<std::uint8_t>(0);
    auto *const image = arguments.pointer<std::uint8_t>(2);
    const auto *const entries = arguments.pointer<ImageEntry>(3);
    if (window == nullptr || image == nullptr || entries == nullptr) return;
    kernels::pack_gather(
        warp(*lane), window, arguments.value<std::uint64_t>(1), image, entries, arguments.value<std::uint64_t>(4));
}
void run_compare_window(const gmemfs_lane *lane, void **params, Translate translate) {
    if (!is_first(*lane)) return;
    const HostArguments arguments(params, translate);
    const auto *const plain = arguments.pointer<std::uint8_t>(0);
    const auto *const window = arguments.pointer<std::uint8_t>(1);
    const auto *const entries = arguments.pointer<ImageEntry>(3);
    auto *const findings = arguments.pointer<PackFindings>(6);
    if (plain == nullptr || window == nullptr || entries == nullptr || findings == nullptr) return;
    kernels::pack_compare_window(warp(*lane), plain, window, arguments.value<std::uint64_t>(2), entries,
        arguments.value<std::uint64_t>(4), arguments.value<std::uint64_t>(5), findings);
}
void run_checksum(const gmemfs_lane *lane, void **params, Translate translate) {
    if (!is_first(*lane)) return;
    const HostArguments arguments(params, translate);
    const auto *const image = arguments.pointer<std::uint8_t>(0);
    auto *const entries = arguments.pointer<ImageEntry>(1);
    if (image == nullptr || entries == nullptr) return;
    kernels::pack_checksum(warp(*lane), image, entries, arguments.value<std::uint64_t>(2));
}
template <auto kKernel> // check and prove: they have the same arguments
void run_look(const gmemfs_lane *lane, void **params, Translate translate) {
    if (!is_first(*lane)) return;
    const HostArguments arguments(params, translate);
    const auto *const image = arguments.pointer<std::uint8_t>(0);
    const auto *const entries = arguments.pointer<ImageEntry>(1);
    auto *const findings = arguments.pointer<PackFindings>(4);
    if (image == nullptr || entries == nullptr || findings == nullptr) return;
    kKernel(
        warp(*lane), image, entries, arguments.value<std::uint64_t>(2), arguments.value<std::uint64_t>(3), findings);
}

struct Unpacking { // the arguments of compare and decode
    explicit Unpacking(const HostArguments &arguments)
        : plain(arguments.pointer<std::uint8_t>(0)), image(arguments.pointer<std::uint8_t>(1)),
          entries(arguments.pointer<ImageEntry>(2)), count(arguments.value<std::uint64_t>(3)),
          first(arguments.value<std::uint64_t>(4)), findings(arguments.pointer<PackFindings>(5)) {}
    bool is_mapped() const { return plain != nullptr && image != nullptr && entries != nullptr && findings != nullptr; }

    std::uint8_t *plain;
    const std::uint8_t *image;
    const ImageEntry *entries;
    std::uint64_t count, first;
    PackFindings *findings;
};
void run_compare(const gmemfs_lane *lane, void **params, Translate translate) {
    if (!is_first(*lane)) return;
    const Unpacking with(HostArguments(params, translate));
    if (with.is_mapped())
        kernels::pack_compare(warp(*lane), with.plain, with.image, with.entries, with.count, with.first, with.findings);
}
void run_decode(const gmemfs_lane *lane, void **params, Translate translate) {
    if (!is_first(*lane)) return;
    const Unpacking with(HostArguments(params, translate));
    if (with.is_mapped())
        kernels::pack_decode(warp(*lane), with.plain, with.image, with.entries, with.count, with.first, with.findings);
}

// Pointers and counts: each has 8 bytes.
constexpr unsigned kSizes[] = {8, 8, 8, 8, 8, 8, 8};
constexpr std::span<const unsigned> sizes(std::size_t count) { return std::span(kSizes).first(count); }
static_assert(sizeof(CUdeviceptr) == 8);
constexpr HostTwin kTwins[] = {{"pack_plan", run_plan, sizes(3)}, {"pack_encode", run_encode, sizes(4)},
    {"pack_checksum", run_checksum, sizes(3)}, {"pack_check", run_look<kernels::pack_check>, sizes(5)},
    {"pack_compare", run_compare, sizes(6)}, {"pack_decode", run_decode, sizes(6)},
    {"pack_prove", run_look<kernels::pack_prove>, sizes(5)}, {"pack_gather", run_gather, sizes(5)},
    {"pack_compare_window", run_compare_window, sizes(7)}};

std::span<const unsigned char> own_image() {
    // Through a volatile pointer: two arrays never begin at one address, as the compiler sees it.
    const unsigned char *const volatile end = pack_fatbin_end;
    return {+pack_fatbin, static_cast<std::size_t>(end - +pack_fatbin)};
}

} // namespace

Result<std::unique_ptr<PackKernels>> PackKernels::load(Device &device) { return load(device, own_image()); }

Result<std::unique_ptr<PackKernels>> PackKernels::load(Device &device, std::span<const unsigned char> image) {
    Module module = TRY(Module::load(device, image, kTwins));
    std::unique_ptr<PackKernels> kernels(new PackKernels(std::move(module)));
    for (unsigned kernel = 0; kernel < kKernels; ++kernel)
        kernels->functions_[kernel] = TRY(kernels->module_.function(kTwins[kernel].name));
    return kernels;
}

Result<void> PackKernels::launch(Kernel kernel, CUstream stream, std::uint64_t warps, void **arguments) const {
    constexpr unsigned kWarps = kThreads / kLanes;
    const std::uint64_t grid = (warps + kWarps - 1) / kWarps;
    GMEMFS_ASSERT(warps > 0);
    GMEMFS_ASSERT(grid < 1U << 31);
    TRY(device().make_current());
    return device().check(device().driver().cuLaunchKernel(functions_[kernel], static_cast<unsigned>(grid), 1, 1,
                              kThreads, 1, 1, 0, stream, arguments, nullptr),
        "launch pack kernel");
}

Result<void> PackKernels::plan(CUstream stream, const Chunks &of) const {
    Chunks chunks = of;
    void *arguments[] = {&chunks.plain, &chunks.entries, &chunks.count};
    return launch(kPlan, stream, chunks.count, arguments);
}

Result<void> PackKernels::encode(CUstream stream, const Chunks &of) const {
    Chunks chunks = of;
    void *arguments[] = {&chunks.plain, &chunks.image, &chunks.entries, &chunks.count};
    return launch(kEncode, stream, chunks.count, arguments);
}

Result<void> PackKernels::gather(CUstream stream, const Chunks &of, CUdeviceptr window, std::uint64_t stride) const {
    Chunks chunks = of;
    void *arguments[] = {&window, &stride, &chunks.image, &chunks.entries, &chunks.count};
    return launch(kGather, stream, chunks.count * kernels::kWindowWarps, arguments);
}

Result<void> PackKernels::compare_window(
    CUstream stream, const Chunks &of, CUdeviceptr window, std::uint64_t stride, CUdeviceptr findings) const {
    Chunks chunks = of;
    void *arguments[] = {&chunks.plain, &window, &stride, &chunks.entries, &chunks.count, &chunks.first, &findings};
    return launch(kCompareWindow, stream, chunks.count * kernels::kWindowWarps, arguments);
}

Result<void> PackKernels::checksum(CUstream stream, const Chunks &of) const {
    Chunks chunks = of;
    void *arguments[] = {&chunks.image, &chunks.entries, &chunks.count};
    return launch(kChecksum, stream, chunks.count, arguments);
}

Result<void> PackKernels::check(CUstream stream, const Chunks &of, CUdeviceptr findings) const {
    Chunks chunks = of;
    void *arguments[] = {&chunks.image, &chunks.entries, &chunks.count, &chunks.first, &findings};
    return launch(kCheck, stream, chunks.count, arguments);
}

Result<void> PackKernels::prove(CUstream stream, const Chunks &of, CUdeviceptr findings) const {
    Chunks chunks = of;
    void *arguments[] = {&chunks.image, &chunks.entries, &chunks.count, &chunks.first, &findings};
    return launch(kProve, stream, chunks.count, arguments);
}

Result<void> PackKernels::compare(CUstream stream, const Chunks &of, CUdeviceptr findings) const {
    Chunks chunks = of;
    void *arguments[] = {&chunks.plain, &chunks.image, &chunks.entries, &chunks.count, &chunks.first, &findings};
    return launch(kCompare, stream, chunks.count, arguments);
}

Result<void> PackKernels::decode(CUstream stream, const Chunks &of, CUdeviceptr findings) const {
    Chunks chunks = of;
    void *arguments[] = {&chunks.plain, &chunks.image, &chunks.entries, &chunks.count, &chunks.first, &findings};
    return launch(kDecode, stream, chunks.count, arguments);
}

} // namespace gmemfs
