// Peer process test: whom a connection belongs to, and what became of it.
#include "fuse/broker/peer_process.hpp"

#include "tests/support/simulation.hpp"

#include <csignal>
#include <fstream>
#include <functional>
#include <iterator>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// A child that waits until its pipe is closed, or is killed.
class Child {
public:
    explicit Child(const std::function<void()> &then = [] {}) {
        int ends[2] = {};
        EXPECT_EQ(::pipe(ends), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::close(ends[1]);
            char byte = 0;
            if (::read(ends[0], &byte, 1) == 1) then();
            ::_exit(0);
        }
        ::close(ends[0]);
        to_ = Fd(ends[1]);
    }
    ~Child() { end(); }
    void go_on() const { EXPECT_EQ(::write(to_.get(), "1", 1), 1); }
    void end() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(std::exchange(pid_, 0), nullptr, 0);
    }
    pid_t pid() const { return pid_; }

private:
    pid_t pid_ = 0;
    Fd to_;
};

// The 22nd word of /proc/PID/stat, where the name has no spaces.
std::uint64_t start_time_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    const std::vector<std::string> words{std::istream_iterator<std::string>(file), {}};
    return std::stoull(words.at(21));
}

TEST(PeerProcess, OfASocketPairIsThisProcess) {
    int ends[2] = {};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    const Fd one(ends[0]), other(ends[1]);
    const PeerProcess peer = PeerProcess::of_socket(one.get(), ::getpid());
    ASSERT_TRUE(peer.is_known());
    EXPECT_FALSE(peer.has_ended());
    EXPECT_FALSE(peer.has_left_memory());
    EXPECT_NE(peer.start_time(), 0U);
    const auto again = PeerProcess::find(::getpid(), peer.start_time());
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->is_same(peer));
}

TEST(PeerProcess, AnotherOneWithItsNumberIsNotTakenForIt) {
    const Child child;
    const std::uint64_t start_time = start_time_of(child.pid());
    const auto by_number = PeerProcess::find(child.pid(), 0);
    ASSERT_TRUE(by_number);
    EXPECT_FALSE(by_number->is_known()) << "a number alone tells nothing";
    EXPECT_FALSE(PeerProcess::find(child.pid(), start_time + 1)) << "that one has ended";
    const auto right = PeerProcess::find(child.pid(), start_time);
    ASSERT_TRUE(right);
    EXPECT_TRUE(right->is_known());
}

TEST(PeerProcess, ItsEndIsSeenByNumberAndByDescriptor) {
    Child child;
    const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0)));
    const pid_t pid = child.pid();
    const PeerProcess peer = PeerProcess::adopt(Fd(::dup(pidfd.get())), Fd(), pid, 1);
    EXPECT_FALSE(peer.has_ended());
    child.end();
    EXPECT_TRUE(peer.has_ended());
    EXPECT_FALSE(PeerProcess::find(pid, 1));
}

TEST(PeerProcess, AfterExecItsMemoryIsAnotherOne) {
    const Child child([] { ::execl("/bin/sleep", "sleep", "100", nullptr); });
    const auto peer = PeerProcess::find(child.pid(), start_time_of(child.pid()));
    ASSERT_TRUE(peer);
    ASSERT_TRUE(peer->is_known());
    EXPECT_FALSE(peer->has_left_memory());
    child.go_on();
    while (!peer->has_left_memory() && !peer->has_ended()) ::usleep(1000);
    EXPECT_FALSE(peer->has_ended());
}

} // namespace
} // namespace gmemfs
