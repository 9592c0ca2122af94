#include "ecc/digest/digest.hpp"

#include "ecc/digest/kernels/digest.cuh"
#include "vmm/base/units.hpp"
#include "vmm/device/trace.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

extern "C" const unsigned char digest_fatbin[];
extern "C" const unsigned char digest_fatbin_end[];

namespace gmemfs {
namespace {

using kernels::kDigestNode;
using kernels::kDigestSize;

static_assert(DigestLevel::kNode == kDigestNode);
constexpr unsigned kThreads = 128;         // as the kernel's launch bounds say
constexpr std::uint64_t kPass = 256 * MiB; // of data; level 0 of it are 2 MiB
constexpr std::uint64_t kLevel0 = kPass / kDigestNode * kDigestSize;
constexpr std::uint64_t kLevel1 = kLevel0 / kDigestNode * kDigestSize;

void run_on_host(const gmemfs_lane *lane, void **params, void *(*translate)(unsigned long long)) {
    const HostArguments arguments(params, translate);
    const auto *const data = arguments.pointer<const std::uint8_t>(0);
    auto *const digests = arguments.pointer<std::uint8_t>(2);
    if (data == nullptr || digests == nullptr) return;
    const std::uint64_t node = std::uint64_t(lane->block_index) * lane->thread_count + lane->thread_index;
    kernels::digest_node(node, data, arguments.value<std::uint64_t>(1), digests);
}
constexpr unsigned kParamSizes[] = {sizeof(CUdeviceptr), sizeof(std::uint64_t), sizeof(CUdeviceptr)};
constexpr HostTwin kTwin = {"digest_nodes", run_on_host, kParamSizes};

std::span<const unsigned char> image() {
    // Through a volatile pointer: two arrays never begin at one address, as the compiler sees it.
    const unsigned char *const volatile end = digest_fatbin_end;
    return {+digest_fatbin, static_cast<std::size_t>(end - +digest_fatbin)};
}

struct alignas(16) Aligned {
    std::uint8_t bytes[16];
};

std::uint8_t *bytes_of(std::vector<Aligned> &level) { return reinterpret_cast<std::uint8_t *>(level.data()); }

// The levels above, of which there is little, and the end: on the host, by the same code.
Digest finish(std::vector<Aligned> level, std::uint64_t size, std::uint64_t length) {
    while (size > kDigestSize) {
        const std::uint64_t nodes = (size + kDigestNode - 1) / kDigestNode;
        std::vector<Aligned> above(nodes * kDigestSize / sizeof(Aligned));
        for (std::uint64_t node = 0; node < nodes; ++node)
            kernels::digest_node(node, bytes_of(level), size, bytes_of(above));
        level = std::move(above);
        size = nodes * kDigestSize;
    }
    return digest_of_root(std::as_bytes(std::span(level)).first(size), length);
}

} // namespace

Digest digest_of_root(std::span<const std::byte> root, std::uint64_t length) {
    constexpr std::string_view kName = "gmemfs-digest-1\n";
    const std::size_t before = kName.size() + sizeof length;
    GMEMFS_ASSERT(root.size() <= kDigestSize);
    std::vector<Aligned> message((before + kDigestSize) / sizeof(Aligned) + 1);
    std::memcpy(bytes_of(message), kName.data(), kName.size());
    std::memcpy(bytes_of(message) + kName.size(), &length, sizeof length);
    if (!root.empty()) std::memcpy(bytes_of(message) + before, root.data(), root.size());
    std::vector<Aligned> result(kDigestSize / sizeof(Aligned));
    kernels::sha256(bytes_of(message), before + root.size(), bytes_of(result));
    Digest digest;
    std::memcpy(digest.data(), bytes_of(result), digest.size());
    return digest;
}

std::string digest_text(const Digest &digest) {
    std::string text = "sha256-tree-4k:";
    for (const std::byte byte : digest) {
        text += "0123456789abcdef"[std::to_integer<unsigned>(byte) >> 4];
        text += "0123456789abcdef"[std::to_integer<unsigned>(byte) & 15];
    }
    return text;
}

Digest empty_digest() { return finish({}, 0, 0); }

Result<std::unique_ptr<Digester>> Digester::create(Keeper &keeper, Device &device) {
    Module module = TRY(Module::load(device, image(), {&kTwin, 1}));
    const CUfunction function = TRY(module.function(kTwin.name));
    return std::unique_ptr<Digester>(new Digester(keeper, device, std::move(module), function));
}

Result<void> Digester::launch(CUstream stream, CUdeviceptr data, std::uint64_t length, CUdeviceptr digests) const {
    void *arguments[] = {&data, &length, &digests};
    const std::uint64_t nodes = (length + kDigestNode - 1) / kDigestNode;
    const auto grid = static_cast<unsigned>((nodes + kThreads - 1) / kThreads);
    return device().check(
        device().driver().cuLaunchKernel(function_, grid, 1, 1, kThreads, 1, 1, 0, stream, arguments, nullptr),
        "launch digest kernel");
}

Result<DigestLane> DigestLane::create(Digester &digester) {
    TRY(digester.device().make_current());
    PoolPiece level0 = TRY(digester.pool_.take(kLevel0));
    PoolPiece level1 = TRY(digester.pool_.take(kLevel1));
    Result<PinnedBuffer> landing = PinnedBuffer::create(digester.device(), kLevel1);
    if (!landing) return Error(landing.error());
    Result<Stream> stream = Stream::create(digester.device());
    if (!stream) return Error(stream.error());
    return DigestLane(digester, std::move(level0), std::move(level1), *std::move(landing), *std::move(stream));
}

// Kernels may be using memory that is about to go, whatever the error was.
DigestLane::~DigestLane() {
    if (stream_.get() != nullptr) (void)digester_.device().driver().cuStreamSynchronize(stream_.get());
}

Result<void> DigestLane::add(const Slice &slice, DigestLevel::Depth depth, DigestLevel &to) {
    const Device &device = digester_.device();
    const Driver &driver = device.driver();
    const bool is_tree = depth == DigestLevel::Depth::tree;
    const CUdeviceptr start = TRY(slice.extent->open())
    +slice.offset;
    for (std::uint64_t done = 0; done < slice.length; done += kPass) {
        const std::uint64_t part = std::min(kPass, slice.length - done);
        const std::uint64_t digests = (part + kDigestNode - 1) / kDigestNode * kDigestSize;
        const std::uint64_t above = (digests + kDigestNode - 1) / kDigestNode * kDigestSize;
        TRY(digester_.launch(stream_.get(), start + done, part, level0_.address()));
        if (is_tree) TRY(digester_.launch(stream_.get(), level0_.address(), digests, level1_.address()));
        const CUdeviceptr last = is_tree ? level1_.address() : level0_.address();
        TRY(device.check(
            driver.cuMemcpyDtoHAsync(landing_.bytes().data(), last, above, stream_.get()), "read digests"));
        TRY(device.check(driver.cuStreamSynchronize(stream_.get()), "wait for digests"));
        const std::span<const std::byte> bytes = landing_.bytes().first(above);
        to.bytes.insert(to.bytes.end(), bytes.begin(), bytes.end());
    }
    return {};
}

Digest DigestLevel::finish(std::span<const DigestLevel> levels, std::uint64_t length) {
    std::uint64_t size = 0;
    for (const DigestLevel &level : levels) size += level.bytes.size();
    std::vector<Aligned> all(size / sizeof(Aligned));
    std::uint8_t *to = bytes_of(all);
    for (const DigestLevel &level : levels) {
        if (!level.bytes.empty()) std::memcpy(to, level.bytes.data(), level.bytes.size());
        to += level.bytes.size();
    }
    return gmemfs::finish(std::move(all), size, length);
}

Result<Digest> Digester::compute(std::span<Digester *const> digesters, std::span<const Slice> slices) {
    const Trace trace("gmemfs digest");
    GMEMFS_ASSERT(digesters.size() == slices.size());
    std::uint64_t length = 0;
    for (const Slice &slice : slices) length += slice.length;
    if (length == 0) return empty_digest();
    std::vector<DigestLevel> found(slices.size());
    const auto hash = [&](Digester *mine) -> Result<void> {
        DigestLane lane = TRY(DigestLane::create(*mine));
        for (std::size_t index = 0; index < slices.size(); ++index)
            if (digesters[index] == mine) TRY(lane.add(slices[index], DigestLevel::depth_of(length), found[index]));
        return {};
    };
    std::vector<Digester *> used(digesters.begin(), digesters.end());
    std::ranges::sort(used);
    used.erase(std::unique(used.begin(), used.end()), used.end());
    std::vector<Result<void>> results(used.size());
    {
        std::vector<std::jthread> others; // joined here
        for (std::size_t index = 1; index < used.size(); ++index)
            others.emplace_back([&, index] { results[index] = hash(used[index]); });
        results[0] = hash(used[0]);
    }
    for (const Result<void> &result : results) TRY(result);
    return DigestLevel::finish(found, length);
}

} // namespace gmemfs
