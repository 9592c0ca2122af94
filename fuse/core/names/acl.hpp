// Acl: a POSIX access control list, read from its extended attribute, changed by chmod(2), and asked for access.
//
// The bytes are the kernel's (<linux/posix_acl_xattr.h>): version 2 in 4 bytes, then entries of a tag and permissions
// in 2 bytes each and a user's or group's number in 4, all little-endian. What the entries mean is acl(5), which is
// POSIX 1003.1e draft 17. A list with a mask says more than the nine bits of a mode. stat(2) then shows the mask in
// place of the group's bits, and the mask bounds what named users, named groups and the owning group may do.
#pragma once

#include "fuse/core/names/credentials.hpp"
#include "vmm/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gmemfs {

inline constexpr std::string_view kAccessAcl = "system.posix_acl_access";   ///< which users may do what
inline constexpr std::string_view kDefaultAcl = "system.posix_acl_default"; ///< of a directory, for new inodes
inline constexpr bool is_acl(std::string_view name) { return name == kAccessAcl || name == kDefaultAcl; }

/// A value that always obeys the rules: an entry each for the owner, the owning group and others; entries in the order
/// of their tags; a mask where a user or a group is named. Not thread-safe.
class Acl {
public:
    /// EINVAL: `bytes` are no list that obeys the rules.
    static Result<Acl> parse(std::string_view bytes);
    std::string bytes() const;

    /// The nine bits of a mode that stat(2) shows.
    mode_t mode() const;
    /// Whether the list says no more than the nine bits, so that nothing is lost without it.
    bool is_mode() const { return mask() == nullptr; }
    /// Does what chmod(2) does: gives owner, mask (where there is none, owning group) and others the bits of `mode`.
    void change_mode(mode_t mode);
    /// Limits a list that a new inode has from its directory: nobody gets more than `mode`, which the program asked
    /// for.
    void limit(mode_t mode) { change_mode(this->mode() & mode); }

    /// Whether the list lets `who` do what `wanted` says: 4 to read, 2 to write, 1 to execute. `owner` and `group` own
    /// the inode. Root isn't a case of its own here.
    bool allows(mode_t wanted, const Credentials &who, uid_t owner, gid_t group) const;

private:
    // The kernel's numbers, in the order of a list.
    enum class Tag : std::uint16_t { owner = 1, user = 2, owning_group = 4, group = 8, mask = 16, others = 32 };
    struct Entry {
        Tag tag;
        std::uint16_t permissions; // 0 to 7
        std::uint32_t id;          // of a user or group that is named
    };
    static constexpr std::uint32_t kNobody = ~std::uint32_t(0); // the id of entries that name nobody

    Acl() = default;
    Result<void> check() const;
    const Entry *mask() const; // null: none
    const Entry &only(Tag tag) const;

    std::vector<Entry> entries_;
};

} // namespace gmemfs
