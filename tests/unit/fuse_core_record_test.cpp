// Record: what changes of single things come back to, after a restart and where a record is none.
#include "fuse/core/journal/record.hpp"
#include "tests/support/journal_file.hpp"
#include "tests/support/simulation.hpp"

namespace gmemfs {
namespace {

using test::code_of;
using test::directory_node;
using test::JournalFile;
using test::must;

TEST_F(JournalFile, FlagsComeAndGo) {
    VolumeState first;
    first.nodes[kRootInode] = directory_node();
    {
        const auto journal = must(Journal::create(path(), first));
        VolumeState::Node node;
        node.mode = S_IFREG | 0644;
        node.flags = kImmutable;
        must(journal->append([&](RecordWriter &record) { record.inode(10, node); }));
        must(journal->append([&](RecordWriter &record) { record.inode(11, node); }));
        node.flags = 0;
        must(journal->append([&](RecordWriter &record) {
            record.inode(11, node);
            record.flags(11, 0);
        }));
    }
    const Journal::Opened again = must(Journal::open(path()));
    EXPECT_EQ(again.state.nodes.at(10).flags, kImmutable);
    EXPECT_EQ(again.state.nodes.at(11).flags, 0U);
}

TEST_F(JournalFile, LeasesComeAndGoWithTheirHolders) {
    VolumeState wanted;
    {
        const auto journal = must(Journal::create(path(), {}));
        must(journal->append([](RecordWriter &record) {
            record.ticket_secret({1, 2, 3});
            record.holder(1, {100, 7, 0});
            record.holder(2, {101, 8, 5});
            record.lease(3, {1, 20, 3, {70, 71}});
            record.lease(4, {2, 21, 1, {}});
            record.lease(5, {2, 22, 0, {72}});
            record.lease(9, {1, 23, 0, {}});
        }));
        must(journal->append([](RecordWriter &record) { record.no_holder(2); }));
        must(journal->append([](RecordWriter &record) { record.no_lease(9); }));
    }
    wanted.ticket_secret = {1, 2, 3};
    wanted.holders[1] = {100, 7, 0};
    wanted.leases[3] = {1, 20, 3, {70, 71}};
    wanted.next_lease = 10;
    EXPECT_EQ(must(Journal::open(path())).state, wanted);
    must(Journal::create(path(), wanted)); // written anew it says the same
    EXPECT_EQ(must(Journal::open(path())).state, wanted);
}

TEST(Record, NumbersOfLeasesThatWereNeverGivenAreRefused) {
    for (const std::uint64_t number : {std::uint64_t(0), std::uint64_t(1) << 60, UINT64_MAX}) {
        RecordWriter lease, holder;
        lease.lease(number, {1, 2, 0, {}});
        holder.holder(number, {});
        VolumeState state;
        EXPECT_EQ(code_of(apply_record(lease.bytes(), state)), EBADMSG) << number;
        EXPECT_EQ(code_of(apply_record(holder.bytes(), state)), EBADMSG) << number;
        EXPECT_EQ(state, VolumeState{});
    }
}

TEST_F(JournalFile, AFileWithoutANameMayGetOneUntilItHasHadOne) {
    VolumeState first;
    first.nodes[kRootInode] = directory_node();
    {
        const auto journal = must(Journal::create(path(), first));
        VolumeState::Node node;
        node.mode = S_IFREG | 0644;
        for (const InodeId id : {10, 11})
            must(journal->append([&](RecordWriter &record) {
                record.inode(id, node);
                record.linkable(id);
            }));
        for (const std::uint32_t links : {1, 0}) {
            node.links = links;
            must(journal->append([&](RecordWriter &record) { record.inode(11, node); }));
        }
    }
    const Journal::Opened again = must(Journal::open(path()));
    EXPECT_TRUE(again.state.nodes.at(10).is_linkable);
    EXPECT_FALSE(again.state.nodes.at(11).is_linkable);
}

} // namespace
} // namespace gmemfs
