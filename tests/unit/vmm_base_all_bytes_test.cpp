// Unit tests: reads and writes that go on until all bytes have come or gone.
#include "vmm/base/all_bytes.hpp"
#include "vmm/base/fd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <pthread.h>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

constexpr bool always() { return true; }

struct Pipe {
    Fd reader, writer;
};
Pipe make_pipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    return {Fd(ends[0]), Fd(ends[1])};
}

std::vector<std::byte> bytes_of(std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (std::size_t index = 0; index < count; ++index) bytes[index] = static_cast<std::byte>(index * 7);
    return bytes;
}

// More than a pipe holds: each side moves it by parts.
TEST(AllBytes, APipeTakesAndGivesAllOfThem) {
    Pipe pipe = make_pipe();
    const std::vector<std::byte> sent = bytes_of(1 << 20);
    std::vector<std::byte> received(sent.size() + 1);
    std::thread writer([&] {
        EXPECT_TRUE(write_all(pipe.writer.get(), sent, never));
        pipe.writer.reset();
    });
    const Result<std::size_t> count = read_until_end(pipe.reader.get(), received, never);
    writer.join();
    ASSERT_TRUE(count);
    EXPECT_EQ(*count, sent.size()) << "the end comes before the last byte of the room";
    received.pop_back();
    EXPECT_EQ(received, sent);
}

TEST(AllBytes, OfAFileAsManyComeAsThereAre) {
    const Fd file(::memfd_create("bytes", MFD_CLOEXEC));
    const std::vector<std::byte> bytes = bytes_of(1000);
    ASSERT_TRUE(write_all(file.get(), bytes, 24, never));
    std::array<std::byte, 1000> read = {};
    EXPECT_EQ(*read_until_end(file.get(), read, 24, never), 1000U);
    EXPECT_TRUE(std::equal(read.begin(), read.end(), bytes.begin()));
    EXPECT_EQ(*read_until_end(file.get(), read, 1000, never), 24U);
    EXPECT_TRUE(read_all(file.get(), read, 24, never));
    EXPECT_EQ(read_all(file.get(), read, 25, never).error().code, EIO);
    EXPECT_EQ(write_all(-1, bytes, 0, never).error().code, EBADF);
}

TEST(AllBytes, ASignalEndsItOnlyWhereItMustEnd) {
    struct sigaction action = {}, before = {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &action, &before);
    Pipe pipe = make_pipe();
    const pthread_t reader = ::pthread_self();
    std::atomic<bool> has_ended = false;
    std::thread other([&] { // the signal may come before the read waits: so again, until it has ended
        while (!has_ended) {
            ::pthread_kill(reader, SIGUSR1);
            std::this_thread::yield();
        }
    });
    std::array<std::byte, 2> bytes = {};
    EXPECT_EQ(read_until_end(pipe.reader.get(), bytes, always).error().code, EINTR);
    std::thread writer([&] { EXPECT_TRUE(write_all(pipe.writer.get(), bytes, never)); });
    EXPECT_EQ(*read_until_end(pipe.reader.get(), bytes, never), 2U);
    has_ended = true;
    other.join();
    writer.join();
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(Errors, AboutNamesWhatBeforeTheDetail) {
    EXPECT_EQ(about("/a", Error{ENOENT, 0, "open"}).detail, "/a");
    EXPECT_EQ(about("/a", Error{ENOENT, 0, "open", "why"}).detail, "/a: why");
}

} // namespace
} // namespace gmemfs
