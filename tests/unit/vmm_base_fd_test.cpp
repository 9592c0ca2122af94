// Unit tests: descriptors that own, and their way over a socket.
#include "vmm/base/fd.hpp"

#include <gtest/gtest.h>

#include <array>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gmemfs {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

std::pair<Fd, Fd> socket_pair() {
    int ends[2] = {};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return {Fd(ends[0]), Fd(ends[1])};
}

TEST(Fd, ClosesInItsDestructor) {
    int number = -1;
    {
        const Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        number = fd.get();
        EXPECT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
}

TEST(Fd, MovedFromOwnsNothing) {
    Fd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const Fd second(std::move(first));
    EXPECT_FALSE(first); // NOLINT(bugprone-use-after-move): what a moved-from Fd is, is the point
    EXPECT_TRUE(is_open(second.get()));
}

TEST(Fd, DescriptorsTravelWithBytes) {
    auto [left, right] = socket_pair();
    Fd pipe_ends[2];
    int numbers[2] = {};
    ASSERT_EQ(::pipe2(numbers, O_CLOEXEC), 0);
    pipe_ends[0] = Fd(numbers[0]);
    pipe_ends[1] = Fd(numbers[1]);
    const std::array<std::byte, 3> message = {std::byte(1), std::byte(2), std::byte(3)};
    const std::array<const Fd *, 2> sent = {&pipe_ends[0], &pipe_ends[1]};
    ASSERT_TRUE(send_with_fds(left.get(), message, sent));
    std::array<std::byte, 3> received = {};
    const auto got = receive_message(right.get(), received);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->size, message.size());
    EXPECT_EQ(received, message);
    ASSERT_EQ(got->fds.size(), 2U);
    EXPECT_EQ(::write(got->fds[1].get(), "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(::read(pipe_ends[0].get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
}

TEST(Fd, APeerThatClosedHasNoMoreBytes) {
    auto [left, right] = socket_pair();
    left.reset();
    std::array<std::byte, 1> received = {};
    const auto got = receive_message(right.get(), received);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->size, 0U);
    EXPECT_EQ(send_with_fds(right.get(), received, {}).error().code, EPIPE);
}

} // namespace
} // namespace gmemfs
