// Volume, replicas: which files have copies on other devices, when they are made, and for whom they go.
#include "fuse/core/volume.hpp"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace gmemfs {
namespace {

constexpr std::string_view kAll = "all", kNone = "none";

Result<std::vector<Device *>> read_wish(const Storage &storage, std::string_view wish) {
    std::vector<Device *> devices;
    if (wish == kNone) return devices;
    if (wish != kAll) return read_devices(storage, wish);
    for (const auto &device : storage.devices()) devices.push_back(device.get());
    return devices;
}

} // namespace

Result<void> Volume::set_replicas(const Caller &caller, Inode &inode, std::string_view wish) {
    TRY(read_wish(storage_, wish));
    has_wishes_ = true;
    TRY(set_xattr(caller, inode, kReplicasWanted, wish, Inode::XattrMode::any));
    if (!inode.is_file()) return {};
    const Result<void> made = replicate(caller, inode);
    return made || made.error().code == EBUSY ? Result<void>() : made; // at its last close, then
}

// What the file should have. Files that others wish for aren't evicted for that.
Result<void> Volume::replicate(const Caller &caller, Inode &inode) {
    const Result<std::string> wish = inode.xattr(kReplicasWanted);
    if (!wish) return {};
    const Result<std::vector<Device *>> devices = read_wish(storage_, *wish);
    if (!devices) return {}; // of another mount, whose devices this one doesn't use
    const Result<void> made = inode.file()->replicate(caller.copiers, *devices);
    const bool is_later = !made && (made.error().code == EBUSY || made.error().code == EOPNOTSUPP);
    return is_later ? Result<void>() : made;
}

Result<std::vector<File::Shared>> Volume::share_near(
    const Caller &caller, Inode &inode, File::ShareBy by, const std::array<std::uint8_t, 16> &uuid) {
    const Device *const device = storage_.find(uuid);
    if (device != nullptr && inode.is_file()) {
        TRY(inode.check_handle(caller.who));
        if (has_wishes_) (void)replicate(caller, inode);
        std::vector<File::Shared> shared = TRY(inode.file()->share_replica(*device, by));
        if (!shared.empty()) return shared;
    }
    return share(caller, inode, by);
}

// One file's replicas: its own, or those of the file that was used the longest ago. What has no room in a quota takes
// from its owner's files alone.
bool Volume::evict_replicas(Inode &inode, const Error &error) {
    if (inode.is_file() && inode.file()->drop_replicas(File::Evict::all)) return true;
    const uid_t owner = inode.attributes().uid;
    std::vector<std::pair<std::uint64_t, InodeId>> oldest_first;
    for (const InodeId id : names_.files_where([](const Inode &other) { return other.file()->has_replicas(); }))
        if (const Result<InodeRef> other = names_.find(id))
            if (error.code != EDQUOT || (*other)->attributes().uid == owner)
                oldest_first.emplace_back((*other)->file()->last_use(), id);
    std::ranges::sort(oldest_first);
    return std::ranges::any_of(oldest_first, [&](const auto &each) {
        const Result<InodeRef> other = names_.find(each.second); // or it was removed meanwhile
        return other && (*other)->file()->drop_replicas(File::Evict::unmapped);
    });
}

} // namespace gmemfs
