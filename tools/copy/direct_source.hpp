// DirectSource: a host file on a disk, read past the page cache where it isn't in it: straight into the pinned buffer.
//
//     disk --O_DIRECT--> pinned buffer             what no process has read lately
//     page cache --pread--> pinned buffer          the rest, at the memory's speed
//
// A disk gives the same either way, for a tenth of the processor's time (tests/bench/copies.py, cold), and a model that
// goes to the device once doesn't push out what others have in the cache.
#pragma once

#include "vmm/base/fd.hpp"
#include "vmm/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace gmemfs {

/// Bytes that a lane of a copy takes at once; pinning costs 0.46 ms a MiB (H200), which larger ones don't win back.
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

    /// Into `to`, of which the first `length` bytes are wanted: how many came, 0 where another way is to be taken. Both
    /// `offset` and the size of `to` are multiples of kCopyChunk.
    std::size_t read(std::span<std::byte> to, std::uint64_t offset, std::size_t length) const;

private:
    bool is_cached(std::uint64_t offset, std::size_t length) const;

    Fd fd_;
    void *mapped_; // only asked for what is in the cache
    std::uint64_t size_;
};

} // namespace gmemfs
