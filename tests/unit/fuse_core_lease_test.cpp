// Lease test: who may be there together, and what a lease keeps.
#include "fuse/core/lease.hpp"

#include "tests/support/simulation.hpp"

namespace gmemfs {
namespace {

using Sharing = Leases::Sharing;
using Use = Leases::Use;

InodeRef make_inode(InodeId id) { return std::make_shared<Inode>(id, S_IFREG | 0600, Credentials{}, timespec{}); }

TEST(Leases, SharedOnesGoTogetherWhateverTheirUse) {
    Leases leases;
    const InodeRef inode = make_inode(2);
    const auto one = test::must(leases.grant(inode, Use::write, Sharing::shared, 10));
    const auto two = test::must(leases.grant(inode, Use::write, Sharing::shared, 11));
    EXPECT_NE(one, two);
    EXPECT_TRUE(leases.grant(inode, Use::read, Sharing::shared, 12));
    EXPECT_EQ(leases.count(), 3U);
}

TEST(Leases, AnExclusiveOneGoesAlone) {
    Leases leases;
    const InodeRef inode = make_inode(2);
    const auto alone = test::must(leases.grant(inode, Use::read, Sharing::exclusive, 10));
    const auto refused = leases.grant(inode, Use::read, Sharing::shared, 11);
    ASSERT_EQ(test::code_of(refused), EBUSY);
    EXPECT_NE(refused.error().detail.find("process 10"), std::string::npos);
    EXPECT_EQ(test::code_of(leases.grant(inode, Use::read, Sharing::exclusive, 11)), EBUSY);
    leases.release(alone);
    EXPECT_TRUE(leases.grant(inode, Use::read, Sharing::shared, 11));
    EXPECT_EQ(test::code_of(leases.grant(inode, Use::read, Sharing::exclusive, 12)), EBUSY);
}

TEST(Leases, OtherFilesAreNoneOfItsBusiness) {
    Leases leases;
    ASSERT_TRUE(leases.grant(make_inode(2), Use::read, Sharing::exclusive, 10));
    EXPECT_TRUE(leases.grant(make_inode(3), Use::read, Sharing::exclusive, 10));
}

TEST(Leases, TheFileLivesAsLongAsItsLease) {
    Leases leases;
    InodeRef inode = make_inode(2);
    const std::weak_ptr<Inode> watched = inode;
    const auto lease = test::must(leases.grant(std::move(inode), Use::read, Sharing::shared, 10));
    EXPECT_FALSE(watched.expired());
    leases.release(lease);
    EXPECT_TRUE(watched.expired());
    EXPECT_EQ(leases.count(), 0U);
}

} // namespace
} // namespace gmemfs
