// Digest: the hash of a file's bytes, as the root of a tree of SHA-256 over nodes of 4 KiB, computed on the device.
//
//     level 0     SHA-256 of each 4 KiB of data, the last one short
//     level n+1   SHA-256 of each 4 KiB of level n's digests, one behind the other; until one digest is left: the root
//     digest      SHA-256 of "gmemfs-digest-1\n", the length in 8 bytes, little-endian, and the root
//
// The length decides the shape, so no digest can be taken for data. A digest depends on bytes and length alone, not on
// extents or devices. An empty file has no root: its digest is over the text and the length alone. docs/formats.md has
// the algorithm in Python.
#pragma once

#include "ecc/parity/pool.hpp"
#include "vmm/device/module.hpp"
#include "vmm/device/staging.hpp"
#include "vmm/device/stream.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gmemfs {

using Digest = std::array<std::byte, 32>;
Digest empty_digest(); ///< of no bytes
/// The end of it: `root` is one digest, or nothing of no bytes; `length` is that of the data.
Digest digest_of_root(std::span<const std::byte> root, std::uint64_t length);
/// "sha256-tree-4k:" and 64 digits, as users see it.
std::string digest_text(const Digest &digest);

/// Level 1 of a tree, or level 0 of data of one node: what is left of some data for the levels above.
struct DigestLevel {
    enum class Depth { node, tree }; ///< node: the data is kNode bytes at the most
    static constexpr std::uint64_t kNode = 4096;
    static Depth depth_of(std::uint64_t length) { return length <= kNode ? Depth::node : Depth::tree; }

    std::vector<std::byte> bytes;

    /// Of all levels of a digest's data, in order; `length` is that of the data.
    static Digest finish(std::span<const DigestLevel> levels, std::uint64_t length);
};

/// Thread-safe; each call has device memory and a stream of its own while it lasts.
class Digester {
public:
    /// ENOEXEC: no machine code for this GPU.
    static Result<std::unique_ptr<Digester>> create(Keeper &keeper, Device &device);
    Device &device() const { return module_.device(); }

    /// The digest of the slices' bytes, in this order; digesters[index] is that of the device which has slice `index`,
    /// and several work side by side. Nobody writes to these bytes meanwhile. Each slice but the last has a multiple of
    /// 2 MiB. Waits for the devices. ENOSPC: no device memory for 2 MiB of level 0.
    static Result<Digest> compute(std::span<Digester *const> digesters, std::span<const Slice> slices);

private:
    friend class DigestLane;

    Digester(Keeper &keeper, Device &device, Module module, CUfunction function)
        : pool_(keeper, device), module_(std::move(module)), function_(function) {}
    Result<void> launch(CUstream stream, CUdeviceptr data, std::uint64_t length, CUdeviceptr digests) const;

    Pool pool_;
    Module module_;
    CUfunction function_;
};

/// What one thread needs to hash data of one device, slice by slice. Not thread-safe; the Digester outlives it.
class DigestLane {
public:
    /// ENOSPC: see Digester::compute.
    static Result<DigestLane> create(Digester &digester);
    ~DigestLane();
    DigestLane(DigestLane &&other) noexcept = default;
    DigestLane &operator=(DigestLane &&) = delete;
    DigestLane(const DigestLane &) = delete;
    DigestLane &operator=(const DigestLane &) = delete;

    /// Adds what the slice comes to, which is a multiple of 2 MiB or the data's end. Waits for the device.
    Result<void> add(const Slice &slice, DigestLevel::Depth depth, DigestLevel &to);

private:
    DigestLane(Digester &digester, PoolPiece level0, PoolPiece level1, PinnedBuffer landing, Stream stream)
        : digester_(digester), level0_(std::move(level0)), level1_(std::move(level1)), landing_(std::move(landing)),
          stream_(std::move(stream)) {}

    Digester &digester_;
    PoolPiece level0_, level1_;
    PinnedBuffer landing_;
    Stream stream_;
};

} // namespace gmemfs
