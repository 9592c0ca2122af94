#include "ecc/digest/digest.hpp"

#include "ecc/digest/kernels/digest.cuh"
#include "vmm/base/units.hpp"
#include "vmm/device/staging.hpp"
#include "vmm/device/stream.hpp"
#include "vmm/device/trace.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

extern "C" const unsigned char digest_fatbin[];
extern "C" const unsigned char digest_fatbin_end[];

namespace gmemfs {
namespace {

using kernels::kDigestNode;
using kernels::kDigestSize;

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

// Kernels may be using memory that is about to go, whatever the error was.
struct WaitAtTheEnd {
    const Driver &driver;
    CUstream stream;
    WaitAtTheEnd(const Driver &of, CUstream on) : driver(of), stream(on) {}
    WaitAtTheEnd(const WaitAtTheEnd &) = delete;
    WaitAtTheEnd &operator=(const WaitAtTheEnd &) = delete;
    ~WaitAtTheEnd() { driver.cuStreamSynchronize(stream); }
};

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

Result<Digest> Digester::compute(std::span<const Slice> slices) {
    const Trace trace("gmemfs digest");
    std::uint64_t length = 0;
    for (const Slice &slice : slices) length += slice.length;
    if (length == 0) return empty_digest();
    TRY(device().make_current());
    const PoolPiece level0 = TRY(pool_.take(kLevel0));
    const PoolPiece level1 = TRY(pool_.take(kLevel1));
    const PinnedBuffer landing = TRY(PinnedBuffer::create(device(), kLevel1));
    const Stream stream = TRY(Stream::create(device()));
    const Driver &driver = device().driver();
    const WaitAtTheEnd wait_at_the_end(driver, stream.get());
    // One digest at the end of level 0: it is the root already.
    const bool has_one_node = length <= kDigestNode;
    std::vector<Aligned> top;
    for (const Slice &slice : slices)
        for (std::uint64_t done = 0; done < slice.length; done += kPass) {
            const std::uint64_t part = std::min(kPass, slice.length - done);
            const std::uint64_t digests = (part + kDigestNode - 1) / kDigestNode * kDigestSize;
            const std::uint64_t above = (digests + kDigestNode - 1) / kDigestNode * kDigestSize;
            const CUdeviceptr start = TRY(slice.extent->open());
            TRY(launch(stream.get(), start + slice.offset + done, part, level0.address()));
            if (!has_one_node) TRY(launch(stream.get(), level0.address(), digests, level1.address()));
            const CUdeviceptr found = has_one_node ? level0.address() : level1.address();
            TRY(device().check(
                driver.cuMemcpyDtoHAsync(landing.bytes().data(), found, above, stream.get()), "read digests"));
            TRY(device().check(driver.cuStreamSynchronize(stream.get()), "wait for digests"));
            const std::size_t before = top.size();
            top.resize(before + above / sizeof(Aligned));
            std::memcpy(&top[before], landing.bytes().data(), above);
        }
    const std::uint64_t size = top.size() * sizeof(Aligned);
    return finish(std::move(top), size, length);
}

} // namespace gmemfs
