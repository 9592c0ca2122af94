// UnpackedWindows: the parts of packed files that were read last, decoded, so that the next read(2) needn't do it.
//
// A window is 2 MiB of a file. A reader that goes through a file in small steps decodes each window once. Windows hold
// device memory, so there are few of them, and they go when memory is wanted for files.
#pragma once

#include "ecc/parity/pool.hpp"
#include "vmm/base/units.hpp"

#include <cstdint>
#include <list>
#include <memory>
#include <optional>

namespace gmemfs {

/// 2 MiB of device memory for one window. Who has it fills it once, under its mutex, or waits until another has.
struct UnpackedWindow {
    explicit UnpackedWindow(PoolPiece piece) : memory(std::move(piece)) {}
    const PoolPiece memory;
    Mutex mutex;
    bool is_filled GUARDED_BY(mutex) = false;
};

/// The windows of one device. Thread-safe. Outlives its windows.
class UnpackedWindows {
public:
    static constexpr std::uint64_t kSize = 2 * MiB; ///< of a window
    static constexpr std::size_t kMost = 32;        ///< 64 MiB of device memory

    static Result<std::unique_ptr<UnpackedWindows>> create(Keeper &keeper, Device &device) {
        return std::unique_ptr<UnpackedWindows>(new UnpackedWindows(keeper, device));
    }
    Device &device() const { return pool_.device(); }

    /// Window number `index` of the file whose extents have this generation; as it was filled, or new. More than kMost
    /// exist only while readers hold them. ENOSPC: there is no device memory for it.
    Result<std::shared_ptr<UnpackedWindow>> get(std::uint64_t generation, std::uint64_t index) EXCLUDES(mutex_);
    /// Gives back the memory of all windows that nobody reads. False: there were none.
    bool drop_all() EXCLUDES(mutex_);

private:
    UnpackedWindows(Keeper &keeper, Device &device) : pool_(keeper, device) {}
    struct Entry {
        std::uint64_t generation, index;
        std::shared_ptr<UnpackedWindow> window;
    };
    bool drop_one() REQUIRES(mutex_);

    Pool pool_;
    mutable Mutex mutex_;
    std::list<Entry> entries_ GUARDED_BY(mutex_); // the one that was used last first
};

} // namespace gmemfs
