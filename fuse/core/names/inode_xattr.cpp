// Inode, extended attributes: those that users set, and access control lists, which are kept as two of them.
#include "fuse/core/names/inode.hpp"

#include <charconv>
#include <system_error>
#include <utility>

namespace gmemfs {
namespace {

// The kernel's FUSE hands on a page at the most. An inode has room for two of these, and so for what it inherits.
constexpr std::size_t kAclSizeMax = 32 * KiB;
static_assert(2 * (kAclSizeMax + kDefaultAcl.size()) <= kXattrBytesPerInodeMax);

} // namespace

// listxattr(2) can't carry more than that, and then nothing would be known of any.
bool Inode::list_has_room(std::string_view name) const {
    std::size_t size = name.size() + 1;
    if (xattr_bytes_ + xattrs_.size() + size <= kXattrListMax) return true; // not even with the values in it
    for (const auto &[other, value] : xattrs_) size += other.size() + 1;
    return size <= kXattrListMax;
}

Result<void> Inode::put_xattr(std::string_view name, std::string_view value) {
    const auto found = xattrs_.find(name);
    const std::size_t before = found == xattrs_.end() ? 0 : name.size() + found->second.size();
    const std::size_t after = name.size() + value.size();
    if (xattr_bytes_ - before + after > kXattrBytesPerInodeMax)
        return Error{ENOSPC, 0, "set attribute", "128 KiB of attributes a file is the limit"};
    if (found == xattrs_.end() && !list_has_room(name))
        return Error{ENOSPC, 0, "set attribute", "64 KiB of attributes' names a file is the limit"};
    if (found == xattrs_.end())
        xattrs_.emplace(name, value);
    else
        found->second = value;
    xattr_bytes_ = xattr_bytes_ - before + after;
    return {};
}

Result<unsigned> parse_age(std::string_view text) {
    static constexpr std::pair<char, unsigned> kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    constexpr unsigned kLongest = 10 * 365 * 86400U;
    const Error none = {EINVAL, 0, "read time", "'" + std::string(text) + "' is no time: 90s, 10m, 2h or 1d"};
    unsigned unit = 1;
    for (const auto &[letter, seconds] : kUnits)
        if (unit == 1 && text.ends_with(letter)) unit = seconds, text.remove_suffix(1);
    unsigned count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size() || text.empty() || count > kLongest / unit)
        return none;
    return count * unit;
}

std::optional<unsigned> Inode::age(std::string_view name) const {
    const Hold hold(mutex_);
    const auto found = xattrs_.find(name);
    if (found == xattrs_.end()) return std::nullopt;
    const Result<unsigned> seconds = parse_age(found->second); // a journal of another version may say anything
    return seconds ? std::optional(*seconds) : std::nullopt;
}

bool Inode::drop_xattr(std::string_view name) {
    const auto found = xattrs_.find(name);
    if (found == xattrs_.end()) return false;
    xattr_bytes_ -= name.size() + found->second.size();
    xattrs_.erase(found);
    return true;
}

Result<void> Inode::set_xattr(std::string_view name, std::string_view value, XattrMode mode, timespec now) {
    if (value.size() > kXattrSizeMax) return Error{E2BIG, 0, "set attribute"};
    const Hold hold(mutex_);
    const bool is_there = xattrs_.find(name) != xattrs_.end();
    if (mode == XattrMode::create && is_there) return Error{EEXIST, 0, "set attribute"};
    if (mode == XattrMode::replace && !is_there) return Error{ENODATA, 0, "set attribute"};
    TRY(put_xattr(name, value));
    changed_ = now;
    return {};
}

Result<std::string> Inode::xattr(std::string_view name) const {
    const Hold hold(mutex_);
    const auto found = xattrs_.find(name);
    if (found == xattrs_.end()) return Error{ENODATA, 0, "read attribute"};
    return std::string(found->second);
}

Result<void> Inode::remove_xattr(std::string_view name, timespec now) {
    const Hold hold(mutex_);
    if (!drop_xattr(name)) return Error{ENODATA, 0, "remove attribute"};
    changed_ = now;
    return {};
}

std::vector<std::string> Inode::xattr_names() const {
    const Hold hold(mutex_);
    std::vector<std::string> names;
    for (const auto &[name, value] : xattrs_) names.push_back(name);
    return names;
}

std::optional<Acl> Inode::acl(std::string_view name) const {
    const auto found = xattrs_.find(name);
    if (found == xattrs_.end()) return std::nullopt;
    Result<Acl> parsed = Acl::parse(found->second);
    GMEMFS_ASSERT(parsed.has_value()); // set_acl or Namespace::restore has checked the list
    return *std::move(parsed);
}

Result<void> Inode::set_acl(std::string_view name, std::string_view value, const Credentials &who, timespec now) {
    GMEMFS_ASSERT(is_acl(name));
    if (type_ == S_IFLNK) return Error{EOPNOTSUPP, 0, "set access control list"};
    if (value.size() > kAclSizeMax) return Error{E2BIG, 0, "set access control list"};
    const Acl acl = TRY(Acl::parse(value));
    const Hold hold(mutex_);
    if (name == kDefaultAcl) {
        if (!is_directory()) return Error{EACCES, 0, "set default access control list", "only a directory has one"};
        TRY(put_xattr(name, acl.bytes()));
    } else {
        if (acl.is_mode())
            drop_xattr(name);
        else
            TRY(put_xattr(name, acl.bytes()));
        permissions_ = (permissions_ & ~mode_t(ACCESSPERMS)) | acl.mode();
        drop_set_group_id(who);
    }
    changed_ = now;
    return {};
}

void Inode::remove_acl(std::string_view name, const Credentials &who, timespec now) {
    GMEMFS_ASSERT(is_acl(name));
    const Hold hold(mutex_);
    drop_xattr(name);
    if (name == kAccessAcl) drop_set_group_id(who);
    changed_ = now;
}

void Inode::drop_set_group_id(const Credentials &who) {
    if (!who.may_keep_set_ids && !who.is_in(gid_)) permissions_ &= ~mode_t(S_ISGID);
}

void Inode::inherit(const Inode &directory, mode_t umask) {
    flags_ = directory.flags() & kHandedDown;
    if (type_ == S_IFLNK) return; // its mode is nobody's business
    std::optional<Acl> handed_down;
    std::map<std::string, std::string> handed;
    {
        const Hold hold(directory.mutex_);
        handed_down = directory.acl(kDefaultAcl);
        for (const std::string_view name : {kPackAfter, kHostAfter, kReplicasWanted})
            if (const auto found = directory.xattrs_.find(name); found != directory.xattrs_.end())
                handed.insert(*found);
    }
    const Hold hold(mutex_);
    if (is_file() || is_directory())
        for (const auto &[name, value] : handed) (void)put_xattr(name, value); // there is room: they are the first
    if (!handed_down) {
        permissions_ &= ~(umask & ACCESSPERMS);
        return;
    }
    if (is_directory()) (void)put_xattr(kDefaultAcl, handed_down->bytes()); // there is room: kAclSizeMax
    handed_down->limit(permissions_);
    permissions_ = (permissions_ & ~mode_t(ACCESSPERMS)) | handed_down->mode();
    if (!handed_down->is_mode()) (void)put_xattr(kAccessAcl, handed_down->bytes());
}

Result<void> Inode::check_handle(const Credentials &who) const {
    if (!may_read_and_write(who))
        return Error{EACCES, 0, "get handle", "a handle gives read and write, and the file's mode doesn't: chmod it"};
    if ((flags() & kFixed) != 0)
        return Error{EPERM, 0, "get handle", "a handle lets peers write, and the file is immutable or append-only"};
    return {};
}

bool Inode::may(mode_t wanted, const Credentials &who) const {
    if (who.uid == 0) return true; // as CAP_DAC_OVERRIDE has it
    const Hold hold(mutex_);
    if (who.uid == uid_) return (permissions_ >> 6 & wanted) == wanted;
    // As open(2) of Linux, which doesn't ask the list where the mask is empty. Then a user that isn't in the group has
    // the rights of others.
    const bool may_ask = (permissions_ & S_IRWXG) != 0;
    if (const std::optional<Acl> access = may_ask ? acl(kAccessAcl) : std::nullopt)
        return access->allows(wanted, who, uid_, gid_);
    return (permissions_ >> (who.is_in(gid_) ? 3 : 0) & wanted) == wanted;
}

} // namespace gmemfs
