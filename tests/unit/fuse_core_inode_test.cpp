// Unit tests: attributes, extended attributes and permissions of an inode.
#include "fuse/core/names/inode.hpp"

#include <gtest/gtest.h>

namespace gmemfs {
namespace {

using XattrMode = Inode::XattrMode;
const Credentials kRoot = {0, 0, {}, true};

class InodeTest : public ::testing::Test {
protected:
    void chmod(mode_t mode) {
        AttributeChanges changes;
        changes.mode = mode;
        inode_.change(changes, {0, 0}, kRoot);
    }
    int set(std::string_view name, std::string_view value, XattrMode mode = XattrMode::any) {
        const auto result = inode_.set_xattr(name, value, mode, {1, 0});
        return result ? 0 : result.error().code;
    }
    Inode inode_{7, S_IFREG | 0640, {1000, 100}, {10, 0}};
};

TEST_F(InodeTest, HandlesNeedReadAndWrite) {
    EXPECT_TRUE(inode_.may_read_and_write({0, 0}));
    EXPECT_TRUE(inode_.may_read_and_write({1000, 5}));
    EXPECT_FALSE(inode_.may_read_and_write({2000, 100})); // its group may only read
    chmod(0660);
    EXPECT_TRUE(inode_.may_read_and_write({2000, 100}));
    EXPECT_TRUE(inode_.may_read_and_write({2000, 5, {7, 100}}));
    EXPECT_FALSE(inode_.may_read_and_write({2000, 5}));
    chmod(0066);
    EXPECT_FALSE(inode_.may_read_and_write({1000, 100})); // the owner's bits count for the owner, and no others
    EXPECT_TRUE(inode_.may_read_and_write({2000, 5}));
}

TEST_F(InodeTest, AWriteByAUserTakesSetUserIdAway) {
    chmod(06755);
    inode_.written({20, 0}, kRoot);
    EXPECT_EQ(inode_.attributes().mode & 07777, 06755U);
    inode_.written({21, 0}, {1000, 5});
    EXPECT_EQ(inode_.attributes().mode & 07777, 0755U);
}

TEST_F(InodeTest, AWriteLeavesSetGroupIdWithoutExecutionToWhoIsInTheGroup) {
    chmod(06644);
    inode_.written({20, 0}, {2000, 5, {100}});
    EXPECT_EQ(inode_.attributes().mode & 07777, 02644U);
    inode_.written({21, 0}, {1000, 5}); // the owner, too
    EXPECT_EQ(inode_.attributes().mode & 07777, 0644U);
}

TEST_F(InodeTest, RootWithoutTheCapabilityIsNobodySpecial) {
    chmod(06755);
    inode_.written({20, 0}, {0, 0});
    EXPECT_EQ(inode_.attributes().mode & 07777, 0755U);
}

TEST_F(InodeTest, ANewOwnerTakesSetUserIdAwayAndAModeGivenWithItStays) {
    chmod(06755);
    AttributeChanges changes;
    changes.uid = 5;
    inode_.change(changes, {30, 0}, kRoot);
    EXPECT_EQ(inode_.attributes().mode & 07777, 0755U);
    changes.mode = 04711;
    inode_.change(changes, {31, 0}, kRoot);
    EXPECT_EQ(inode_.attributes().mode & 07777, 04711U);
}

TEST_F(InodeTest, AccessTimeIsRelative) {
    inode_.accessed({20, 0}, AccessTimes::relative); // as old as the last change: taken
    EXPECT_EQ(inode_.attributes().accessed.tv_sec, 20);
    inode_.accessed({30, 0}, AccessTimes::relative); // newer than every change: left
    EXPECT_EQ(inode_.attributes().accessed.tv_sec, 20);
    inode_.modified({40, 0});
    inode_.accessed({50, 0}, AccessTimes::relative);
    EXPECT_EQ(inode_.attributes().accessed.tv_sec, 50);
    inode_.accessed({50 + 86400, 0}, AccessTimes::relative); // a day later
    EXPECT_EQ(inode_.attributes().accessed.tv_sec, 50 + 86400);
    inode_.accessed({50 + 3 * 86400, 0}, AccessTimes::never);
    EXPECT_EQ(inode_.attributes().accessed.tv_sec, 50 + 86400);
    inode_.accessed({50 + 86401, 0}, AccessTimes::strict);
    EXPECT_EQ(inode_.attributes().accessed.tv_sec, 50 + 86401);
}

TEST_F(InodeTest, ExtendedAttributesObeyTheirMode) {
    EXPECT_EQ(set("user.a", "1", XattrMode::replace), ENODATA);
    EXPECT_EQ(set("user.a", "1", XattrMode::create), 0);
    EXPECT_EQ(set("user.a", "2", XattrMode::create), EEXIST);
    EXPECT_EQ(set("user.a", "3", XattrMode::replace), 0);
    EXPECT_EQ(*inode_.xattr("user.a"), "3");
    EXPECT_EQ(inode_.xattr_names(), std::vector<std::string>{"user.a"});
    EXPECT_TRUE(inode_.remove_xattr("user.a", {1, 0}));
    EXPECT_EQ(inode_.remove_xattr("user.a", {1, 0}).error().code, ENODATA);
    EXPECT_EQ(inode_.xattr("user.a").error().code, ENODATA);
}

TEST_F(InodeTest, ExtendedAttributesAreLimited) {
    const std::string largest(kXattrSizeMax, 'x');
    EXPECT_EQ(set("user.big", largest + "x"), E2BIG);
    EXPECT_EQ(set("user.one", largest), 0);
    EXPECT_EQ(set("user.two", largest), ENOSPC); // the names count as well
    EXPECT_EQ(set("user.two", largest.substr(100)), 0);
    EXPECT_EQ(set("user.one", ""), 0);
    EXPECT_EQ(set("user.three", largest.substr(100)), 0);
}

} // namespace
} // namespace gmemfs
