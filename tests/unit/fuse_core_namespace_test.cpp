// Unit tests: names, directories, lookups and renames.
#include "fuse/core/names/namespace.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace gmemfs {
namespace {

using Mode = Namespace::RenameMode;
using Visit = Namespace::Visit;

class NamespaceTest : public ::testing::Test {
protected:
    InodeId make(InodeId parent, const std::string &name, mode_t type = S_IFREG) {
        const auto made = names_.create(parent, name, type | 0644, who_, now(), [](Inode &, const Inode &) {});
        EXPECT_TRUE(made) << name;
        return made ? (*made)->id() : 0;
    }
    InodeId make_directory(InodeId parent, const std::string &name) { return make(parent, name, S_IFDIR); }
    int rename(InodeId from, const char *name, InodeId to, const char *new_name, Mode mode = Mode::replace) {
        const auto result = names_.rename(from, name, to, new_name, mode, now());
        return result ? 0 : result.error().code;
    }
    int find(InodeId parent, const char *name) {
        const auto found = names_.lookup(parent, name);
        if (!found) return -found.error().code;
        names_.forget((*found)->id(), 1);
        return static_cast<int>((*found)->id());
    }
    std::vector<std::string> list(InodeId directory, std::uint64_t after = 0, std::uint64_t last = UINT64_MAX) {
        std::vector<std::string> seen;
        const auto listed = names_.list(directory, after, last, [&](const Namespace::Entry &entry) {
            seen.emplace_back(entry.name);
            return Visit::next;
        });
        EXPECT_TRUE(listed);
        return seen;
    }
    std::uint32_t links(InodeId id) { return (*names_.find(id))->links(); }
    timespec now() { return {++second_, 0}; }

    const Credentials who_ = {1000, 100};
    time_t second_ = 0;
    Namespace names_{who_, 0755, 0, {0, 0}};
};

TEST_F(NamespaceTest, ANewNameIsFound) {
    const InodeId file = make(kRootInode, "a");
    EXPECT_EQ(find(kRootInode, "a"), static_cast<int>(file));
    EXPECT_EQ(find(kRootInode, "b"), -ENOENT);
    EXPECT_EQ(find(file, "b"), -ENOTDIR);
    EXPECT_EQ(find(12345, "b"), -ESTALE);
}

TEST_F(NamespaceTest, BadNamesAreRefused) {
    const auto create = [&](const std::string &name) {
        const auto made = names_.create(kRootInode, name, S_IFREG, who_, now(), [](Inode &, const Inode &) {});
        return made ? 0 : made.error().code;
    };
    EXPECT_EQ(create(std::string(kNameMax + 1, 'x')), ENAMETOOLONG);
    EXPECT_EQ(create(std::string(kNameMax, 'x')), 0);
    for (const char *name : {"", ".", "..", "a/b"}) EXPECT_EQ(create(name), EINVAL) << name;
    EXPECT_EQ(create("new"), 0);
    EXPECT_EQ(create("new"), EEXIST);
}

TEST_F(NamespaceTest, ThereAreNoMoreInodesThanAllowed) {
    Namespace names(who_, 0755, 3, {0, 0});
    const auto make = [&](const char *name) {
        return names.create(kRootInode, name, S_IFREG, who_, now(), [](Inode &, const Inode &) {});
    };
    const auto first = make("a"); // beside the root
    ASSERT_TRUE(first);
    ASSERT_TRUE(make("b"));
    EXPECT_FALSE(make("c"));
    ASSERT_TRUE(names.unlink(kRootInode, "a", now()));
    EXPECT_EQ(make("c").error().code, ENOSPC); // the kernel hasn't forgotten it
    names.forget((*first)->id(), 1);
    EXPECT_TRUE(make("c"));
}

TEST_F(NamespaceTest, AnUnlinkedInodeLivesUntilTheLastForget) {
    const InodeId file = make(kRootInode, "a"); // one lookup
    ASSERT_TRUE(names_.lookup(kRootInode, "a"));
    ASSERT_TRUE(names_.unlink(kRootInode, "a", now()));
    EXPECT_EQ(names_.orphan_count(), 1U);
    names_.forget(file, 1);
    EXPECT_TRUE(names_.find(file));
    names_.forget(file, 1);
    EXPECT_FALSE(names_.find(file));
    EXPECT_EQ(names_.orphan_count(), 0U);
    EXPECT_EQ(names_.count(), 1U); // the root
}

TEST_F(NamespaceTest, AForgottenInodeLivesUntilItsNameGoes) {
    const InodeId file = make(kRootInode, "a");
    names_.forget(file, 1);
    EXPECT_EQ(find(kRootInode, "a"), static_cast<int>(file));
    ASSERT_TRUE(names_.unlink(kRootInode, "a", now()));
    EXPECT_FALSE(names_.find(file));
}

TEST_F(NamespaceTest, AHardLinkIsTheSameInode) {
    const InodeId file = make(kRootInode, "a");
    ASSERT_TRUE(names_.link(file, kRootInode, "b", now()));
    EXPECT_EQ(links(file), 2U);
    ASSERT_TRUE(names_.unlink(kRootInode, "a", now()));
    EXPECT_EQ(find(kRootInode, "b"), static_cast<int>(file));
    EXPECT_EQ(links(file), 1U);
}

TEST_F(NamespaceTest, LinksAreRefusedWhereTheyMustBe) {
    const InodeId directory = make_directory(kRootInode, "d");
    const InodeId file = make(kRootInode, "a");
    EXPECT_EQ(names_.link(directory, kRootInode, "e", now()).error().code, EPERM);
    EXPECT_EQ(names_.link(file, kRootInode, "d", now()).error().code, EEXIST);
    ASSERT_TRUE(names_.unlink(kRootInode, "a", now()));
    EXPECT_EQ(names_.link(file, kRootInode, "b", now()).error().code, ENOENT);
}

TEST_F(NamespaceTest, DirectoriesCountTheirSubdirectories) {
    const InodeId outer = make_directory(kRootInode, "outer");
    EXPECT_EQ(links(kRootInode), 3U);
    make_directory(outer, "inner");
    EXPECT_EQ(links(outer), 3U);
    EXPECT_EQ(names_.rmdir(kRootInode, "outer", now()).error().code, ENOTEMPTY);
    EXPECT_EQ(names_.unlink(outer, "inner", now()).error().code, EISDIR);
    ASSERT_TRUE(names_.rmdir(outer, "inner", now()));
    EXPECT_EQ(links(outer), 2U);
    make(outer, "file");
    EXPECT_EQ(names_.rmdir(outer, "file", now()).error().code, ENOTDIR);
}

TEST_F(NamespaceTest, NothingIsMadeInARemovedDirectory) {
    const InodeId directory = make_directory(kRootInode, "d");
    const InodeId file = make(kRootInode, "f");
    ASSERT_TRUE(names_.rmdir(kRootInode, "d", now()));
    EXPECT_EQ(names_.create(directory, "x", S_IFREG, who_, now(), [](Inode &, const Inode &) {}).error().code, ENOENT);
    EXPECT_EQ(names_.link(file, directory, "x", now()).error().code, ENOENT);
    EXPECT_EQ(rename(kRootInode, "f", directory, "x"), ENOENT);
}

TEST_F(NamespaceTest, SetGroupIdDirectoriesHandTheirGroupDown) {
    const InodeId directory = make_directory(kRootInode, "d");
    AttributeChanges changes;
    changes.mode = 02775;
    changes.gid = 42;
    (*names_.find(directory))->change(changes, now(), {});
    EXPECT_EQ((*names_.find(make(directory, "f")))->attributes().gid, 42U);
    EXPECT_EQ((*names_.find(make_directory(directory, "e")))->attributes().mode & S_ISGID, unsigned(S_ISGID));
}

TEST_F(NamespaceTest, RenameReplacesAFileAndEndsItsLife) {
    const InodeId first = make(kRootInode, "a");
    const InodeId second = make(kRootInode, "b");
    EXPECT_EQ(rename(kRootInode, "a", kRootInode, "b"), 0);
    EXPECT_EQ(find(kRootInode, "b"), static_cast<int>(first));
    EXPECT_EQ(find(kRootInode, "a"), -ENOENT);
    EXPECT_EQ(links(second), 0U);
    names_.forget(second, 1);
    EXPECT_FALSE(names_.find(second));
}

TEST_F(NamespaceTest, RenameRefusesWhatRename2Refuses) {
    const InodeId full = make_directory(kRootInode, "full");
    make(full, "x");
    make_directory(kRootInode, "empty");
    make(kRootInode, "file");
    EXPECT_EQ(rename(kRootInode, "none", kRootInode, "y"), ENOENT);
    EXPECT_EQ(rename(kRootInode, "file", kRootInode, "empty"), EISDIR);
    EXPECT_EQ(rename(kRootInode, "empty", kRootInode, "file"), ENOTDIR);
    EXPECT_EQ(rename(kRootInode, "empty", kRootInode, "full"), ENOTEMPTY);
    EXPECT_EQ(rename(kRootInode, "file", full, "x", Mode::no_replace), EEXIST);
    EXPECT_EQ(rename(kRootInode, "file", full, "y", Mode::exchange), ENOENT);
    EXPECT_EQ(rename(kRootInode, "full", kRootInode, "empty"), 0);
    EXPECT_EQ(links(kRootInode), 3U);
}

TEST_F(NamespaceTest, ADirectoryNeverMovesIntoItself) {
    const InodeId outer = make_directory(kRootInode, "outer");
    const InodeId inner = make_directory(outer, "inner");
    EXPECT_EQ(rename(kRootInode, "outer", inner, "x"), EINVAL);
    EXPECT_EQ(rename(kRootInode, "outer", outer, "x"), EINVAL);
    make(inner, "file");
    EXPECT_EQ(rename(inner, "file", kRootInode, "outer", Mode::exchange), EINVAL);
}

TEST_F(NamespaceTest, MovingADirectoryMovesItsDotDot) {
    const InodeId from = make_directory(kRootInode, "from");
    const InodeId to = make_directory(kRootInode, "to");
    make_directory(from, "moved");
    EXPECT_EQ(rename(from, "moved", to, "moved"), 0);
    EXPECT_EQ(links(from), 2U);
    EXPECT_EQ(links(to), 3U);
}

TEST_F(NamespaceTest, ExchangeSwapsAFileAndADirectory) {
    const InodeId directory = make_directory(kRootInode, "d");
    const InodeId inner = make_directory(directory, "inner");
    const InodeId file = make(kRootInode, "f");
    EXPECT_EQ(rename(kRootInode, "f", directory, "inner", Mode::exchange), 0);
    EXPECT_EQ(find(kRootInode, "f"), static_cast<int>(inner));
    EXPECT_EQ(find(directory, "inner"), static_cast<int>(file));
    EXPECT_EQ(links(directory), 2U);
    EXPECT_EQ(links(kRootInode), 4U);
}

TEST_F(NamespaceTest, TwoNamesOfOneInodeAreLeftAlone) {
    const InodeId file = make(kRootInode, "a");
    ASSERT_TRUE(names_.link(file, kRootInode, "b", now()));
    EXPECT_EQ(rename(kRootInode, "a", kRootInode, "b"), 0);
    EXPECT_EQ(links(file), 2U);
}

TEST_F(NamespaceTest, ListingGoesOnWhereItStopped) {
    for (int i = 0; i < 100; ++i) make(kRootInode, "f" + std::to_string(i));
    std::set<std::string> seen;
    std::uint64_t after = 0;
    for (bool more = true; more;) {
        int room = 7;
        more = false;
        ASSERT_TRUE(names_.list(kRootInode, after, UINT64_MAX, [&](const Namespace::Entry &entry) {
            if (room-- == 0) {
                more = true;
                return Visit::stop;
            }
            EXPECT_TRUE(seen.insert(std::string(entry.name)).second) << entry.name << " twice";
            after = entry.cookie;
            return Visit::next;
        }));
        if (more && seen.size() == 14) { // what is removed meanwhile spoils nothing
            ASSERT_TRUE(names_.unlink(kRootInode, "f3", now()));
            ASSERT_TRUE(names_.unlink(kRootInode, "f99", now()));
        }
    }
    EXPECT_EQ(seen.size(), 101U); // ".", "..", 100 less f99
    EXPECT_EQ(seen.count("f99"), 0U);
}

TEST_F(NamespaceTest, ListingCountsLookupsWhereAsked) {
    const InodeId file = make(kRootInode, "a");
    names_.forget(file, 1);
    ASSERT_TRUE(
        names_.list(kRootInode, 2, UINT64_MAX, [](const Namespace::Entry &) { return Visit::next_and_lookup; }));
    ASSERT_TRUE(names_.unlink(kRootInode, "a", now()));
    EXPECT_TRUE(names_.find(file));
    names_.forget(file, 1);
    EXPECT_FALSE(names_.find(file));
}

TEST_F(NamespaceTest, ListingEndsWhereItsBeginSaysAndAReplacedNameKeepsItsPlace) {
    for (const char *name : {"a", "b", "c"}) make(kRootInode, name);
    const std::uint64_t last = names_.last_cookie();
    make(kRootInode, "new");
    EXPECT_EQ(rename(kRootInode, "a", kRootInode, "renamed"), 0);
    EXPECT_EQ(rename(kRootInode, "new", kRootInode, "b"), 0);
    EXPECT_EQ(list(kRootInode, 2, last), (std::vector<std::string>{"b", "c"}));
    EXPECT_EQ(list(kRootInode, 2), (std::vector<std::string>{"b", "c", "renamed"}));
    EXPECT_EQ(list(kRootInode, names_.last_cookie(), last), std::vector<std::string>{});
}

TEST_F(NamespaceTest, AnInodeIsFoundByItsNumberAsADot) {
    const InodeId directory = make_directory(kRootInode, "d");
    const InodeId file = make(directory, "f");
    names_.forget(file, 1);
    EXPECT_EQ(find(file, "."), static_cast<int>(file));
    EXPECT_EQ(find(directory, "."), static_cast<int>(directory));
    EXPECT_EQ(find(directory, ".."), static_cast<int>(kRootInode));
    EXPECT_EQ(find(kRootInode, ".."), static_cast<int>(kRootInode));
    EXPECT_EQ(find(file, ".."), -ENOTDIR);
    ASSERT_TRUE(names_.unlink(directory, "f", now()));
    names_.forget(file, 1);
    EXPECT_EQ(find(file, "."), -ESTALE);
}

TEST_F(NamespaceTest, ListingAFileIsRefused) {
    const auto listed =
        names_.list(make(kRootInode, "a"), 0, UINT64_MAX, [](const Namespace::Entry &) { return Visit::next; });
    EXPECT_EQ(listed.error().code, ENOTDIR);
}

TEST_F(NamespaceTest, ForgettingTooMuchHarmsNothing) {
    const InodeId file = make(kRootInode, "a");
    names_.forget(file, 1000);
    names_.forget(kRootInode, 1000);
    names_.forget(424242, 1);
    EXPECT_EQ(find(kRootInode, "a"), static_cast<int>(file));
    EXPECT_EQ(list(kRootInode, 2), std::vector<std::string>{"a"});
}

// EPERM where `flags` of `id` forbid it; taken away again.
class NamespaceFlags : public NamespaceTest {
protected:
    template <typename Call>
    int with(InodeId id, InodeFlags flags, Call call) {
        Inode &inode = **names_.find(id);
        inode.set_flags(flags, now());
        const auto done = call();
        inode.set_flags(0, now());
        return done ? 0 : done.error().code;
    }
    auto unlink(InodeId parent, const char *name) {
        return [=, this] { return names_.unlink(parent, name, now()); };
    }
    auto create(InodeId parent, const char *name) {
        return [=, this] { return names_.create(parent, name, S_IFREG, who_, now(), [](Inode &, const Inode &) {}); };
    }
    auto move(InodeId from, const char *name, InodeId to, const char *new_name) {
        return [=, this] { return names_.rename(from, name, to, new_name, Mode::replace, now()); };
    }
};

TEST_F(NamespaceFlags, AnImmutableDirectoryKeepsItsNamesAndAnAppendOnlyOneLosesNone) {
    const InodeId directory = make_directory(kRootInode, "d");
    make(directory, "a");
    const InodeId other = make(kRootInode, "other");
    for (const InodeFlags flag : {kImmutable, kAppendOnly}) {
        EXPECT_EQ(with(directory, flag, unlink(directory, "a")), EPERM);
        EXPECT_EQ(with(directory, flag, move(directory, "a", kRootInode, "b")), EPERM);
        EXPECT_EQ(with(directory, flag, move(kRootInode, "other", directory, "a")), EPERM);
        EXPECT_EQ(with(directory, flag, [&] { return names_.rmdir(kRootInode, "d", now()); }), EPERM);
    }
    EXPECT_EQ(with(directory, kImmutable, create(directory, "new")), EPERM);
    EXPECT_EQ(with(directory, kImmutable, [&] { return names_.link(other, directory, "new", now()); }), EPERM);
    EXPECT_EQ(list(directory), (std::vector<std::string>{".", "..", "a"}));
    EXPECT_EQ(with(directory, kAppendOnly, create(directory, "new")), 0);
    EXPECT_EQ(with(directory, kAppendOnly, move(kRootInode, "other", directory, "moved")), 0);
    EXPECT_EQ(with(directory, kNoDump, unlink(directory, "a")), 0);
}

TEST_F(NamespaceFlags, AFixedFileKeepsItsNamesAndGivesNoHandle) {
    const InodeId file = make(kRootInode, "a");
    make(kRootInode, "b");
    for (const InodeFlags flag : {kImmutable, kAppendOnly}) {
        EXPECT_EQ(with(file, flag, unlink(kRootInode, "a")), EPERM);
        EXPECT_EQ(with(file, flag, move(kRootInode, "a", kRootInode, "c")), EPERM);
        EXPECT_EQ(with(file, flag, move(kRootInode, "b", kRootInode, "a")), EPERM);
        EXPECT_EQ(with(file, flag, [&] { return names_.link(file, kRootInode, "c", now()); }), EPERM);
        EXPECT_EQ(with(file, flag, [&] { return (*names_.find(file))->check_handle(who_); }), EPERM);
    }
    EXPECT_EQ(with(file, 0, [&] { return (*names_.find(file))->check_handle(who_); }), 0);
}

TEST_F(NamespaceFlags, ADirectoryHandsDownWhatConcernsBackupsAndReading) {
    (*names_.find(kRootInode))->set_flags(kNoDump | kNoAccessTime | kAppendOnly, now());
    EXPECT_EQ((*names_.find(make(kRootInode, "a")))->flags(), kNoDump | kNoAccessTime);
}

} // namespace
} // namespace gmemfs
