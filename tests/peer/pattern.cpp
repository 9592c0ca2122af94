#include "tests/peer/pattern.hpp"

#include "tests/peer/kernels/pattern.cuh"

#include <numeric>
#include <span>

// The machine code that nvcc made of pattern.cu; nothing lies between the two in a build without nvcc.
extern "C" const unsigned char pattern_fatbin[];
extern "C" const unsigned char pattern_fatbin_end[];

namespace gmemfs {
namespace {

constexpr unsigned kBlocks = 64;
constexpr unsigned kThreads = 256;
constexpr std::uint64_t kLanes = std::uint64_t(kBlocks) * kThreads;
constexpr std::size_t kCountersSize = kLanes * sizeof(std::uint64_t);

PatternLane pattern_lane(const gmemfs_lane &lane) {
    return {std::uint64_t(lane.block_index) * lane.thread_count + lane.thread_index,
        std::uint64_t(lane.block_count) * lane.thread_count};
}

template <typename T>
T argument(void **params, int index) {
    return *static_cast<const T *>(params[index]);
}

// The host twins: the same text as on a GPU, with the arguments that cuLaunchKernel was given.
void write_on_host(const gmemfs_lane *lane, void **params, void *(*translate)(unsigned long long)) {
    auto *words = static_cast<std::uint32_t *>(translate(argument<CUdeviceptr>(params, 0)));
    if (words == nullptr) return; // not mapped: a GPU would fault; the check that follows finds the words missing
    pattern_write_lane(
        pattern_lane(*lane), words, argument<std::uint64_t>(params, 1), argument<std::uint32_t>(params, 2));
}

void check_on_host(const gmemfs_lane *lane, void **params, void *(*translate)(unsigned long long)) {
    auto *mismatches = static_cast<std::uint64_t *>(translate(argument<CUdeviceptr>(params, 3)));
    const auto *words = static_cast<const std::uint32_t *>(translate(argument<CUdeviceptr>(params, 0)));
    if (mismatches == nullptr) return;
    const auto count = argument<std::uint64_t>(params, 1);
    const PatternLane here = pattern_lane(*lane);
    if (words == nullptr)
        mismatches[here.index] = count;
    else
        pattern_check_lane(here, words, count, argument<std::uint32_t>(params, 2), mismatches);
}

bool has_machine_code() {
    // Through a volatile pointer: two arrays never begin at one address, as the compiler sees it.
    const unsigned char *const volatile end = pattern_fatbin_end;
    return end != +pattern_fatbin;
}

void offer_host_twins(const Driver &driver) {
    if (driver.offer_host_kernel == nullptr) return;
    constexpr unsigned kWriteSizes[] = {sizeof(CUdeviceptr), sizeof(std::uint64_t), sizeof(std::uint32_t)};
    constexpr unsigned kCheckSizes[] = {
        sizeof(CUdeviceptr), sizeof(std::uint64_t), sizeof(std::uint32_t), sizeof(CUdeviceptr)};
    driver.offer_host_kernel("pattern_write", write_on_host, kWriteSizes, std::size(kWriteSizes));
    driver.offer_host_kernel("pattern_check", check_on_host, kCheckSizes, std::size(kCheckSizes));
}

} // namespace

Result<std::unique_ptr<Pattern>> Pattern::create(Device &device) {
    TRY(device.make_current());
    Stream stream = TRY(Stream::create(device));
    const std::uint64_t size = round_up(kCountersSize, device.info().granularity);
    const Allocation memory = TRY(Allocation::create(device.driver(), device.info(), size, HandlePolicy::fd));
    Mapping counters = TRY(Mapping::create(device.driver(), device.info(), memory, size));
    PinnedBuffer landing = TRY(PinnedBuffer::create(device, kCountersSize));
    auto pattern =
        std::unique_ptr<Pattern>(new Pattern(device, std::move(stream), std::move(counters), std::move(landing)));
    TRY(pattern->load());
    return pattern;
}

Pattern::~Pattern() {
    if (module_ != nullptr) device_.driver().cuModuleUnload(module_);
}

Result<void> Pattern::load() {
    const Driver &driver = device_.driver();
    offer_host_twins(driver);
    if (driver.offer_host_kernel == nullptr && !has_machine_code())
        return Error{ENOEXEC, 0, "load kernels",
            "this program was built without nvcc, so it has none for a GPU: install the CUDA toolkit and build again"};
    TRY(device_.check(driver.cuModuleLoadData(&module_, pattern_fatbin), "load kernels"));
    TRY(device_.check(driver.cuModuleGetFunction(&write_, module_, "pattern_write"), "find kernel pattern_write"));
    return device_.check(driver.cuModuleGetFunction(&check_, module_, "pattern_check"), "find kernel pattern_check");
}

Result<void> Pattern::launch(CUfunction function, void **arguments) {
    return device_.check(
        device_.driver().cuLaunchKernel(function, kBlocks, 1, 1, kThreads, 1, 1, 0, stream_.get(), arguments, nullptr),
        "launch kernel");
}

Result<void> Pattern::write(CUdeviceptr address, std::uint64_t size, std::uint32_t seed) {
    std::uint64_t count = size / sizeof(std::uint32_t);
    void *arguments[] = {&address, &count, &seed};
    TRY(launch(write_, arguments));
    return device_.check(device_.driver().cuStreamSynchronize(stream_.get()), "write pattern");
}

Result<std::uint64_t> Pattern::count_mismatches(CUdeviceptr address, std::uint64_t size, std::uint32_t seed) {
    std::uint64_t count = size / sizeof(std::uint32_t);
    CUdeviceptr mismatches = counters_.address();
    void *arguments[] = {&address, &count, &seed, &mismatches};
    TRY(launch(check_, arguments));
    auto *landing = landing_.bytes().data();
    TRY(device_.check(
        device_.driver().cuMemcpyDtoHAsync(landing, mismatches, kCountersSize, stream_.get()), "read counters"));
    TRY(device_.check(device_.driver().cuStreamSynchronize(stream_.get()), "check pattern"));
    const std::span counters(reinterpret_cast<const std::uint64_t *>(landing), kLanes);
    return std::accumulate(counters.begin(), counters.end(), std::uint64_t(0));
}

std::uint32_t Pattern::word(std::uint32_t seed, std::uint64_t index) { return pattern_word(seed, index); }

} // namespace gmemfs
