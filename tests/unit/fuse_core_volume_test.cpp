// Unit tests: when the memory of a file that lost its last name counts as about to come back.
#include "fuse/core/journal/journal.hpp"
#include "fuse/core/volume.hpp"
#include "tests/support/journal_file.hpp"
#include "tests/support/simulation.hpp"

#include <filesystem>
#include <functional>

namespace gmemfs {
namespace {

using test::must;

class VolumeTest : public test::OnSimulation {
protected:
    // Open once, 2 MiB long, one lookup, and no name any more.
    InodeRef make_unlinked() {
        InodeRef file = must(volume_.make_node(caller_, kRootInode, "f", S_IFREG | 0644, 0));
        must(volume_.open(caller_, *file, Volume::OpenMode::keep));
        must(file->file()->resize(copiers(), 2 * MiB));
        must(names().unlink(kRootInode, "f", caller_.now));
        return file;
    }
    Namespace &names() { return volume_.names(); }

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
    Volume volume_{keeper_, simulation().devices(), {}, Credentials{}, 0755, timespec{}};
    Caller caller_{Credentials{}, timespec{}, copiers()};
};

TEST_F(VolumeTest, AnOpenFileWithoutANameKeepsItsMemory) {
    const InodeRef file = make_unlinked();
    EXPECT_FALSE(names().has_dying_orphans());
    must(volume_.close(caller_, *file));
    EXPECT_TRUE(names().has_dying_orphans()); // its forget is on its way
    names().forget(file->id(), 1);
}

TEST_F(VolumeTest, AFileWhoseOnlyDescriptorIsBeingClosedIsAboutToGo) {
    const InodeRef file = make_unlinked();
    must(volume_.flush(caller_, *file)); // close(2) has returned, and the release comes later
    EXPECT_TRUE(names().has_dying_orphans());
    names().give_up_on_orphans(); // it doesn't come: the descriptor had been duplicated
    EXPECT_FALSE(names().has_dying_orphans());
    must(volume_.close(caller_, *file));
    names().forget(file->id(), 1);
}

TEST_F(VolumeTest, AFileThatIsOpenOnceMoreIsNotBeingClosed) {
    const InodeRef file = make_unlinked();
    must(volume_.flush(caller_, *file));
    must(volume_.open(caller_, *file, Volume::OpenMode::keep));
    EXPECT_FALSE(names().has_dying_orphans());
    must(volume_.close(caller_, *file));
    must(volume_.close(caller_, *file));
    names().forget(file->id(), 1);
}

TEST_F(VolumeTest, AForgottenFileIsAboutToGoUntilNobodyHoldsIt) {
    InodeRef file = make_unlinked();
    must(volume_.close(caller_, *file));
    names().forget(file->id(), 1); // by another thread than the one that has answered the close and still holds it
    EXPECT_GT(volume_.storage().space().used, 0U);
    EXPECT_TRUE(names().has_dying_orphans());
    file.reset();
    EXPECT_FALSE(names().has_dying_orphans());
    EXPECT_EQ(volume_.storage().space().used, 0U);
}

TEST_F(VolumeTest, WhoHoldsAForgottenFileForLongIsWaitedForOnce) {
    const InodeRef file = make_unlinked(); // as a peer's lease does
    must(volume_.close(caller_, *file));
    names().forget(file->id(), 1);
    names().give_up_on_orphans();
    EXPECT_FALSE(names().has_dying_orphans());
}

// A server that is asked again knows by the journal what the one before it has done: mkdir(2) that is carried out twice
// fails the second time.
class RecordedVolume : public VolumeTest {
protected:
    RecordedVolume() : journal_(must(Journal::create(file_.path(), {}))) { volume_.record_in(journal_.get()); }
    ~RecordedVolume() override { volume_.record_in(nullptr); }
    // Whether the journal says that the next request was done, once `change` has been.
    bool is_known(const std::function<void()> &change) {
        caller_.request += 2;
        change();
        return must(Journal::open(file_.copy())).state.done.contains(caller_.request);
    }

    class Place : public test::JournalFile {
    public:
        using JournalFile::path;
        std::string copy() const { // as a server leaves it that dies now
            std::filesystem::copy_file(path(), path() + ".left", std::filesystem::copy_options::overwrite_existing);
            return path() + ".left";
        }
        void TestBody() override {}
    } file_;
    std::unique_ptr<Journal> journal_;
};

TEST_F(RecordedVolume, WhatWouldFailTheSecondTimeNamesItsRequest) {
    const Caller &by = caller_;
    const InodeId root = kRootInode;
    EXPECT_TRUE(is_known([&] { must(volume_.make_node(by, root, "file", S_IFREG | 0600, 0)); }));
    EXPECT_TRUE(is_known([&] { must(volume_.make_directory(by, root, "folder", 0700)); }));
    EXPECT_TRUE(is_known([&] { must(volume_.make_symlink(by, root, "symlink", "file")); }));
    EXPECT_TRUE(is_known([&] { must(volume_.make_unnamed(by, root, 0600)); }));
    const InodeRef file = must(names().lookup(root, "file"));
    EXPECT_TRUE(is_known([&] { must(names().link(file->id(), root, "link", by.at())); }));
    constexpr auto kReplace = Namespace::RenameMode::replace, kExchange = Namespace::RenameMode::exchange;
    EXPECT_TRUE(is_known([&] { must(names().rename(root, "link", root, "moved", kReplace, by.at())); }));
    EXPECT_TRUE(is_known([&] { must(names().rename(root, "moved", root, "symlink", kExchange, by.at())); }));
    EXPECT_TRUE(
        is_known([&] { must(names().rename_with_whiteout(root, "moved", root, "again", kReplace, by.who, by.at())); }));
    EXPECT_TRUE(is_known([&] { must(names().unlink(root, "again", by.at())); }));
    EXPECT_TRUE(is_known([&] { must(names().rmdir(root, "folder", by.at())); }));
    EXPECT_TRUE(is_known([&] { must(volume_.set_xattr(by, *file, "user.a", "b", Inode::XattrMode::create)); }));
    EXPECT_TRUE(is_known([&] { must(volume_.remove_xattr(by, *file, "user.a")); }));
    EXPECT_FALSE(is_known([&] { must(volume_.set_attributes(by, *file, {})); })); // as good the second time
}

} // namespace
} // namespace gmemfs
