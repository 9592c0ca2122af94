// DirectSource: reads a host file on a disk past the page cache, for those parts that aren't in the cache.
//
//     disk --O_DIRECT--> pinned buffer             what no process has read lately
//     page cache --pread--> pinned buffer          the rest, at the memory's speed
//
// A disk is as fast either way, but reading directly takes a tenth of the processor's time (tests/bench/copies.py,
// cold). And a model that goes to the device once doesn't push other data out of the cache.
#pragma once

#include "vmm/base/fd.hpp"
#include "vmm/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace gmemfs {

/// Bytes of a chunk, which a lane of a copy takes at once. Pinning costs 0.46 ms a MiB (H200), which larger chunks
/// don't win back.
inline constexpr std::size_t kCopyChunk = 2 << 20;

/// Owner of a descriptor and a mapping of the file. Immutable, and so thread-safe.
class DirectSource {
public:
    /// Null where the filesystem has no O_DIRECT, or `fd`'s file can't be mapped.
    static std::unique_ptr<DirectSource> open(int fd, std::uint64_t size);
    DirectSource(Fd fd, void *mapped, std::uint64_t size) : fd_(std::move(fd)), mapped_(mapped), size_(size) {}
    DirectSource(const DirectSource &) = delete;
    DirectSource &operator=(const DirectSource &) = delete;
    ~DirectSource();

    /// Reads into `to`, of which the first `length` bytes are wanted. Returns how many came; 0 where the caller must
    /// read in another way. `offset` and the size of `to` are multiples of 4 KiB; `length` is a chunk's at the most.
    std::size_t read(std::span<std::byte> to, std::uint64_t offset, std::size_t length) const;

private:
    bool is_cached(std::uint64_t offset, std::size_t length) const;

    Fd fd_;
    void *mapped_; // for mincore(2) alone: which pages are in the cache
    std::uint64_t size_;
};

} // namespace gmemfs
