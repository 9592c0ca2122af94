// Unit tests: when the memory of a file that lost its last name counts as about to come back.
#include "fuse/core/volume.hpp"
#include "tests/support/simulation.hpp"

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

} // namespace
} // namespace gmemfs
