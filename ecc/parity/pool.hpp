// Pool: small pieces of device memory cut out of extents, because the driver gives out nothing below 2 MiB.
//
// The parity of a 2 MiB extent is 128 KiB, and its checksums are 256 bytes. In allocations of their own, both would
// take twice as much memory as the data. A piece is cut out of the first extent that has room. Where none has, the pool
// makes an extent as large as the piece, rounded up to the granularity. These extents are never exported. So a pool
// holds at most one granule more than its pieces, but for holes that freed pieces left.
#pragma once

#include "vmm/base/lock.hpp"
#include "vmm/memory/extent.hpp"

#include <list>
#include <map>
#include <memory>
#include <utility>

namespace gmemfs {

class Pool;

/// Owner of a part of a pool; move-only. The destructor gives the memory back; nobody may be using it then.
class PoolPiece {
public:
    PoolPiece(PoolPiece &&other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), extent_(other.extent_), offset_(other.offset_),
          size_(other.size_) {}
    PoolPiece &operator=(PoolPiece &&) = delete;
    PoolPiece(const PoolPiece &) = delete;
    PoolPiece &operator=(const PoolPiece &) = delete;
    ~PoolPiece();

    CUdeviceptr address() const { return extent_->address() + offset_; } ///< don't dereference it on the host
    std::uint64_t size() const { return size_; }
    Slice slice() const { return {extent_, offset_, size_}; }

private:
    friend Pool;
    PoolPiece(Pool &pool, Extent *extent, std::uint64_t offset, std::uint64_t size)
        : pool_(&pool), extent_(extent), offset_(offset), size_(size) {}

    Pool *pool_;
    Extent *extent_;
    std::uint64_t offset_, size_;
};

/// Pieces on one device. Thread-safe. Outlives its pieces.
class Pool {
public:
    Pool(Keeper &keeper, Device &device) : keeper_(keeper), device_(device) {}

    Device &device() const { return device_; }
    /// A piece of `size` bytes, at an address that is a multiple of 256; its contents are whatever was there before.
    /// ENOSPC: the device is full.
    Result<PoolPiece> take(std::uint64_t size) EXCLUDES(mutex_);
    /// Bytes of device memory held, in use or not.
    std::uint64_t held() const EXCLUDES(mutex_);

private:
    friend PoolPiece;
    struct CutExtent {
        std::shared_ptr<Extent> extent;
        std::map<std::uint64_t, std::uint64_t> free; // offset -> length; no two adjoin
    };
    void give_back(const PoolPiece &piece) EXCLUDES(mutex_);

    Keeper &keeper_;
    Device &device_;
    mutable Mutex mutex_;
    std::list<CutExtent> extents_ GUARDED_BY(mutex_);
};

} // namespace gmemfs
