// Lease test: who may be there together, what a lease keeps, and what the next server has of it.
#include "fuse/core/journal/journal.hpp"
#include "fuse/core/lease.hpp"

#include "tests/support/keeper_thread.hpp"
#include "tests/support/simulation.hpp"

#include <algorithm>
#include <filesystem>
#include <unistd.h>

namespace gmemfs {
namespace {

using Sharing = Leases::Sharing;
using Use = Leases::Use;

InodeRef make_inode(InodeId id) { return std::make_shared<Inode>(id, S_IFREG | 0600, Credentials{}, timespec{}); }

TEST(Leases, SharedOnesGoTogetherWhateverTheirUse) {
    Leases leases;
    const auto holder = leases.add_holder(10, 0);
    const InodeRef inode = make_inode(2);
    const auto one = test::must(leases.grant(inode, Use::write, Sharing::shared, holder));
    const auto two = test::must(leases.grant(inode, Use::write, Sharing::shared, holder));
    EXPECT_NE(one, two);
    EXPECT_TRUE(leases.grant(inode, Use::read, Sharing::shared, leases.add_holder(12, 0)));
    EXPECT_EQ(leases.count(), 3U);
}

TEST(Leases, AnExclusiveOneGoesAlone) {
    Leases leases;
    const InodeRef inode = make_inode(2);
    const auto other = leases.add_holder(11, 0);
    const auto alone = test::must(leases.grant(inode, Use::read, Sharing::exclusive, leases.add_holder(10, 0)));
    const auto refused = leases.grant(inode, Use::read, Sharing::shared, other);
    ASSERT_EQ(test::code_of(refused), EBUSY);
    EXPECT_NE(refused.error().detail.find("process 10"), std::string::npos);
    EXPECT_EQ(test::code_of(leases.grant(inode, Use::read, Sharing::exclusive, other)), EBUSY);
    leases.release(alone);
    EXPECT_TRUE(leases.grant(inode, Use::read, Sharing::shared, other));
    EXPECT_EQ(test::code_of(leases.grant(inode, Use::read, Sharing::exclusive, other)), EBUSY);
}

TEST(Leases, OtherFilesAreNoneOfItsBusiness) {
    Leases leases;
    const auto holder = leases.add_holder(10, 0);
    ASSERT_TRUE(leases.grant(make_inode(2), Use::read, Sharing::exclusive, holder));
    EXPECT_TRUE(leases.grant(make_inode(3), Use::read, Sharing::exclusive, holder));
}

TEST(Leases, TheFileLivesAsLongAsItsLease) {
    Leases leases;
    InodeRef inode = make_inode(2);
    const std::weak_ptr<Inode> watched = inode;
    const auto lease = test::must(leases.grant(std::move(inode), Use::read, Sharing::shared, leases.add_holder(10, 0)));
    EXPECT_FALSE(watched.expired());
    leases.release(lease);
    EXPECT_TRUE(watched.expired());
    EXPECT_EQ(leases.count(), 0U);
}

TEST(Leases, AHolderThatEndsLeavesNone) {
    Leases leases;
    const InodeRef inode = make_inode(2);
    const auto ends = leases.add_holder(10, 0), stays = leases.add_holder(11, 0);
    for (const auto holder : {ends, stays, ends}) test::must(leases.grant(inode, Use::read, Sharing::shared, holder));
    leases.remove_holder(ends);
    EXPECT_EQ(leases.count(), 1U);
    EXPECT_EQ(leases.holder(stays).leases.size(), 1U);
}

TEST(Leases, WhomNobodyKnowsKeepsOthersFromBeingAlone) {
    Leases leases;
    const InodeRef inode = make_inode(2);
    leases.distrust(inode);
    const auto holder = leases.add_holder(10, 0);
    EXPECT_EQ(test::code_of(leases.grant(inode, Use::read, Sharing::exclusive, holder)), EBUSY);
    EXPECT_TRUE(leases.grant(inode, Use::write, Sharing::shared, holder));
}

// Two servers, one after the other, with one journal between them.
class RecordedLeases : public ::testing::Test {
protected:
    RecordedLeases() {
        std::string pattern = (std::filesystem::temp_directory_path() / "gmemfs-leases-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        journal_ = test::must(Journal::create(folder_ + "/journal", {}));
        leases.record_in(journal_.get());
    }
    ~RecordedLeases() override { std::filesystem::remove_all(folder_); }

    Leases::Id take(Leases::Id holder, InodeId inode, Use use, Sharing sharing) {
        const auto lease = test::must(leases.grant(make_inode(inode), use, sharing, holder));
        test::must(leases.keep(lease, {}));
        return lease;
    }
    VolumeState recorded() { return test::must(Journal::open(folder_ + "/journal")).state; }
    static Result<void> restore(Leases &next, const VolumeState &state) {
        return next.restore(
            state, [](InodeId id) { return make_inode(id); }, [](Keeper::Id) { return nullptr; });
    }

    Leases leases;

private:
    std::string folder_;
    std::unique_ptr<Journal> journal_;
};

TEST_F(RecordedLeases, TheNextServerHasWhatWasHeldAndNothingElse) {
    const auto holder = leases.add_holder(10, 77), other = leases.add_holder(11, 78);
    const auto alone = take(holder, 2, Use::write, Sharing::exclusive);
    const auto shared = take(holder, 3, Use::read, Sharing::shared);
    leases.release(take(holder, 4, Use::write, Sharing::exclusive));
    take(other, 5, Use::write, Sharing::exclusive);
    leases.answered(holder);
    leases.remove_holder(other);
    Leases next;
    test::must(restore(next, recorded()));
    EXPECT_EQ(next.count(), 2U);
    EXPECT_EQ(next.find_inode(alone), 2U);
    EXPECT_EQ(next.find_inode(shared), 3U);
    ASSERT_EQ(next.holders().size(), 1U);
    EXPECT_EQ(next.holder(holder).pid, 10);
    EXPECT_EQ(next.holder(holder).start_time, 77U);
    EXPECT_EQ(next.holder(holder).unanswered, 0U);
    const auto peer = next.add_holder(12, 0);
    EXPECT_EQ(test::code_of(next.grant(make_inode(2), Use::read, Sharing::shared, peer)), EBUSY);
    EXPECT_EQ(test::code_of(next.grant(make_inode(3), Use::read, Sharing::exclusive, peer)), EBUSY);
    EXPECT_TRUE(next.grant(make_inode(4), Use::read, Sharing::exclusive, peer));
    EXPECT_TRUE(next.grant(make_inode(5), Use::read, Sharing::exclusive, peer));
}

TEST_F(RecordedLeases, WhoseMemoryAFileIsTheNextServerKnows) {
    const auto holder = leases.add_holder(10, 77);
    const InodeRef mine = make_inode(2), kept = make_inode(3);
    const auto first = leases.grant_donor(mine, 1, Leases::Bond::drop, holder);
    const auto second = leases.grant_donor(kept, 1, Leases::Bond::keep, holder);
    const auto third = take(holder, 4, Use::write, Sharing::shared);
    test::must(leases.keep(first, {}));
    test::must(leases.keep(second, {}));
    EXPECT_EQ(test::code_of(mine->check_unused()), EBUSY);
    EXPECT_EQ(leases.donated(first).home, 1U);
    EXPECT_EQ(leases.donated(third).inode, nullptr);
    Leases next;
    test::must(restore(next, recorded()));
    EXPECT_EQ(next.donated(first).bond, Leases::Bond::drop);
    EXPECT_EQ(next.donated(second).bond, Leases::Bond::keep);
    EXPECT_EQ(test::code_of(next.donated(second).inode->check_unused()), EBUSY);
    EXPECT_EQ(next.donated(third).bond, Leases::Bond::none);
    leases.release(first);
    EXPECT_TRUE(mine->check_unused());
    EXPECT_FALSE(leases.donated(first).inode);
}

TEST_F(RecordedLeases, NoNumberIsGivenTwiceAlsoByTheNextServer) {
    const auto holder = leases.add_holder(10, 77);
    const auto released = take(holder, 2, Use::write, Sharing::exclusive);
    leases.release(released);
    leases.remove_holder(holder);
    Leases next;
    test::must(restore(next, recorded()));
    const auto again = next.add_holder(10, 77);
    EXPECT_GT(again, released);
}

TEST_F(RecordedLeases, WhatWasNotAnsweredIsKnownAsThat) {
    const auto holder = leases.add_holder(10, 77);
    take(holder, 2, Use::read, Sharing::shared);
    leases.answered(holder);
    const auto lost = take(holder, 3, Use::read, Sharing::shared);
    take(holder, 4, Use::read, Sharing::shared); // of the same answer
    Leases next;
    test::must(restore(next, recorded()));
    EXPECT_EQ(next.holder(holder).unanswered, lost);
}

TEST_F(RecordedLeases, AReleaseThatWasNotAnsweredIsKnownToo) {
    const auto holder = leases.add_holder(10, 77);
    const auto lease = take(holder, 2, Use::read, Sharing::shared);
    leases.answered(holder);
    leases.release(lease);
    Leases next;
    test::must(restore(next, recorded()));
    EXPECT_EQ(next.count(), 0U);
    EXPECT_GT(next.holder(holder).unanswered, lease);
}

TEST_F(RecordedLeases, ALeaseOfNobodyIsRefused) {
    VolumeState state;
    state.leases[1] = {7, 2, 0, {}};
    EXPECT_EQ(test::code_of(restore(leases, state)), EBADMSG);
}

// A writer whose file is gone from the namespace keeps its place in the table, and harms nobody.
TEST_F(RecordedLeases, AFileThatIsGoneIsNoReasonToFail) {
    const auto holder = leases.add_holder(10, 77);
    take(holder, 2, Use::write, Sharing::exclusive);
    Leases next;
    test::must(next.restore(
        recorded(), [](InodeId) { return nullptr; }, [](Keeper::Id) { return nullptr; }));
    EXPECT_EQ(next.count(), 1U);
    next.remove_holder(holder);
    EXPECT_EQ(next.count(), 0U);
}

// One server after the other, with a keeper between them.
class TwoServers : public test::OnSimulation {
protected:
    TwoServers() {
        std::string pattern = (std::filesystem::temp_directory_path() / "gmemfs-servers-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
    }
    ~TwoServers() override { std::filesystem::remove_all(folder_); }

    std::string path() const { return folder_ + "/journal"; }
    std::unique_ptr<Volume> make_volume(KeeperClient &client) {
        const Volume::Limits limits = {.storage = {}, .files = 0, .protection = Protection::parity};
        return std::make_unique<Volume>(client, simulation().devices(), limits, Credentials{}, 0755, timespec{});
    }
    static Keeper::Id lease(Volume &volume, Leases::Id holder, const InodeRef &inode) {
        const auto lease = test::must(volume.leases().grant(inode, Use::write, Sharing::exclusive, holder));
        std::vector<std::shared_ptr<Extent>> extents;
        for (File::Shared &shared : test::must(inode->file()->share(copiers(), File::ShareBy::fd)))
            extents.push_back(shared.extent);
        const Keeper::Id first = extents.front()->id();
        test::must(volume.leases().keep(lease, std::move(extents)));
        return first;
    }
    static bool holds(KeeperClient &client, Keeper::Id id) {
        const auto held = test::must(client.list());
        return std::any_of(held.begin(), held.end(), [id](const Keeper::Held &each) { return each.id == id; });
    }

    test::KeeperThread keeper;

private:
    std::string folder_;
};

TEST_F(TwoServers, AWriterOfBeforeKeepsItsFileOpenAndItsExtents) {
    Leases::Id holder = 0;
    InodeId id = 0;
    Keeper::Id cut = 0;
    {
        const auto client = test::must(keeper.client());
        VolumeState begin;
        begin.ticket_secret = {1};
        const auto journal = test::must(Journal::create(path(), begin));
        const auto volume = make_volume(*client);
        volume->record_in(journal.get());
        test::must(volume->record_root());
        const Caller caller = {{}, {}, copiers()};
        holder = volume->leases().add_holder(10, 77);
        for (const char *const name : {"whole", "cut"}) {
            const InodeRef inode = test::must(volume->make_node(caller, kRootInode, name, S_IFREG | 0600, 0));
            test::must(inode->file()->resize(copiers(), 4 * MiB));
            if (id == 0) id = inode->id();
            cut = lease(*volume, holder, inode);
            if (id != inode->id()) test::must(inode->file()->resize(copiers(), 0));
        }
        client->let_go(); // as by SIGKILL
    }
    const auto client = test::must(keeper.client());
    const auto journal = test::must(Journal::open(path()));
    const auto volume = make_volume(*client);
    volume->record_in(journal.journal.get());
    test::must(volume->restore(journal.state, test::must(client->list()), Namespace::KernelMemory::none));
    EXPECT_EQ(volume->leases().count(), 2U);
    EXPECT_TRUE(holds(*client, cut)) << "a peer has it mapped";
    const InodeRef inode = test::must(volume->names().find(id));
    EXPECT_EQ(inode->file()->parity_state(), ParityState::open);
    test::must(inode->file()->seal());
    EXPECT_EQ(inode->file()->parity_state(), ParityState::open) << "it may write again";
    EXPECT_EQ(test::code_of(inode->file()->check_parity(ParityMode::repair, 0, 4 * MiB)), EBUSY);
    volume->leases().remove_holder(holder);
    EXPECT_EQ(inode->file()->parity_state(), ParityState::current);
    EXPECT_FALSE(holds(*client, cut));
}

// A version that recorded no leases has given a handle away.
TEST_F(TwoServers, WhatIsExportedWithoutALeaseOnRecordIsTrustedToNobody) {
    InodeId id = 0;
    {
        const auto client = test::must(keeper.client());
        const auto journal = test::must(Journal::create(path(), {}));
        const auto volume = make_volume(*client);
        volume->record_in(journal.get());
        test::must(volume->record_root());
        const InodeRef inode = test::must(volume->make_node({{}, {}, copiers()}, kRootInode, "f", S_IFREG | 0600, 0));
        test::must(inode->file()->resize(copiers(), 2 * MiB));
        test::must(inode->file()->share(copiers(), File::ShareBy::fd));
        id = inode->id();
        client->let_go();
    }
    const auto client = test::must(keeper.client());
    const auto journal = test::must(Journal::open(path()));
    const auto volume = make_volume(*client);
    test::must(volume->restore(journal.state, test::must(client->list()), Namespace::KernelMemory::none));
    const InodeRef inode = test::must(volume->names().find(id));
    test::must(inode->file()->seal());
    EXPECT_EQ(inode->file()->parity_state(), ParityState::open);
    const auto refused =
        volume->leases().grant(inode, Use::read, Sharing::exclusive, volume->leases().add_holder(1, 1));
    ASSERT_EQ(test::code_of(refused), EBUSY);
    EXPECT_NE(refused.error().detail.find("of before the restart"), std::string::npos);
}

} // namespace
} // namespace gmemfs
