// Ticket test: a ticket names its inode, and can't be made up.
#include "fuse/broker/ticket.hpp"

#include "tests/support/simulation.hpp"

namespace gmemfs {
namespace {

TEST(Ticket, NamesItsInode) {
    const TicketMaker maker(test::must(make_secret()));
    for (const InodeId id : {InodeId(1), InodeId(2), InodeId(1) << 63})
        EXPECT_EQ(test::must(maker.check(maker.make(id))), id);
}

TEST(Ticket, OfAnotherServerOrInodeIsStale) {
    const TicketMaker maker(test::must(make_secret()));
    const TicketMaker other(test::must(make_secret()));
    EXPECT_EQ(test::code_of(maker.check(other.make(2))), ESTALE);
    protocol::Ticket mixed = maker.make(2);
    mixed[0] = 3;
    EXPECT_EQ(test::code_of(maker.check(mixed)), ESTALE);
    EXPECT_EQ(test::code_of(maker.check({})), ESTALE);
}

} // namespace
} // namespace gmemfs
