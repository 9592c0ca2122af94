// Acl: a POSIX access control list, as an extended attribute has it, and what chmod(2), a new inode and a check of
// access make of it.
//
// The bytes are the kernel's (<linux/posix_acl_xattr.h>): version 2 in 4 bytes, then entries of a tag and permissions
// in 2 bytes each and a user's or group's number in 4, all little-endian. What the entries mean is acl(5), which is
// POSIX 1003.1e draft 17. A list with a mask says more than nine bits do; the mask is then what stat(2) shows for the
// group, and bounds what named users, named groups and the owning group have.
#pragma once

#include "fuse/core/names/credentials.hpp"
#include "vmm/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gmemfs {

inline constexpr std::string_view kAccessAcl = "system.posix_acl_access";   ///< who may do what
inline constexpr std::string_view kDefaultAcl = "system.posix_acl_default"; ///< of a directory: what it hands down
inline constexpr bool is_acl(std::string_view name) { return name == kAccessAcl || name == kDefaultAcl; }

/// A value that always is a list by the rules: user and group that own, others, each once; in the order of tags; with a
/// mask where anybody is named. Not thread-safe.
class Acl {
public:
    /// EINVAL: it is no list by the rules.
    static Result<Acl> parse(std::string_view bytes);
    std::string bytes() const;

    /// The nine bits of a mode that stat(2) shows.
    mode_t mode() const;
    /// It says no more than those, so that nothing is lost without it.
    bool is_mode() const { return mask() == nullptr; }
    /// chmod(2): the bits are the owner's, the mask's (without one, the owning group's) and the others'.
    void change_mode(mode_t mode);
    /// As a new inode gets it from its directory: nobody has more than `mode`, which is what the program asked for.
    void limit(mode_t mode) { change_mode(this->mode() & mode); }

    /// Whether it lets these do what `wanted` says: bits as of the others, 4 to read, 2 to write, 1 to execute.
    /// `owner` and `group` own the inode. Root isn't a case of its own here.
    bool allows(mode_t wanted, const Credentials &who, uid_t owner, gid_t group) const;

private:
    // As the kernel numbers them, and in the order that a list has them.
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
