#include "fuse/core/names/inode.hpp"

namespace gmemfs {
namespace {

constexpr mode_t kPermissionBits = 07777;
constexpr time_t kDay = 86400;           // seconds
constexpr std::uint64_t kEntrySize = 20; // bytes an entry, "." and ".." too: BOGO_DIRENT_SIZE of Linux' tmpfs

bool not_later(timespec left, timespec right) {
    return left.tv_sec != right.tv_sec ? left.tv_sec < right.tv_sec : left.tv_nsec <= right.tv_nsec;
}

} // namespace

Inode::Inode(InodeId id, mode_t mode, const Credentials &owner, timespec now)
    : id_(id), type_(mode & S_IFMT), permissions_(mode & kPermissionBits), uid_(owner.uid), gid_(owner.gid),
      accessed_(now), modified_(now), changed_(now) {}

Attributes Inode::attributes() const {
    Attributes attributes;
    attributes.id = id_;
    attributes.device_number = device_number_;
    if (file_) {
        attributes.is_loose = file_->is_loose();
        attributes.size = file_->size();
        attributes.allocated = file_->allocated();
    } else if (is_directory()) {
        attributes.size = kEntrySize * (2 + entries_.load(std::memory_order_relaxed));
    } else {
        attributes.size = target_.size();
    }
    const Hold hold(mutex_);
    attributes.mode = type_ | permissions_;
    attributes.links = links_;
    attributes.uid = uid_;
    attributes.gid = gid_;
    attributes.accessed = accessed_;
    attributes.modified = modified_;
    attributes.changed = changed_;
    return attributes;
}

void Inode::change(const AttributeChanges &changes, timespec now, const Credentials &by) {
    const Hold hold(mutex_);
    // A new owner doesn't inherit what the old one let the program do (chown(2)); FUSE_CAP_HANDLE_KILLPRIV makes that
    // ours.
    if ((changes.uid || changes.gid) && !is_directory()) {
        drop_set_ids(by);
        drop_xattr(kFileCapabilities);
    }
    if (changes.mode) {
        permissions_ = *changes.mode & kPermissionBits;
        if (std::optional<Acl> access = acl(kAccessAcl)) {
            access->change_mode(permissions_);
            (void)put_xattr(kAccessAcl, access->bytes()); // as long as before, so there is room
        }
    }
    if (changes.uid) uid_ = *changes.uid;
    if (changes.gid) gid_ = *changes.gid;
    if (changes.accessed) accessed_ = *changes.accessed;
    if (changes.modified) modified_ = *changes.modified;
    changed_ = now;
}

void Inode::modified(timespec now) {
    const Hold hold(mutex_);
    modified_ = changed_ = now;
}

bool Inode::written(timespec now, const Credentials &by) {
    const Hold hold(mutex_);
    modified_ = changed_ = now;
    const mode_t before = permissions_.load(std::memory_order_relaxed);
    if ((before & kSetIds) == 0 && xattrs_.empty()) return false; // nearly always
    if ((before & kSetIds) != 0 && !by.may_keep_set_ids) drop_set_ids(by);
    const bool had_capabilities = drop_xattr(kFileCapabilities); // whatever user it is, as Linux does it
    return permissions_ != before || had_capabilities;
}

// As setattr_should_drop_suidgid() of Linux. Without S_IXGRP the set-group-ID bit once meant mandatory locking, and so
// the bit stays where `by` might set it anew.
void Inode::drop_set_ids(const Credentials &by) {
    permissions_ &= ~mode_t(S_ISUID);
    const bool may_give_it = by.may_keep_set_ids || by.is_in(gid_);
    if ((permissions_ & S_IXGRP) != 0 || !may_give_it) permissions_ &= ~mode_t(S_ISGID);
}

void Inode::accessed(timespec now, AccessTimes mode) {
    if (mode == AccessTimes::never || (flags() & kNoAccessTime) != 0) return;
    const Hold hold(mutex_);
    const bool is_stale =
        mode == AccessTimes::strict || not_later(accessed_, modified_) || not_later(accessed_, changed_);
    if (!is_stale && now.tv_sec - accessed_.tv_sec < kDay) return;
    accessed_ = now;
    has_unrecorded_access.store(true, std::memory_order_relaxed);
}

Error Inode::forbidden_by_flags() { return {EPERM, 0, "change inode", "it is immutable or append-only: chattr -i -a"}; }

void Inode::set_flags(InodeFlags flags, timespec now) {
    flags_.store(flags, std::memory_order_relaxed);
    changed(now);
}

void Inode::changed(timespec now) {
    const Hold hold(mutex_);
    changed_ = now;
}

void Inode::add_links(int count, timespec now) {
    const Hold hold(mutex_);
    GMEMFS_ASSERT(count >= 0 || links_ >= static_cast<std::uint32_t>(-count));
    links_ += static_cast<std::uint32_t>(count);
    changed_ = now;
}

std::uint32_t Inode::links() const {
    const Hold hold(mutex_);
    return links_;
}

Placement Inode::placement() const {
    const Hold hold(mutex_);
    return placement_;
}

void Inode::place(const Placement &placement) {
    const Hold hold(mutex_);
    placement_ = placement;
}

Protection Inode::protection() const {
    if (file_) return file_->protection();
    const Hold hold(mutex_);
    return protection_;
}

void Inode::hand_down(Protection protection) {
    const Hold hold(mutex_);
    protection_ = protection;
}

void Inode::restore(const VolumeState::Node &node, const Placement &placement) {
    device_number_ = node.device_number;
    flags_ = node.flags;
    target_ = node.target;
    const Hold hold(mutex_);
    permissions_ = node.mode & kPermissionBits;
    links_ = node.links;
    uid_ = node.uid;
    gid_ = node.gid;
    const auto &times = node.times;
    accessed_ = {times[0], times[1]};
    modified_ = {times[2], times[3]};
    changed_ = {times[4], times[5]};
    for (const auto &[name, value] : node.xattrs) xattr_bytes_ += name.size() + value.size();
    xattrs_.insert(node.xattrs.begin(), node.xattrs.end());
    placement_ = placement;
    protection_ = node.protection;
}

} // namespace gmemfs
