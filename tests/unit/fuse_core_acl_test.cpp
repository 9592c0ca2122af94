// Unit tests: access control lists: which bytes are one, what they allow, chmod, and what a directory hands down.
#include "fuse/core/names/acl.hpp"
#include "fuse/core/names/namespace.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

namespace gmemfs {
namespace {

enum Tag : std::uint16_t { owner = 1, user = 2, owning_group = 4, group = 8, mask = 16, others = 32 };
struct Entry {
    Tag tag;
    std::uint16_t permissions;
    std::uint32_t id = 0xffffffff;
};

// The layout as <linux/posix_acl_xattr.h> has it, written down a second time.
std::string bytes_of(const std::vector<Entry> &entries, std::uint32_t version = 2) {
    std::string bytes(reinterpret_cast<const char *>(&version), 4);
    for (const Entry &entry : entries) {
        std::array<char, 8> one = {};
        std::memcpy(one.data(), &entry.tag, 2);
        std::memcpy(one.data() + 2, &entry.permissions, 2);
        std::memcpy(one.data() + 4, &entry.id, 4);
        bytes.append(one.data(), one.size());
    }
    return bytes;
}

Acl parse(const std::vector<Entry> &entries) {
    Result<Acl> acl = Acl::parse(bytes_of(entries));
    EXPECT_TRUE(acl);
    return *std::move(acl);
}

const std::vector<Entry> kNamed = {{owner, 7}, {user, 6, 5}, {owning_group, 5}, {group, 7, 50}, {mask, 6}, {others, 1}};

TEST(Acl, WhatWasParsedIsWrittenAgain) {
    const Acl named = parse(kNamed);
    EXPECT_EQ(named.bytes(), bytes_of(kNamed));
    EXPECT_EQ(named.mode(), 0761U); // the mask stands for the group
    EXPECT_FALSE(named.is_mode());
    EXPECT_TRUE(parse({{owner, 6}, {owning_group, 4}, {others, 0}}).is_mode());
    EXPECT_FALSE(parse({{owner, 6}, {owning_group, 4}, {mask, 7}, {others, 0}}).is_mode());
}

TEST(Acl, WhatIsNoListIsRefused) {
    const std::string good = bytes_of(kNamed);
    const std::vector<std::string> bad = {"", good.substr(0, 3), good.substr(0, 4), good.substr(0, good.size() - 1),
        good + "x", bytes_of(kNamed, 1), bytes_of(kNamed, 3), bytes_of({{owner, 7}, {owning_group, 7}}),
        bytes_of({{owner, 7}, {others, 7}}), bytes_of({{owning_group, 7}, {others, 7}}),
        bytes_of({{owner, 8}, {owning_group, 5}, {others, 0}}), bytes_of({{owner, 7}, {others, 0}, {owning_group, 5}}),
        bytes_of({{owner, 7}, {owner, 7}, {owning_group, 5}, {others, 0}}),
        bytes_of({{owner, 7}, {user, 7, 1}, {owning_group, 5}, {others, 0}}), // named, and no mask
        bytes_of({{owner, 7}, {user, 7}, {owning_group, 5}, {mask, 7}, {others, 0}}),
        bytes_of({{owner, 7}, {Tag(3), 7, 1}, {owning_group, 5}, {mask, 7}, {others, 0}}),
        bytes_of({{owner, 7}, {owning_group, 5}, {others, 0}, {Tag(64), 7}}), bytes_of({{Tag(0), 7}})};
    for (const std::string &each : bad) {
        const Result<Acl> parsed = Acl::parse(each);
        ASSERT_FALSE(parsed) << &each - bad.data();
        EXPECT_EQ(parsed.error().code, EINVAL);
    }
}

TEST(Acl, TheFirstKindThatFitsDecides) {
    const Acl acl = parse(kNamed);
    const auto allows = [&](mode_t wanted, const Credentials &who) { return acl.allows(wanted, who, 1, 10); };
    EXPECT_TRUE(allows(7, {1, 99}));          // the owner: no mask
    EXPECT_TRUE(allows(6, {5, 99}));          // named
    EXPECT_FALSE(allows(1, {5, 10}));         // named, and no group asked
    EXPECT_TRUE(allows(4, {2, 10}));          // the owning group
    EXPECT_FALSE(allows(2, {2, 10}));         //
    EXPECT_TRUE(allows(6, {2, 10, {50}}));    // any group that has it all
    EXPECT_FALSE(allows(1, {2, 50}));         // the mask takes it from the named group
    EXPECT_FALSE(allows(1, {2, 10}));         // a group that hasn't is no stranger
    EXPECT_TRUE(allows(1, {2, 99}));          // the others: no mask
    EXPECT_FALSE(allows(4, {2, 99}));         //
    EXPECT_TRUE(allows(6, {2, 99, {7, 50}})); // a supplementary group
}

TEST(Acl, ChmodSetsTheMaskAndANewInodeIsLimited) {
    Acl acl = parse(kNamed);
    acl.change_mode(0640);
    EXPECT_EQ(
        acl.bytes(), bytes_of({{owner, 6}, {user, 6, 5}, {owning_group, 5}, {group, 7, 50}, {mask, 4}, {others, 0}}));
    acl.limit(0777);
    EXPECT_EQ(acl.mode(), 0640U);
    acl.limit(0407);
    EXPECT_EQ(acl.mode(), 0400U);
    Acl plain = parse({{owner, 7}, {owning_group, 5}, {others, 5}});
    plain.limit(0626);
    EXPECT_EQ(plain.bytes(), bytes_of({{owner, 6}, {owning_group, 0}, {others, 4}}));
}

class InodeAcl : public ::testing::Test {
protected:
    int set(std::string_view name, const std::vector<Entry> &entries, const Credentials &who = {0, 0, {}, true}) {
        const Result<void> set = inode_.set_acl(name, bytes_of(entries), who, {1, 0});
        return set ? 0 : set.error().code;
    }
    mode_t mode() const { return inode_.attributes().mode & 07777; }
    bool has(std::string_view name) const { return inode_.xattr(name).has_value(); }
    Inode inode_{7, S_IFREG | 02640, {1, 10}, {10, 0}};
};

TEST_F(InodeAcl, TheModeAndTheListAreOne) {
    EXPECT_EQ(set(kAccessAcl, kNamed), 0);
    EXPECT_EQ(mode(), 02761U);
    AttributeChanges changes;
    changes.mode = 0600;
    inode_.change(changes, {2, 0}, {});
    EXPECT_EQ(Acl::parse(*inode_.xattr(kAccessAcl))->mode(), 0600U);
    EXPECT_EQ(set(kAccessAcl, {{owner, 6}, {owning_group, 4}, {others, 4}}), 0);
    EXPECT_FALSE(has(kAccessAcl)); // it said no more than a mode
    EXPECT_EQ(mode(), 0644U);
    EXPECT_EQ(set(kDefaultAcl, kNamed), EACCES); // of directories alone
    EXPECT_EQ(set(kAccessAcl, {}), EINVAL);
}

TEST_F(InodeAcl, WhoIsNotOfTheGroupTakesSetGroupIdAway) {
    EXPECT_EQ(set(kAccessAcl, kNamed, {1, 99, {10}}), 0);
    EXPECT_EQ(mode(), 02761U);
    EXPECT_EQ(set(kAccessAcl, kNamed, {1, 99}), 0);
    EXPECT_EQ(mode(), 0761U);
}

TEST_F(InodeAcl, HandlesGoByIt) {
    EXPECT_FALSE(inode_.may_read_and_write({5, 99}));
    EXPECT_EQ(set(kAccessAcl, kNamed), 0);
    EXPECT_TRUE(inode_.may_read_and_write({5, 99}));
    EXPECT_TRUE(inode_.may_read_and_write({6, 99, {50}}));
    EXPECT_FALSE(inode_.may_read_and_write({6, 10}));
    EXPECT_FALSE(inode_.may_read_and_write({6, 99}));
}

TEST(NamespaceAcl, ADefaultListTakesTheUmasksPlace) {
    const Credentials who = {0, 0, {}, true, 077};
    Namespace names(who, 0755, 0, {0, 0});
    const auto make = [&](InodeId parent, const char *name, mode_t mode) {
        return *names.create(parent, name, mode, who, timespec{1, 0}, [](Inode &, const Inode &) {});
    };
    EXPECT_EQ(make(kRootInode, "before", S_IFREG | 0666)->attributes().mode & 07777, 0600U);
    ASSERT_TRUE(names.root()->set_acl(kDefaultAcl, bytes_of(kNamed), {}, {1, 0}));
    const InodeRef file = make(kRootInode, "file", S_IFREG | 0666);
    EXPECT_EQ(file->attributes().mode & 07777, 0660U);
    EXPECT_TRUE(file->xattr(kAccessAcl));
    EXPECT_FALSE(file->xattr(kDefaultAcl));
    const InodeRef folder = make(kRootInode, "folder", S_IFDIR | 0777);
    EXPECT_EQ(*folder->xattr(kDefaultAcl), bytes_of(kNamed));
    EXPECT_EQ(make(kRootInode, "link", S_IFLNK | 0777)->xattr_names().size(), 0U);
}

} // namespace
} // namespace gmemfs
