#include "fuse/session/open_files.hpp"

#include "vmm/base/result.hpp"

#include <utility>

namespace gmemfs {
namespace {

constexpr unsigned kAddressBits = 48;

} // namespace

std::uint64_t OpenFiles::add(InodeRef inode) {
    auto open = std::make_unique<OpenFile>();
    open->inode = std::move(inode);
    const auto address = reinterpret_cast<std::uint64_t>(open.get());
    GMEMFS_ASSERT(address >> kAddressBits == 0);
    const std::uint64_t handle = address | std::uint64_t(generation_) << kAddressBits;
    const Hold hold(mutex_);
    opens_.emplace(handle, std::move(open));
    return handle;
}

void OpenFiles::remove(std::uint64_t handle) {
    std::unique_ptr<OpenFile> last; // its inode's memory goes after the lock
    const Hold hold(mutex_);
    inherited_.erase(handle);
    const auto found = opens_.find(handle);
    if (found == opens_.end()) return;
    last = std::move(found->second);
    opens_.erase(found);
}

OpenFile *OpenFiles::own(std::uint64_t handle) const {
    if (handle >> kAddressBits != generation_) return nullptr;
    const std::uint64_t address = handle & ((std::uint64_t(1) << kAddressBits) - 1);
    return reinterpret_cast<OpenFile *>(address); // NOLINT(performance-no-int-to-ptr): add() made it
}

Inode *OpenFiles::find(std::uint64_t handle) const {
    const OpenFile *const open = own(handle);
    return open == nullptr ? nullptr : open->inode.get();
}

std::uint64_t OpenFiles::last_cookie(std::uint64_t handle, off_t offset, std::uint64_t present) {
    if (OpenFile *const open = own(handle)) {
        if (offset == 0) open->last_cookie = present;
        return open->last_cookie;
    }
    const Hold hold(mutex_);
    const auto [at, is_new] = inherited_.try_emplace(handle, present);
    if (offset == 0) at->second = present;
    return at->second;
}

Result<void> OpenFiles::open_image(std::uint64_t handle, std::shared_ptr<const OpenImage> image) {
    OpenFile *const open = own(handle);
    if (open == nullptr) return Error{ESTALE, 0, "open image", "a server before this one opened the file"};
    const Hold hold(mutex_);
    open->image.swap(image); // the one before goes after the lock
    return {};
}

std::shared_ptr<const OpenImage> OpenFiles::image_of(std::uint64_t handle) {
    const OpenFile *const open = own(handle);
    if (open == nullptr) return nullptr;
    const Hold hold(mutex_);
    return open->image;
}

void OpenFiles::clear() {
    const Hold hold(mutex_);
    inherited_.clear();
    opens_.clear();
}

} // namespace gmemfs
