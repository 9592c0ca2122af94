// Allocators: the C interface of file allocators: each has a number, and two functions that are named after it.
//
// PyTorch's pluggable allocators are such pairs, which are told a size, a device and a stream, and not whose they are.
#include "client/lib/file_allocator.hpp"
#include "client/lib/options.hpp"
#include "client/lib/origin.hpp"

#include <array>
#include <cstdio>

namespace gmemfs::client {
namespace {

/// Thread-safe.
class Allocators {
public:
    /// EMFILE: all numbers are taken.
    Result<int> open(const char *directory, const char *library) EXCLUDES(mutex_) {
        TRY(check_origin());
        std::shared_ptr<FileAllocator> made = TRY(FileAllocator::create(directory, library));
        const Hold hold(mutex_);
        for (std::size_t number = 0; number < all_.size(); ++number) {
            Entry &entry = all_[number];
            const bool is_free = !entry.is_open && (entry.allocator == nullptr || !entry.allocator->has_blocks());
            if (!is_free) continue;
            entry = {std::move(made), true};
            return static_cast<int>(number);
        }
        return Error{EMFILE, 0, "open allocator", "there are " + std::to_string(all_.size()) + " already"};
    }

    Result<void> close(int number) EXCLUDES(mutex_) {
        TRY(check_origin());
        const Hold hold(mutex_);
        const bool is_there = number >= 0 && static_cast<std::size_t>(number) < all_.size() && all_[number].is_open;
        if (!is_there) return Error{EBADF, 0, "close allocator", std::to_string(number) + ": it is closed"};
        all_[number].is_open = false;
        all_[number].allocator->close();
        return {};
    }

    Result<std::shared_ptr<FileAllocator>> find_open(int number) EXCLUDES(mutex_) {
        TRY(check_origin());
        const Hold hold(mutex_);
        if (number >= 0 && static_cast<std::size_t>(number) < all_.size() && all_[number].is_open)
            return all_[number].allocator;
        return Error{EBADF, 0, "use allocator", std::to_string(number) + ": it is closed"};
    }

    enum class For { allocating, freeing }; ///< what a closed one still does
    /// Null: there is none.
    std::shared_ptr<FileAllocator> find(std::size_t number, For what) EXCLUDES(mutex_) {
        const Hold hold(mutex_);
        return all_[number].is_open || what == For::freeing ? all_[number].allocator : nullptr;
    }

private:
    struct Entry {
        std::shared_ptr<FileAllocator> allocator;
        bool is_open = false;
    };
    Mutex mutex_;
    std::array<Entry, GMEMFS_ALLOCATORS> all_ GUARDED_BY(mutex_);
};

Allocators &allocators() {
    static auto *const only = new Allocators; // never destroyed: programs free memory while they end
    return *only;
}

// The caller has no way to pass an error on, and says "out of memory" of any.
void complain(const Error &error) {
    if (fail(error) != ENOSPC && error.code != EDQUOT) std::fprintf(stderr, "gmemfs: %s\n", error.text().c_str());
}

void *allocate(std::size_t number, std::int64_t size, int device) {
    const Result<void> origin = check_origin();
    const std::shared_ptr<FileAllocator> allocator =
        origin ? allocators().find(number, Allocators::For::allocating) : nullptr;
    Result<CUdeviceptr> made = Error{EBADF, 0, "allocate in files", "the allocator isn't open"};
    if (!origin) made = Error(origin.error());
    if (allocator != nullptr) made = allocator->allocate(static_cast<std::uint64_t>(size), device);
    if (!made) complain(made.error());
    return made ? reinterpret_cast<void *>(*made) : nullptr; // NOLINT(performance-no-int-to-ptr): the caller's type
}

Result<void> pause(int number, int flags) {
    if ((flags & ~GMEMFS_PAUSE_KEEP) != 0) return Error{EINVAL, 0, "pause allocator", "unknown flags"};
    const std::shared_ptr<FileAllocator> allocator = TRY(allocators().find_open(number));
    return allocator->pause(
        (flags & GMEMFS_PAUSE_KEEP) != 0 ? FileAllocator::Contents::keep : FileAllocator::Contents::drop);
}

Result<void> resume(int number) {
    const std::shared_ptr<FileAllocator> allocator = TRY(allocators().find_open(number));
    return allocator->resume();
}

void free_block(std::size_t number, void *address) {
    if (is_copy() || address == nullptr) return;
    const std::shared_ptr<FileAllocator> allocator = allocators().find(number, Allocators::For::freeing);
    if (allocator == nullptr) return;
    const Result<void> freed = allocator->free(reinterpret_cast<CUdeviceptr>(address));
    if (!freed) complain(freed.error());
}

} // namespace
} // namespace gmemfs::client

using namespace gmemfs::client;

extern "C" {

int gmemfs_open_allocator(const char *directory, const char *driver, int *number) {
    return hand_over(allocators().open(directory, driver), number);
}

int gmemfs_pause_allocator(int number, int flags) { return finish(pause(number, flags)); }
int gmemfs_resume_allocator(int number) { return finish(resume(number)); }

int gmemfs_close_allocator(int number) { return finish(allocators().close(number)); }

// The stream isn't looked at: new memory has no work on it, and freeing waits for all.
#define PAIR(number)                                                                                                   \
    void *gmemfs_allocate_in_##number(ptrdiff_t size, int device, void *) { return allocate(number, size, device); }   \
    void gmemfs_free_in_##number(void *address, ptrdiff_t, int, void *) { free_block(number, address); }
PAIR(0)
PAIR(1)
PAIR(2)
PAIR(3)
PAIR(4)
PAIR(5)
PAIR(6)
PAIR(7)
PAIR(8)
PAIR(9)
PAIR(10)
PAIR(11)
PAIR(12)
PAIR(13)
PAIR(14)
PAIR(15)
#undef PAIR

} // extern "C"
