// NBD: what a client is told, whatever way its bytes are cut; the messages between supervisor and worker.
#include "block/nbd/connection.hpp"
#include "block/nbd/negotiation.hpp"
#include "block/nbd/socket_bytes.hpp"
#include "block/process/setup.hpp"
#include "block/process/signal.hpp"
#include "tests/support/sim_disk.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <sys/mman.h>
#include <sys/socket.h>
#include <thread>

namespace gmemfs::block {
namespace {

using test::code_of;
using test::make_disk;
using test::must;

struct Pair {
    Fd server, client;
};
Pair make_pair(int type) {
    int ends[2];
    GMEMFS_ASSERT(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0);
    return {Fd(ends[0]), Fd(ends[1])};
}

std::string big(std::uint64_t value, unsigned bytes) {
    std::string text;
    for (unsigned byte = bytes; byte-- > 0;) text.push_back(static_cast<char>(value >> 8 * byte & 0xff));
    return text;
}

std::string head(nbd::Command command, std::uint64_t cookie, std::uint64_t offset, std::uint32_t length) {
    return big(nbd::kRequestMagic, 4) + big(0, 2) + big(static_cast<std::uint16_t>(command), 2) + big(cookie, 8) +
           big(offset, 8) + big(length, 4);
}

std::string reply(std::uint32_t code, std::uint64_t cookie) {
    return big(nbd::kReplyMagic, 4) + big(code, 4) + big(cookie, 8);
}

std::string receive(const Fd &socket, std::size_t size) {
    std::string text(size, '\0');
    must(nbd::receive_bytes(socket.get(), std::as_writable_bytes(std::span(text))));
    return text;
}

class NbdTest : public test::OnSimulation {};

// Requests and answers of one connection, all bytes sent at once or in pieces of random size. What overlaps is read and
// written in the order in which it was asked for, without a wait between.
TEST_F(NbdTest, PiecesDontMatter) {
    constexpr std::uint64_t kSize = 32 * MiB;
    std::mt19937 random(7);
    for (const std::size_t piece_max : {std::size_t(1) << 30, std::size_t(100000), std::size_t(40)}) {
        const std::unique_ptr<Disk> disk = make_disk(kSize);
        Lane lane = must(Lane::create(*disk, nbd::Connection::kMemory));
        Pair pair = make_pair(SOCK_STREAM);
        nbd::Connection connection(lane);
        Result<void> served;
        std::thread server([&] { served = connection.serve(pair.server.get()); });

        std::string model(kSize, '\0'), requests, answers;
        const int count = piece_max == 40 ? 30 : 300;
        for (int index = 0; index < count; ++index) {
            const std::uint32_t most = index % 50 == 49 && piece_max != 40 ? 6 * MiB : 20000;
            const std::uint32_t length = 1 + random() % most;
            const std::uint64_t offset = random() % (kSize - length);
            switch (random() % 4) {
            case 0:
            case 1: {
                std::string data(length, static_cast<char>(index));
                data[length / 2] = static_cast<char>(random());
                model.replace(offset, length, data);
                requests += head(nbd::Command::write, index, offset, length) + data;
                answers += reply(0, index);
                break;
            }
            case 2:
                requests += head(nbd::Command::read, index, offset, length);
                answers += reply(0, index) + model.substr(offset, length);
                break;
            case 3:
                model.replace(offset, length, std::string(length, '\0'));
                requests += head(nbd::Command::zero, index, offset, length);
                answers += reply(0, index);
                break;
            }
        }
        requests += head(nbd::Command::flush, 1000, 0, 0) + head(nbd::Command::read, 1001, kSize - 1, 2) +
                    head(nbd::Command::write, 1002, kSize - 1, 2) + "ab" + head(nbd::Command(99), 1003, 0, 0) +
                    head(nbd::Command::disconnect, 1004, 0, 0);
        answers += reply(0, 1000) + reply(EINVAL, 1001) + reply(ENOSPC, 1002) + reply(EINVAL, 1003);
        std::thread sender([&] {
            for (std::size_t at = 0; at < requests.size();) {
                const std::size_t part = std::min(requests.size() - at, 1 + random() % piece_max);
                must(nbd::send_bytes(pair.client.get(), std::as_bytes(std::span(requests).subspan(at, part))));
                at += part;
            }
        });
        const std::string got = receive(pair.client, answers.size());
        EXPECT_TRUE(got == answers) << "pieces of up to " << piece_max;
        sender.join();
        server.join();
        EXPECT_TRUE(served) << served.error().text();
    }
}

// Each of two versions of a block, and a read between and behind them, sent without a wait: never a mix.
TEST_F(NbdTest, ReadsSeeTheWholeOfTheWriteBefore) {
    const std::unique_ptr<Disk> disk = make_disk(4 * MiB);
    Lane lane = must(Lane::create(*disk, nbd::Connection::kMemory));
    Pair pair = make_pair(SOCK_STREAM);
    nbd::Connection connection(lane);
    std::thread server([&] { must(connection.serve(pair.server.get())); });
    std::string requests, answers;
    for (unsigned version = 1; version <= 200; ++version) {
        const std::string block(4096, static_cast<char>(version));
        const std::uint64_t offset = version % 3 * 512;
        requests += head(nbd::Command::write, version, offset, 4096) + block;
        requests += head(nbd::Command::flush, 1000 + version, 0, 0) + head(nbd::Command::read, version, offset, 4096);
        answers += reply(0, version) + reply(0, 1000 + version) + reply(0, version) + block;
    }
    std::thread sender([&] {
        must(nbd::send_bytes(pair.client.get(), std::as_bytes(std::span(requests))));
        ::shutdown(pair.client.get(), SHUT_WR);
    });
    EXPECT_TRUE(receive(pair.client, answers.size()) == answers);
    sender.join();
    server.join();
}

TEST_F(NbdTest, ADeviceThatFailsEndsTheConnectionOnceItHasSaidSo) {
    const std::unique_ptr<Disk> disk = make_disk(4 * MiB);
    Lane lane = must(Lane::create(*disk, nbd::Connection::kMemory));
    Pair pair = make_pair(SOCK_STREAM);
    nbd::Connection connection(lane);
    const std::string requests = head(nbd::Command::read, 1, 0, 4096);
    must(nbd::send_bytes(pair.client.get(), std::as_bytes(std::span(requests))));
    must(nbd::send_bytes(pair.client.get(), std::as_bytes(std::span(requests))));
    simulation().plan_faults("cuMemcpyDtoHAsync#1=INVALID_VALUE");
    ::shutdown(pair.client.get(), SHUT_WR);
    EXPECT_TRUE(connection.serve(pair.server.get()));
    EXPECT_EQ(receive(pair.client, 16), reply(EIO, 1));
    EXPECT_EQ(receive(pair.client, 16), reply(0, 1));
}

TEST_F(NbdTest, OptionsAreAnsweredAsTheProtocolSays) {
    const Pair pair = make_pair(SOCK_STREAM);
    const nbd::Export exported = nbd::describe(10 * MiB, Mode::read_only, nbd::Checked::yes);
    const auto option = [](std::uint32_t number, const std::string &data) {
        return "IHAVEOPT" + big(number, 4) + big(data.size(), 4) + data;
    };
    const std::string go = big(0, 4) + big(0, 2);
    const std::string sent = big(3, 4) + option(8, "") + option(3, "x") + option(3, "") + option(6, "nonsense") +
                             option(6, big(3, 4) + "any" + big(1, 2) + big(3, 2)) + option(7, go);
    must(nbd::send_bytes(pair.client.get(), std::as_bytes(std::span(sent))));
    EXPECT_EQ(must(nbd::negotiate(pair.server.get(), exported)), nbd::Wish::requests);
    ::shutdown(pair.server.get(), SHUT_WR);
    EXPECT_EQ(receive(pair.client, 18), "NBDMAGICIHAVEOPT" + big(3, 2));
    const auto expect = [&](std::uint32_t number, std::uint32_t kind, const std::string &data) {
        EXPECT_EQ(receive(pair.client, 16), big(nbd::kOptionReplyMagic, 8) + big(number, 4) + big(kind, 4));
        const std::string length = receive(pair.client, 4);
        const std::string got = receive(pair.client, static_cast<unsigned char>(length[3]));
        EXPECT_EQ(kind < 0x80000000 ? got : data, data);
    };
    const std::string size = big(0, 2) + big(10 * MiB, 8) + big(exported.flags, 2);
    const std::string blocks = big(3, 2) + big(4096, 4) + big(4096, 4) + big(32 * MiB, 4);
    expect(8, 0x80000001, "");
    expect(3, 0x80000003, "");
    expect(3, 2, big(0, 4));
    expect(3, 1, "");
    expect(6, 0x80000003, "");
    for (const std::uint32_t number : {6, 7}) {
        expect(number, 3, size);
        expect(number, 3, blocks);
        expect(number, 1, "");
    }
    EXPECT_NE(exported.flags & nbd::kReadOnly, 0);
}

TEST_F(NbdTest, TheOldOptionAndAborts) {
    const nbd::Export exported = nbd::describe(10 * MiB, Mode::read_write, nbd::Checked::no);
    for (const std::uint32_t flags : {1, 3}) {
        const Pair pair = make_pair(SOCK_STREAM);
        const std::string sent = big(flags, 4) + "IHAVEOPT" + big(1, 4) + big(4, 4) + "name";
        must(nbd::send_bytes(pair.client.get(), std::as_bytes(std::span(sent))));
        EXPECT_EQ(must(nbd::negotiate(pair.server.get(), exported)), nbd::Wish::requests);
        ::shutdown(pair.server.get(), SHUT_WR);
        receive(pair.client, 18);
        EXPECT_EQ(receive(pair.client, 10), big(10 * MiB, 8) + big(exported.flags, 2));
        const std::size_t zeros = flags == 1 ? 124 : 0;
        EXPECT_EQ(receive(pair.client, zeros), std::string(zeros, '\0'));
        char byte = 0;
        EXPECT_EQ(::recv(pair.client.get(), &byte, 1, 0), 0) << "and nothing more";
    }
    const Pair pair = make_pair(SOCK_STREAM);
    const std::string sent = big(3, 4) + "IHAVEOPT" + big(2, 4) + big(0, 4);
    must(nbd::send_bytes(pair.client.get(), std::as_bytes(std::span(sent))));
    EXPECT_EQ(must(nbd::negotiate(pair.server.get(), exported)), nbd::Wish::nothing);
}

class BlockMessages : public test::OnSimulation {};

TEST_F(BlockMessages, ASetupArrivesWithItsDescriptors) {
    block::Setup setup;
    setup.plan = {
        DoorKind::nbd, Mode::read_only, Locking::required, 3, 17, 4096, 9, 4 * MiB, 5, 0, "lib", "", "/mnt/f"};
    setup.attached = test::attach_memory(4 * MiB);
    setup.shared = Fd(::memfd_create("shared", MFD_CLOEXEC));
    // More extents than one message holds; the descriptors are copies of the one.
    const protocol::ExtentRecord first = setup.attached.extents.front();
    for (unsigned index = 1; index < 300; ++index) {
        setup.attached.extents.push_back(first);
        setup.attached.extents.back().id = index;
        setup.attached.fds.push_back(must(setup.attached.fds.front().duplicate()));
    }
    const Pair pair = make_pair(SOCK_SEQPACKET);
    Result<void> sent;
    std::thread sender([&] { sent = send_setup(pair.client.get(), setup); });
    const block::Setup got = must(receive_setup(pair.server.get()));
    sender.join();
    EXPECT_TRUE(sent);
    EXPECT_EQ(got.plan.door, DoorKind::nbd);
    EXPECT_EQ(got.plan.mode, Mode::read_only);
    EXPECT_EQ(got.plan.locking, Locking::required);
    EXPECT_EQ(got.plan.queues, 3U);
    EXPECT_EQ(got.plan.depth, 17U);
    EXPECT_EQ(got.plan.io_size, 4096U);
    EXPECT_EQ(got.plan.number, 9);
    EXPECT_EQ(got.plan.size, 4 * MiB);
    EXPECT_EQ(got.plan.sums, 5U);
    EXPECT_EQ(got.plan.driver, "lib");
    EXPECT_EQ(got.plan.file, "/mnt/f");
    EXPECT_TRUE(got.shared);
    EXPECT_FALSE(got.listener);
    ASSERT_EQ(got.attached.extents.size(), 300U);
    EXPECT_EQ(got.attached.extents.back().id, 299U);
    EXPECT_EQ(got.attached.fds.size(), 300U);
    EXPECT_EQ(got.attached.allocated, 4 * MiB);
}

TEST_F(BlockMessages, AThinDisksPartsArriveAndSoDoesOneThatComesLater) {
    block::Setup setup;
    setup.plan.parts = 1000;
    setup.plan.device = "GPU-7";
    setup.shared = Fd(::memfd_create("shared", MFD_CLOEXEC));
    for (const std::uint32_t index : {7U, 999U}) {
        client::Attached &part = setup.parts[index] = test::attach_memory(kPartSize);
        part.extents.front().id = index;
        if (index == 7) continue;
        part.extents.front().length = kPartSize / 2; // and another half
        part.extents.push_back(part.extents.front());
        part.extents.back().offset = kPartSize / 2;
        part.fds.push_back(must(part.fds.front().duplicate()));
    }
    const Pair pair = make_pair(SOCK_SEQPACKET);
    must(send_setup(pair.client.get(), setup));
    must(send_part(pair.client.get(), 999, setup.parts[999]));
    must(try_send_signal(pair.client.get(), make_part_signal(Signal::Kind::refused, 3, ENOSPC)));
    const block::Setup got = must(receive_setup(pair.server.get()));
    EXPECT_EQ(got.plan.parts, 1000U);
    EXPECT_EQ(got.plan.device, "GPU-7");
    EXPECT_TRUE(got.shared);
    ASSERT_EQ(got.parts.size(), 2U);
    EXPECT_EQ(got.parts.at(7).extents.front().id, 7U);
    EXPECT_EQ(got.parts.at(7).extents.front().offset, 0U);
    EXPECT_EQ(got.parts.at(999).fds.size(), 2U);
    EXPECT_EQ(got.parts.at(999).extents.back().offset, kPartSize / 2);
    EXPECT_EQ(got.parts.at(999).allocated, kPartSize);
    ReceivedSignal received = {};
    must(receive_signal(pair.server.get(), received));
    EXPECT_EQ(received.signal.kind, Signal::Kind::part);
    EXPECT_EQ(received.signal.index, 999U);
    const client::Attached part = must(receive_part(pair.server.get(), static_cast<std::size_t>(received.signal.code)));
    EXPECT_EQ(part.fds.size(), 2U);
    EXPECT_EQ(part.allocated, kPartSize);
    must(receive_signal(pair.server.get(), received));
    EXPECT_EQ(received.signal.kind, Signal::Kind::refused);
    EXPECT_EQ(received.signal.code, ENOSPC);
    EXPECT_EQ(code_of(receive_part(pair.server.get(), 33)), EPROTO);
}

TEST_F(BlockMessages, WhoDoesNotReadIsNotWaitedFor) {
    const Pair pair = make_pair(SOCK_SEQPACKET);
    const Signal signal = make_part_signal(Signal::Kind::drop, 1, 0);
    Result<void> sent;
    while (sent) sent = try_send_signal(pair.client.get(), signal);
    EXPECT_EQ(sent.error().code, EAGAIN);
}

TEST_F(BlockMessages, WhatIsNoSetupIsRefused) {
    const Pair pair = make_pair(SOCK_SEQPACKET);
    ASSERT_EQ(::send(pair.client.get(), "nonsense", 8, 0), 8);
    EXPECT_EQ(code_of(receive_setup(pair.server.get())), EPROTO);
    ::shutdown(pair.client.get(), SHUT_WR);
    EXPECT_EQ(code_of(receive_setup(pair.server.get())), ECONNRESET);
}

TEST_F(BlockMessages, ASignalCarriesTextAndDescriptors) {
    const Pair pair = make_pair(SOCK_SEQPACKET);
    const int fds[] = {pair.client.get(), pair.server.get()};
    must(send_signal(pair.client.get(), make_signal(Signal::Kind::take_over), fds));
    must(send_signal(pair.client.get(), make_failure(Error{ENODEV, 0, "open disk", std::string(400, 'x')})));
    must(send_signal(pair.client.get(), make_name("/dev/nbd7", 7)));
    ReceivedSignal received = {};
    must(receive_signal(pair.server.get(), received));
    EXPECT_EQ(received.signal.kind, Signal::Kind::take_over);
    ASSERT_EQ(received.fd_count, 2U);
    for (const int fd : std::span(received.fds).first(2)) Fd close(fd);
    must(receive_signal(pair.server.get(), received));
    EXPECT_EQ(received.signal.kind, Signal::Kind::failed);
    EXPECT_EQ(received.signal.code, ENODEV);
    EXPECT_EQ(std::strlen(received.signal.text.data()), received.signal.text.size() - 1);
    EXPECT_EQ(received.fd_count, 0U);
    must(receive_signal(pair.server.get(), received));
    EXPECT_STREQ(received.signal.text.data(), "/dev/nbd7");
    EXPECT_EQ(received.signal.code, 7);
    ASSERT_EQ(::send(pair.client.get(), "x", 1, 0), 1);
    EXPECT_EQ(code_of(receive_signal(pair.server.get(), received)), EPROTO);
}

} // namespace
} // namespace gmemfs::block
