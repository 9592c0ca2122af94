// Journal: what was appended is there after a restart, whatever the server's death did to the file.
#include "fuse/core/journal/journal.hpp"
#include "tests/support/journal_file.hpp"
#include "tests/support/simulation.hpp"
#include "vmm/base/random.hpp"

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace gmemfs {
namespace {

using test::code_of;
using test::directory_node;
using test::JournalFile;
using test::must;

void append_names(Journal &journal, InodeId from, InodeId to) {
    for (InodeId id = from; id < to; ++id)
        must(journal.append([&](RecordWriter &record) {
            VolumeState::Node node;
            node.mode = S_IFREG | 0644;
            record.inode(id, node);
            record.entry(kRootInode, "name" + std::to_string(id), id, id + 100);
        }));
}

TEST_F(JournalFile, WhatWasAppendedIsThereAgain) {
    VolumeState first;
    first.keeper_nonce = 77;
    first.nodes[kRootInode] = directory_node();
    {
        const auto journal = must(Journal::create(path(), first));
        append_names(*journal, 10, 13);
        const std::array<VolumeState::Piece, 2> pieces = {{{5, 0, 2 * MiB}, {6, 0, 4 * MiB}}};
        const VolumeState::Place place = {{1, 2, 3}, {{4}, {5, 6}}, 64 * MiB, false};
        must(journal->append([&](RecordWriter &record) {
            record.layout(10, 3 * MiB, 0, place, pieces);
            record.xattr(10, "user.a", std::string("\0b", 2));
            record.xattr(10, "user.c", "d");
        }));
        must(journal->append([&](RecordWriter &record) {
            record.no_xattr(10, "user.c");
            record.size(10, 3 * MiB + 1);
            record.no_entry(kRootInode, "name11");
            record.gone(11);
        }));
    }
    const Journal::Opened opened = must(Journal::open(path()));
    const VolumeState &state = opened.state;
    EXPECT_EQ(opened.dropped, 0U);
    EXPECT_EQ(state.keeper_nonce, 77U);
    EXPECT_EQ(state.next_inode, 13U);
    EXPECT_EQ(state.nodes.count(11), 0U);
    const VolumeState::Node &node = state.nodes.at(10);
    EXPECT_EQ(node.size, 3 * MiB + 1);
    ASSERT_EQ(node.pieces.size(), 2U);
    EXPECT_EQ(node.pieces[1], (VolumeState::Piece{6, 0, 4 * MiB}));
    EXPECT_EQ(node.placement, (VolumeState::Place{{1, 2, 3}, {{4}, {5, 6}}, 64 * MiB, false}));
    EXPECT_EQ(node.xattrs, (std::map<std::string, std::string>{{"user.a", std::string("\0b", 2)}}));
    EXPECT_EQ(state.directories.at(kRootInode).size(), 2U);
    EXPECT_EQ(state.directories.at(kRootInode).at("name12"), (VolumeState::Entry{12, 112}));
}

TEST_F(JournalFile, RecordsNameTheirRequestUntilAnotherMountBegins) {
    {
        const auto journal = must(Journal::create(path(), {}));
        must(journal->append(1234, [](RecordWriter &record) { record.next_inode(11); }));
        append_names(*journal, 11, 12);
    }
    const Journal::Opened opened = must(Journal::open(path()));
    EXPECT_EQ(opened.state.done, std::set<std::uint64_t>{1234});
    must(opened.journal->append([](RecordWriter &record) { record.done(0); }));
    EXPECT_TRUE(must(Journal::open(path())).state.done.empty());
}

TEST_F(JournalFile, CutAnywhereItHoldsTheRecordsBeforeTheCut) {
    append_names(*must(Journal::create(path(), {})), 10, 16);
    const std::string whole = bytes();
    std::size_t before = 0;
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        write(whole.substr(0, size));
        const Journal::Opened opened = must(Journal::open(path()));
        const std::size_t count = opened.state.nodes.size();
        ASSERT_GE(count, before) << size;
        ASSERT_LE(count, before + 1) << size;
        for (InodeId id = 10; id < 10 + count; ++id) ASSERT_EQ(opened.state.nodes.count(id), 1U) << size;
        before = count;
    }
    EXPECT_EQ(before, 6U);
}

// Damage isn't taken for a record that was torn: what comes after it was acknowledged. Only at the very end nobody can
// tell.
TEST_F(JournalFile, AnyWrongBitIsRefusedAndTheFileIsLeftAsItWas) {
    append_names(*must(Journal::create(path(), {})), 10, 14);
    const std::string whole = bytes();
    Random random(1);
    int refused = 0;
    for (int round = 0; round < 500; ++round) {
        std::string broken = whole;
        broken[random.below(broken.size())] ^= static_cast<char>(1U << random.below(8));
        write(broken);
        const Result<Journal::Opened> found = Journal::open(path());
        if (!found) {
            EXPECT_EQ(found.error().code, EBADMSG);
            EXPECT_EQ(bytes(), broken);
            ++refused;
            continue;
        }
        const Journal::Opened &opened = *found;
        EXPECT_EQ(opened.state.nodes.size(), 3U) << "only the last record can be taken for a torn one";
        for (const auto &[id, node] : opened.state.nodes) {
            EXPECT_EQ(node.mode, mode_t(S_IFREG | 0644));
            EXPECT_EQ(opened.state.directories.at(kRootInode).count("name" + std::to_string(id)), 1U);
        }
    }
    EXPECT_GT(refused, 450);
}

TEST_F(JournalFile, AfterATornRecordItGoesOn) {
    append_names(*must(Journal::create(path(), {})), 10, 12);
    write(bytes().substr(0, bytes().size() - 3));
    {
        const Journal::Opened opened = must(Journal::open(path()));
        EXPECT_GT(opened.dropped, 0U);
        append_names(*opened.journal, 20, 22);
    }
    const Journal::Opened opened = must(Journal::open(path()));
    EXPECT_EQ(opened.state.nodes.size(), 3U);
    EXPECT_EQ(opened.dropped, 0U);
}

TEST_F(JournalFile, ItIsWrittenAnewWhenItHasGrownAndSaysTheSame) {
    VolumeState first;
    first.nodes[kRootInode] = directory_node();
    const auto journal = must(Journal::create(path(), first));
    append_names(*journal, 10, 12);
    std::uint64_t largest = 0;
    const std::string value(60'000, 'x');
    for (int round = 0; round < 1000; ++round) {
        must(journal->append([&](RecordWriter &record) { record.xattr(10, "user.big", value); }));
        largest = std::max(largest, journal->size());
    }
    EXPECT_LT(largest, 17 * MiB);
    EXPECT_LT(journal->size(), 17 * MiB);
    append_names(*journal, 30, 31);
    const Journal::Opened opened = must(Journal::open(path()));
    EXPECT_EQ(opened.state.nodes.size(), 4U);
    EXPECT_EQ(opened.state.nodes.at(10).xattrs.at("user.big"), value);
    EXPECT_EQ(opened.state.next_inode, 31U);
}

TEST_F(JournalFile, WhatCouldNotBeWrittenIsWrittenWithTheNextRecord) {
    const auto journal = must(Journal::create(path(), {}));
    append_names(*journal, 10, 12);
    rlimit before = {};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    ::signal(SIGXFSZ, SIG_IGN); // so that write(2) says EFBIG
    const rlimit full = {bytes().size(), before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    std::size_t acknowledged = 0; // what was reserved is used up first
    const auto append = [&] {
        return journal->append([&](RecordWriter &record) {
            record.xattr(10, "user.a" + std::to_string(acknowledged), std::string(1000, 'b'));
        });
    };
    Result<void> refused;
    while ((refused = append()) && acknowledged < 10'000) ++acknowledged;
    const Result<void> again = journal->append([](RecordWriter &record) { record.xattr(10, "user.b", "c"); });
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(code_of(refused), ENOSPC);
    EXPECT_EQ(code_of(again), ENOSPC);
    EXPECT_EQ(code_of(journal->check()), ENOSPC);
    EXPECT_EQ(bytes().size(), full.rlim_cur);
    EXPECT_GT(acknowledged, 100U);
    // What a server that dies now leaves.
    std::filesystem::copy_file(path(), path() + ".left");
    EXPECT_EQ(must(Journal::open(path() + ".left")).state.nodes.at(10).xattrs.size(), acknowledged);
    append_names(*journal, 12, 13);
    EXPECT_TRUE(journal->check());
    const Journal::Opened opened = must(Journal::open(path()));
    EXPECT_EQ(opened.state.nodes.size(), 3U);
    EXPECT_EQ(opened.state.nodes.at(10).xattrs.size(), acknowledged + 2);
    EXPECT_EQ(opened.state.nodes.at(10).xattrs.at("user.b"), "c");
}

TEST_F(JournalFile, ABodyWithoutAHeadWasNeverAcknowledgedAndIsWrittenOver) {
    append_names(*must(Journal::create(path(), {})), 10, 12);
    const std::string whole = bytes();
    for (const std::size_t torn : {1, 30, 5000}) {
        write(whole + std::string(8, '\0') + std::string(torn, 'x') + std::string(100, '\0'));
        const Journal::Opened opened = must(Journal::open(path()));
        EXPECT_EQ(opened.dropped, 8 + torn);
        EXPECT_EQ(opened.state.nodes.size(), 2U);
        append_names(*opened.journal, 20, 21);
        // As a server leaves it that dies now; one that ends cuts off what follows.
        std::filesystem::copy_file(path(), path() + ".left", std::filesystem::copy_options::overwrite_existing);
        EXPECT_EQ(must(Journal::open(path() + ".left")).state.nodes.size(), 3U) << torn;
    }
}

TEST_F(JournalFile, WhileItIsOpenAllThatWasAppendedIsInTheFileAndZerosFollow) {
    const auto journal = must(Journal::create(path(), {}));
    for (InodeId id = 10; id < 4000; ++id) { // over several steps of what is reserved
        append_names(*journal, id, id + 1);
        if (id % 500 != 0) continue;
        std::filesystem::copy_file(path(), path() + ".left", std::filesystem::copy_options::overwrite_existing);
        const Journal::Opened left = must(Journal::open(path() + ".left"));
        EXPECT_EQ(left.dropped, 0U);
        EXPECT_EQ(left.state.nodes.size(), id - 9);
    }
    EXPECT_GT(bytes().size(), journal->size());
    EXPECT_EQ(bytes().find_first_not_of('\0', journal->size()), std::string::npos);
}

TEST_F(JournalFile, ARecordOfNothingIsNone) {
    const auto journal = must(Journal::create(path(), {}));
    const std::uint64_t before = journal->size();
    must(journal->append([](RecordWriter &) {}));
    EXPECT_EQ(journal->size(), before);
    append_names(*journal, 10, 11);
    EXPECT_EQ(must(Journal::open(path())).state.nodes.size(), 1U);
}

TEST_F(JournalFile, WhatIsNoJournalIsRefusedAndNothingIsAnEmptyOne) {
    for (const std::string &text : {std::string(), std::string("GMEM")}) {
        write(text);
        EXPECT_TRUE(must(Journal::open(path())).state.nodes.empty());
    }
    write(std::string(1000, 'x'));
    EXPECT_EQ(test::code_of(Journal::open(path())), EBADMSG);
    EXPECT_EQ(bytes(), std::string(1000, 'x'));
}

TEST_F(JournalFile, SeveralThreadsAppendWholeRecords) {
    const auto journal = must(Journal::create(path(), {}));
    std::vector<std::thread> threads;
    for (InodeId first = 100; first < 500; first += 100)
        threads.emplace_back([&journal, first] { append_names(*journal, first, first + 100); });
    for (std::thread &thread : threads) thread.join();
    EXPECT_EQ(must(Journal::open(path())).state.nodes.size(), 400U);
}

// Arbitrary bytes that pass the checksum: an error, or a state that restore() judges.
TEST(Record, RandomBytesAreReadOrRefused) {
    Random random(3);
    for (int round = 0; round < 20'000; ++round) {
        std::vector<std::byte> bytes(random.below(200));
        for (std::byte &byte : bytes) byte = static_cast<std::byte>(random.below(random.below(2) == 0 ? 12 : 256));
        VolumeState state;
        const Result<void> applied = apply_record(bytes, state);
        EXPECT_TRUE(applied || applied.error().code == EBADMSG);
    }
}

VolumeState valid_state() {
    VolumeState state;
    state.nodes[kRootInode] = directory_node();
    state.nodes[2] = directory_node();
    state.nodes[3].mode = S_IFREG | 0600;
    state.directories[kRootInode]["d"] = {2, 3};
    state.directories[2]["f"] = {3, 3};
    return state;
}

Result<void> restored(const VolumeState &state, Namespace &names) {
    return names.restore(state, Namespace::KernelMemory::none, [](Inode &made, const VolumeState::Node &node) {
        made.restore(node, nullptr);
        return Result<void>();
    });
}

TEST(NamespaceRestore, TakesWhatCanBeAndRefusesWhatCanNot) {
    const auto code_after = [](const std::function<void(VolumeState &)> &change) {
        VolumeState state = valid_state();
        change(state);
        Namespace names({}, 0755, 0, {});
        return code_of(restored(state, names));
    };
    EXPECT_EQ(code_after([](VolumeState &) {}), 0);
    EXPECT_EQ(code_after([](VolumeState &state) { state.nodes.erase(kRootInode); }), EBADMSG);
    EXPECT_EQ(code_after([](VolumeState &state) { state.nodes[9].mode = 0777; }), EBADMSG);
    EXPECT_EQ(code_after([](VolumeState &state) { state.directories[2]["g"] = {50, 9}; }), EBADMSG);
    EXPECT_EQ(code_after([](VolumeState &state) { state.directories[3]["g"] = {2, 9}; }), EBADMSG);
    EXPECT_EQ(code_after([](VolumeState &state) { state.directories[2]["a/b"] = {3, 9}; }), EBADMSG);
    EXPECT_EQ(code_after([](VolumeState &state) { state.directories[2]["up"] = {kRootInode, 9}; }), EBADMSG);
    EXPECT_EQ(code_after([](VolumeState &state) { state.directories[2]["self"] = {2, 9}; }), EBADMSG);
    const auto circle = [](VolumeState &state) { // 4 and 5 are in each other, and out of reach
        state.nodes[4] = state.nodes[5] = directory_node();
        state.directories[4]["five"] = {5, 9};
        state.directories[5]["four"] = {4, 9};
    };
    EXPECT_EQ(code_after(circle), EBADMSG);
}

TEST(NamespaceRestore, NewNamesAndNumbersComeAfterTheOldOnes) {
    VolumeState state = valid_state();
    state.next_inode = 40;
    Namespace names({}, 0755, 0, {});
    must(restored(state, names));
    const InodeRef found = must(names.lookup(2, "f"));
    EXPECT_EQ(found->id(), 3U);
    EXPECT_EQ(found->links(), 1U);
    EXPECT_EQ(names.root()->links(), 3U);
    const InodeRef made = must(names.create(2, "g", S_IFREG, {}, {}, [](Inode &, const Inode &) {}));
    EXPECT_EQ(made->id(), 40U);
    std::vector<std::string> seen;
    must(names.list(2, 3, UINT64_MAX, [&](const Namespace::Entry &entry) { // after the cookie of "f", which is stable
        seen.emplace_back(entry.name);
        return Namespace::Visit::next;
    }));
    EXPECT_EQ(seen, std::vector<std::string>{"g"});
}

TEST(NamespaceRestore, AnUnlinkedInodeThatTheKernelKnowsIsThereUntilItForgets) {
    VolumeState state = valid_state();
    state.nodes[7].mode = S_IFREG | 0600; // no name
    Namespace names({}, 0755, 0, {});
    const auto prepare = [](Inode &made, const VolumeState::Node &node) {
        made.restore(node, nullptr);
        return Result<void>();
    };
    must(names.restore(state, Namespace::KernelMemory::kept, prepare));
    EXPECT_TRUE(names.find(7));
    EXPECT_EQ(names.orphan_count(), 1U);
    names.forget(7, 5);
    EXPECT_EQ(code_of(names.find(7)), ESTALE);
    // One that loses its name now: the kernel may have looked it up before, too.
    must(names.unlink(2, "f", {}));
    EXPECT_TRUE(names.find(3));
    names.forget(3, 1);
    EXPECT_EQ(code_of(names.find(3)), ESTALE);
    Namespace fresh({}, 0755, 0, {});
    must(restored(state, fresh));
    EXPECT_EQ(code_of(fresh.find(7)), ESTALE) << "a new mount: nobody knows it any more";
}

} // namespace
} // namespace gmemfs
