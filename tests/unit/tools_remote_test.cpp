// Messages between hosts, their pipe, and what a file is resumed by.
#include "tools/remote/frame.hpp"
#include "tools/remote/message.hpp"
#include "tools/remote/pieces.hpp"
#include "tools/remote/shell.hpp"
#include "tools/remote/trusted_net.hpp"

#include <algorithm>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace gmemfs {
namespace {

Frame frame_of(FrameKind kind, std::vector<std::byte> body) { return {kind, std::move(body)}; }

std::pair<Fd, Fd> make_pipe() {
    int ends[2] = {};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    return {Fd(ends[0]), Fd(ends[1])};
}

TEST(RemoteMessage, OpenedTellsTheRangesOfItsPieces) {
    Coming opened = {3, 3 * kPiece + 100, {0, 1, 3}, false, {}};
    const Result<Coming> read = decode_coming(frame_of(FrameKind::coming, encode(opened)));
    ASSERT_TRUE(read) << read.error().text();
    const std::vector<ByteRange> expected = {{0, 2 * kPiece}, {3 * kPiece, 100}};
    EXPECT_EQ(read->ranges(), expected);
    opened = {3, 5, {}, true, {}};
    EXPECT_EQ(opened.ranges(), std::vector<ByteRange>({{0, 5}}));
    opened.size = 0;
    EXPECT_TRUE(opened.ranges().empty());
}

TEST(RemoteMessage, OpenedRefusesPiecesThatCantBe) {
    const auto refuses = [](const Coming &opened) {
        const Result<Coming> read = decode_coming(frame_of(FrameKind::coming, encode(opened)));
        return !read && read.error().code == EPROTO;
    };
    EXPECT_TRUE(refuses({0, kPiece, {1}, false, {}}));               // behind the end
    EXPECT_TRUE(refuses({0, 3 * kPiece, {1, 1}, false, {}}));        // twice
    EXPECT_TRUE(refuses({0, 3 * kPiece, {2, 1}, false, {}}));        // in another order
    EXPECT_TRUE(refuses({0, 3 * kPiece, {1}, true, {}}));            // whole, and pieces
    EXPECT_TRUE(refuses({0, std::uint64_t(1) << 63, {}, true, {}})); // larger than a file can be
}

TEST(RemoteMessage, FetchCarriesDigestsAndWhatATransportSays) {
    Fetch fetch = {7, 100, RemoteTransport::nixl, std::vector<Digest>(3, empty_digest()), std::vector<std::byte>(1000)};
    const Result<Fetch> read = decode_fetch(frame_of(FrameKind::fetch, encode(fetch)));
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(read->entry, 7U);
    EXPECT_EQ(read->size, 100U);
    EXPECT_EQ(read->transport, RemoteTransport::nixl);
    EXPECT_EQ(read->have, fetch.have);
    EXPECT_EQ(read->transport_says.size(), 1000U);
    // The largest one fits into a frame.
    fetch.have.resize(kPiecesMost);
    fetch.transport_says.resize(kTransportMost);
    EXPECT_LE(encode(fetch).size(), kFrameMost);
    fetch.transport_says.resize(kTransportMost + 1);
    EXPECT_FALSE(decode_fetch(frame_of(FrameKind::fetch, encode(fetch))));
}

TEST(RemoteMessage, AFailureIsWhatTheOtherSideSaysAndCommandsNoTerminal) {
    const Frame frame = frame_of(FrameKind::failed, encode(Failed{ENOENT, "read: /x\x1b[2J\n"}));
    const Result<Listed> read = decode_listed(frame);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, ENOENT);
    EXPECT_EQ(read.error().detail, "read: /x?[2J?");
    EXPECT_EQ(read.error().doing, kOtherHost);
}

TEST(RemoteMessage, AnotherVersionIsToldWithBothNumbers) {
    const Result<Hello> read = decode_hello(frame_of(FrameKind::hello, encode(Hello{9, "gmemfs 7.0"})));
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, EPROTONOSUPPORT);
    EXPECT_NE(read.error().detail.find("gmemfs 7.0 there speaks version 9, and this one 1"), std::string::npos);
}

TEST(RemoteMessage, AMessageWithBytesTooManyOrTooFewIsNone) {
    std::vector<std::byte> body = encode(Sent{1, Sent::State::whole, 0, "digest"});
    ASSERT_TRUE(decode_sent(frame_of(FrameKind::sent, body)));
    for (std::size_t size = 0; size < body.size(); ++size)
        EXPECT_FALSE(decode_sent(frame_of(FrameKind::sent, {body.begin(), body.begin() + static_cast<long>(size)})));
    body.push_back({});
    EXPECT_FALSE(decode_sent(frame_of(FrameKind::sent, body)));
    EXPECT_FALSE(decode_sent(frame_of(FrameKind::coming, body)));
}

TEST(FramePipe, FramesComeWholeAndInOrderWhateverPartsTheyArriveIn) {
    auto [reader, writer] = make_pipe();
    FramePipe receiving(std::move(reader), {});
    FramePipe sending({}, std::move(writer));
    std::thread sender([&] {
        std::vector<std::byte> bulk(kDataMost);
        for (int round = 0; round < 20; ++round) {
            std::fill(bulk.begin(), bulk.end(), static_cast<std::byte>(round));
            const Data data = {static_cast<std::uint32_t>(round), 5, {}};
            EXPECT_TRUE(sending.send(FrameKind::data, encode_head(data), bulk));
        }
        sending.close_sending();
    });
    Frame frame;
    for (std::uint32_t round = 0; round < 20; ++round) {
        ASSERT_TRUE(receiving.receive(frame));
        const Result<Data> data = decode_data(frame);
        ASSERT_TRUE(data);
        EXPECT_EQ(data->entry, round);
        EXPECT_EQ(data->bytes.size(), kDataMost);
        EXPECT_EQ(data->bytes.back(), static_cast<std::byte>(round));
    }
    sender.join();
    const Result<void> end = receiving.receive(frame);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, EPIPE);
}

TEST(FramePipe, AReaderThatHasGoneIsAnErrorOfTheWriter) {
    ::signal(SIGPIPE, SIG_IGN);
    auto [reader, writer] = make_pipe();
    FramePipe sending({}, std::move(writer));
    reader.reset();
    const Result<void> sent = sending.send(FrameKind::taken, encode(Taken{1}));
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, EPIPE);
}

TEST(RemotePieces, OnlyWhatDiffersIsMissing) {
    Fd file(::memfd_create("pieces", MFD_CLOEXEC));
    const std::uint64_t size = 2 * kPiece + 10;
    ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(size)), 0);
    const Result<std::vector<Digest>> before = read_pieces(file.get(), size, 4);
    ASSERT_TRUE(before);
    ASSERT_EQ(before->size(), 3U);
    EXPECT_EQ((*before)[0], (*before)[1]);
    EXPECT_NE((*before)[1], (*before)[2]); // shorter
    ASSERT_EQ(::pwrite(file.get(), "x", 1, kPiece + 3), 1);
    const Result<std::vector<Digest>> after = read_pieces(file.get(), size, 4);
    ASSERT_TRUE(after);
    EXPECT_EQ(missing_pieces(size, *after, *before), std::vector<std::uint32_t>({1}));
    EXPECT_EQ(missing_pieces(size, *after, {}), std::vector<std::uint32_t>({0, 1, 2}));
    EXPECT_TRUE(missing_pieces(size, *after, *after).empty());
    // A file that has become shorter has fewer.
    const Result<std::vector<Digest>> longer = read_pieces(file.get(), size + kPiece, 4);
    ASSERT_TRUE(longer);
    EXPECT_EQ(longer->size(), 2U);
}

TEST(RemotePath, AHostIsWhatStandsBeforeTheFirstColon) {
    const auto parts = [](const std::string &text) {
        const Result<RemotePath> path = parse_remote_path(text);
        return path ? path->host + "|" + path->path : "none";
    };
    EXPECT_EQ(parts("gpu2:/mnt/gpu/x"), "gpu2|/mnt/gpu/x");
    EXPECT_EQ(parts("me@gpu2:x:y"), "me@gpu2|x:y");
    EXPECT_EQ(parts("[::1]:/x"), "::1|/x");
    for (const char *const wrong : {"", ":", "gpu2:", ":/x", "/x", "./a:b", "[::1]/x", "-o:/x"})
        EXPECT_EQ(parts(wrong), "none") << wrong;
}

TEST(TrustedNet, AnAddressIsHeldByTheBitsThatCount) {
    const Result<TrustedNet> net = TrustedNet::parse("10.1.0.0/16,192.168.7.128/25,fd00::/8,::1,127.0.0.1");
    ASSERT_TRUE(net) << net.error().text();
    const auto holds = [&](const char *text) { return net->holds(*parse_address(text)); };
    for (const char *const inside :
        {"10.1.0.1", "10.1.255.255", "192.168.7.128", "192.168.7.255", "fd12::7", "::1", "127.0.0.1"})
        EXPECT_TRUE(holds(inside)) << inside;
    for (const char *const outside : {"10.2.0.1", "192.168.7.127", "fe80::1", "::2", "127.0.0.2", "0.0.0.0"})
        EXPECT_FALSE(holds(outside)) << outside;
    EXPECT_TRUE(TrustedNet::parse("0.0.0.0/0")->holds(*parse_address("8.8.8.8")));
    EXPECT_FALSE(TrustedNet::parse("0.0.0.0/0")->holds(*parse_address("2001:db8::1")));
    EXPECT_FALSE(TrustedNet::parse("")->holds(*parse_address("127.0.0.1")));
    for (const char *const wrong : {"10.0.0.0/33", "10.0.0/8", "fd00::/129", "/8", "10.0.0.0/", "10.0.0.0/8x", "a,b"})
        EXPECT_FALSE(TrustedNet::parse(wrong)) << wrong;
}

TEST(TrustedNet, AHostIsHeldWhereAllItsAddressesAre) {
    const Result<TrustedNet> net = TrustedNet::parse("127.0.0.0/8,::1");
    EXPECT_TRUE(net->holds_host("me@localhost"));
    EXPECT_TRUE(net->holds_host("127.0.0.9"));
    EXPECT_FALSE(net->holds_host("10.0.0.1"));
    EXPECT_FALSE(net->holds_host("no-such-host.invalid"));
}

} // namespace
} // namespace gmemfs
