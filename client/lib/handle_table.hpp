// Handle table: finds the object that a caller's gmemfs_file or gmemfs_mapping stands for.
//
// A handle is a number that is used once, not an address. A call with a handle that another thread has closed meanwhile
// finds nothing. A call that runs keeps the object until it returns.
#pragma once

#include "vmm/base/lock.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

namespace gmemfs::client {

/// Thread-safe. `Handle` is the C interface's incomplete type.
template <typename Handle, typename Object>
class HandleTable {
public:
    Handle *add(std::shared_ptr<Object> object) EXCLUDES(mutex_) {
        static std::atomic<std::uintptr_t> next = 0;
        const std::uintptr_t number = next += 16;
        const Hold hold(mutex_);
        objects_.emplace(number, std::move(object));
        return reinterpret_cast<Handle *>(number); // NOLINT(performance-no-int-to-ptr): a number, never followed
    }
    /// Null where `handle` is none, or was taken.
    std::shared_ptr<Object> find(const Handle *handle) EXCLUDES(mutex_) {
        const Hold hold(mutex_);
        const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
        return found == objects_.end() ? nullptr : found->second;
    }
    /// The same, and ends the handle.
    std::shared_ptr<Object> take(const Handle *handle) EXCLUDES(mutex_) {
        const Hold hold(mutex_);
        const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
        if (found == objects_.end()) return nullptr;
        std::shared_ptr<Object> object = std::move(found->second);
        objects_.erase(found);
        return object;
    }

private:
    Mutex mutex_;
    std::unordered_map<std::uintptr_t, std::shared_ptr<Object>> objects_ GUARDED_BY(mutex_);
};

} // namespace gmemfs::client
