// Verifying a copy: digests that differ, and digests that the bytes contradict.
#include "tools/copy/verify.hpp"

#include "vmm/base/fd.hpp"

#include <cstdlib>
#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::uint64_t kSize = 3'000'001;

Fd make_file(const std::string &bytes) {
    char name[] = "./copy-verify-XXXXXX";
    Fd fd(::mkstemp(name));
    ::unlink(name);
    EXPECT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return fd;
}

bool claim(const Fd &fd, const std::string &digest) {
    return ::fsetxattr(fd.get(), "user.gmemfs.digest", digest.data(), digest.size(), 0) == 0;
}

VerifiedEnd host(const Fd &fd) { return {{fd.get()}, false}; }
VerifiedEnd in_mount(const Fd &fd) { return {{fd.get()}, true}; }

TEST(CopyVerify, IsByDigestsWhereTheyAreEqual) {
    const std::string bytes(kSize, 'x');
    const Fd source = make_file(bytes), target = make_file(bytes);
    const Result<std::string> digest = make_digest(source.get(), kSize, 3);
    ASSERT_TRUE(digest);
    // By docs/formats.md, in Python.
    EXPECT_EQ(*digest, "sha256-tree-4k:89eb518eeed07d7d6fc82fd89596ce46f067d556369e8936988d4c345da25186");
    if (!claim(target, *digest)) GTEST_SKIP() << "this filesystem has no user attributes";
    const Result<VerifiedBy> way = verify_copy(nullptr, host(source), in_mount(target), kSize, 3);
    ASSERT_TRUE(way);
    EXPECT_EQ(*way, VerifiedBy::digests);
}

TEST(CopyVerify, SaysWhereBytesDiffer) {
    std::string bytes(kSize, 'x');
    const Fd source = make_file(bytes);
    bytes.at(2'500'000) = 'y';
    const Fd target = make_file(bytes);
    const Result<std::string> digest = make_digest(target.get(), kSize, 2);
    ASSERT_TRUE(digest);
    if (!claim(target, *digest)) GTEST_SKIP() << "this filesystem has no user attributes";
    for (const VerifiedEnd &end : {in_mount(target), host(target)}) {
        const Result<VerifiedBy> way = verify_copy(nullptr, host(source), end, kSize, 2);
        ASSERT_FALSE(way);
        EXPECT_EQ(way.error().code, EBADMSG);
        EXPECT_EQ(way.error().detail, "byte 2500000 differs");
    }
}

TEST(CopyVerify, RefusesADigestThatTheBytesContradict) {
    const std::string bytes(kSize, 'x');
    const Fd source = make_file(bytes), target = make_file(bytes);
    if (!claim(target, "sha256-tree-4k:0000")) GTEST_SKIP() << "this filesystem has no user attributes";
    const Result<VerifiedBy> way = verify_copy(nullptr, host(source), in_mount(target), kSize, 2);
    ASSERT_FALSE(way);
    EXPECT_EQ(way.error().code, EBADMSG);
}

TEST(CopyVerify, ComparesBytesWhereAMountMakesNoDigest) {
    const std::string bytes(kSize, 'x');
    const Fd source = make_file(bytes), target = make_file(bytes);
    const Result<VerifiedBy> way = verify_copy(nullptr, host(source), in_mount(target), kSize, 2);
    ASSERT_TRUE(way);
    EXPECT_EQ(*way, VerifiedBy::bytes);
}

TEST(CopyVerify, RefusesASourceThatHasBecomeShorter) {
    const std::string bytes(kSize, 'x');
    const Fd source = make_file(bytes), target = make_file(bytes);
    ASSERT_EQ(::ftruncate(source.get(), 1000), 0);
    const Result<std::string> digest = make_digest(source.get(), kSize, 2);
    ASSERT_FALSE(digest);
    EXPECT_EQ(digest.error().code, EIO);
}

} // namespace
} // namespace gmemfs
