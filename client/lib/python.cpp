#include "client/lib/python.hpp"

#include "client/lib/origin.hpp"

#include <memory>

namespace gmemfs::client {
namespace {

std::atomic<const gmemfs_python *> g_python = nullptr; // set once

constexpr const char *kOwnerName = "gmemfs.owner";

void release_all(gmemfs_directory *directory) {
    for (std::size_t index = 0; index < gmemfs_get_entry_count(directory); ++index) {
        gmemfs_entry entry = {};
        entry.struct_size = sizeof entry;
        if (gmemfs_get_entry(directory, index, &entry) == 0) gmemfs_release(entry.mapping);
    }
    gmemfs_free_directory(directory);
}

void owner_gone(void *capsule) {
    void *const pointer = python()->capsule_get_pointer(capsule, kOwnerName);
    if (pointer == nullptr || is_copy()) return;
    without_python_lock([&] {
        const std::unique_ptr<gmemfs_owner> last(static_cast<gmemfs_owner *>(pointer));
        gmemfs_close(last->file);
        gmemfs_release(last->mapping);
        if (last->directory != nullptr) release_all(last->directory);
    });
}

} // namespace

const gmemfs_python *python() { return g_python.load(); }

// With several interpreters PyGILState_Check always says yes: so the thread must be one of Python's as well.
PythonUnlocked::PythonUnlocked() {
    const gmemfs_python *const its = python();
    if (its != nullptr && its->is_initialized() != 0 && its->this_thread() != nullptr && its->has_lock() != 0)
        state_ = its->unlock();
}

PythonUnlocked::~PythonUnlocked() {
    if (state_ != nullptr) python()->lock(state_);
}

} // namespace gmemfs::client

using namespace gmemfs::client;

void gmemfs_use_python(const gmemfs_python *python_calls) {
    auto kept = std::make_unique<gmemfs_python>(*python_calls);
    const gmemfs_python *none = nullptr;
    if (g_python.compare_exchange_strong(none, kept.get())) (void)kept.release(); // for good
}

void *gmemfs_make_owner(void) {
    auto owner = std::make_unique<gmemfs_owner>();
    void *const capsule = python()->capsule_new(owner.get(), kOwnerName, owner_gone);
    if (capsule != nullptr) (void)owner.release(); // the capsule's
    return capsule;
}
