// Tests of tools/nixl without NIXL: messages, pieces, slots, where it is looked for, a helper that is none.
#include "tools/nixl/body.hpp"
#include "tools/nixl/message.hpp"
#include "tools/nixl/nixl_api.hpp"
#include "tools/nixl/nixl_process.hpp"
#include "tools/nixl/pieces.hpp"
#include "tools/nixl/places.hpp"
#include "tools/nixl/slots.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>

namespace gmemfs {
namespace {

NixlToken token() {
    NixlToken token{};
    token.fill(std::byte{7});
    return token;
}

NixlTargetInfo slots_info() {
    NixlTargetInfo info;
    info.token = token();
    info.size = 1000;
    info.slots_address = 1 << 20;
    info.slot_size = 4096;
    info.slot_count = 8;
    info.metadata = {std::byte{1}, std::byte{2}};
    return info;
}

NixlTargetInfo regions_info() {
    NixlTargetInfo info = slots_info();
    info.slots_address = info.slot_size = info.slot_count = 0;
    info.regions = {{0, 600, 4096, 0}, {600, 400, 1 << 20, 1}};
    return info;
}

NixlNote piece_note() {
    NixlNote note;
    note.token = token();
    note.kind = NixlNote::Kind::piece;
    note.slot = 3;
    note.offset = 100;
    note.length = 50;
    return note;
}

template <typename Message>
void expect_each_cut_refused(const Message &message, Result<Message> (*decode)(std::span<const std::byte>)) {
    const std::vector<std::byte> bytes = encode(message);
    const Result<Message> whole = decode(bytes);
    ASSERT_TRUE(whole) << whole.error().text();
    EXPECT_TRUE(*whole == message);
    for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode(std::span(bytes).first(size))) << size;
    std::vector<std::byte> longer = bytes;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(decode(longer));
}

TEST(NixlMessage, EachKindComesBackAndNoPartOfIt) {
    expect_each_cut_refused(slots_info(), decode_nixl_target);
    expect_each_cut_refused(regions_info(), decode_nixl_target);
    expect_each_cut_refused(piece_note(), decode_nixl_note);
    NixlNote note;
    note.token = token();
    expect_each_cut_refused(note, decode_nixl_note);
    note.kind = NixlNote::Kind::hello;
    note.total = 12;
    note.metadata = {std::byte{9}};
    expect_each_cut_refused(note, decode_nixl_note);
    note = {};
    note.kind = NixlNote::Kind::failed;
    note.code = ENOSPC;
    note.text = "write: no room";
    expect_each_cut_refused(note, decode_nixl_note);
    NixlRequest request;
    request.kind = NixlRequest::Kind::send;
    request.file = 4;
    request.path = "/mnt/gpu/model";
    request.ranges = {{0, 5}, {10, 1}};
    request.target = encode(slots_info());
    expect_each_cut_refused(request, decode_nixl_request);
    NixlAnswer answer;
    answer.kind = NixlAnswer::Kind::done;
    answer.memory = "device";
    answer.says = {std::byte{1}};
    expect_each_cut_refused(answer, decode_nixl_answer);
}

void expect_refused(const NixlTargetInfo &info) { EXPECT_FALSE(decode_nixl_target(encode(info))); }

TEST(NixlMessage, ATargetWithoutPlaceForEachByteIsRefused) {
    NixlTargetInfo info = slots_info();
    info.slot_count = 0;
    expect_refused(info);
    info = slots_info();
    info.slot_count = kNixlSlotsMost + 1;
    expect_refused(info);
    info = slots_info();
    info.slot_size = kNixlSlotMost + 1;
    expect_refused(info);
    info = slots_info();
    info.slots_address = ~std::uint64_t(0) - 4096; // the slots wrap around
    expect_refused(info);
    info = regions_info();
    info.regions[1].offset = 601; // a gap
    expect_refused(info);
    info = regions_info();
    info.regions[1].offset = 599; // an overlap
    expect_refused(info);
    info = regions_info();
    info.size = 1001; // a byte without a region
    expect_refused(info);
    info = regions_info();
    info.regions[1].length = ~std::uint64_t(0) - 500;
    expect_refused(info);
    info = regions_info();
    info.regions[0].address = ~std::uint64_t(0) - 10;
    expect_refused(info);
}

TEST(NixlMessage, ANoteOutsideAnyFileOrSlotIsRefused) {
    NixlNote note = piece_note();
    note.slot = kNixlSlotsMost;
    EXPECT_FALSE(decode_nixl_note(encode(note)));
    note = piece_note();
    note.length = 0;
    EXPECT_FALSE(decode_nixl_note(encode(note)));
    note = piece_note();
    note.length = kNixlSlotMost + 1;
    EXPECT_FALSE(decode_nixl_note(encode(note)));
    note = piece_note();
    note.offset = ~std::uint64_t(0) - 10; // offset and length wrap around
    EXPECT_FALSE(decode_nixl_note(encode(note)));
    note = {};
    note.kind = NixlNote::Kind::failed; // that fails with nothing
    EXPECT_FALSE(decode_nixl_note(encode(note)));
    note.kind = static_cast<NixlNote::Kind>(6);
    EXPECT_FALSE(decode_nixl_note(encode(note)));
}

TEST(NixlMessage, TextOfTheOtherHostCommandsNoTerminal) {
    NixlNote note;
    note.kind = NixlNote::Kind::failed;
    note.code = EIO;
    note.text = "a\x1b[2Jb\n";
    EXPECT_EQ(decode_nixl_note(encode(note))->text, "a?[2Jb?");
}

TEST(NixlPieces, TheyCoverTheRangesAndCrossNoBorder) {
    const auto to_border = [](std::uint64_t offset) { return 10 - offset % 10; };
    NixlPieces pieces({{3, 20}, {40, 10}, {55, 1}}, to_border);
    std::vector<ByteRange> cut;
    while (!pieces.is_done()) cut.push_back(*pieces.next());
    const std::vector<ByteRange> wanted = {{3, 7}, {10, 10}, {20, 3}, {40, 10}, {55, 1}};
    EXPECT_TRUE(cut == wanted);
    EXPECT_FALSE(pieces.next());
    NixlPieces none({}, to_border);
    EXPECT_TRUE(none.is_done());
    EXPECT_FALSE(none.next());
}

TEST(NixlSlotTable, ASlotIsTakenOnceAndGivenOnce) {
    NixlSlotTable table(2);
    EXPECT_EQ(table.take(), 0U);
    EXPECT_FALSE(table.take(0));
    EXPECT_TRUE(table.take(1));
    EXPECT_FALSE(table.take(2)); // there are two
    EXPECT_FALSE(table.take());
    EXPECT_FALSE(table.give(2));
    EXPECT_TRUE(table.give(0));
    EXPECT_FALSE(table.give(0));
    EXPECT_EQ(table.take(), 0U);
}

// A folder as pip leaves it, without libraries; removed at the end.
class NixlPlaces : public testing::Test {
protected:
    NixlPlaces() {
        char name[] = "/tmp/gmemfs-nixl-XXXXXX";
        root_ = ::mkdtemp(name);
        libraries_ = root_ + "/.nixl_cu13.mesonpy.libs";
        std::filesystem::create_directories(libraries_ + "/plugins");
        std::filesystem::create_directories(root_ + "/nixl_cu13.libs/ucx");
        std::ofstream(libraries_ + "/libnixl_capi.so") << "no library";
    }
    ~NixlPlaces() override { std::filesystem::remove_all(root_); }
    std::string root_, libraries_;
};

TEST_F(NixlPlaces, AFolderOfPackagesAFolderOfLibrariesOrTheLibraryIsTakenAlone) {
    for (const std::string &chosen : {root_, libraries_, libraries_ + "/libnixl_capi.so"}) {
        const std::vector<NixlPlace> places = nixl_places(chosen);
        ASSERT_EQ(places.size(), 1U) << chosen;
        EXPECT_EQ(places.front().library, libraries_ + "/libnixl_capi.so");
        EXPECT_EQ(places.front().plugins, libraries_ + "/plugins");
        EXPECT_TRUE(std::filesystem::equivalent(places.front().modules, root_ + "/nixl_cu13.libs/ucx"));
    }
}

TEST_F(NixlPlaces, WithoutNixlTheErrorSaysHowToGetIt) {
    const Result<std::unique_ptr<NixlApi>> api = NixlApi::open(root_ + "/nowhere");
    ASSERT_FALSE(api);
    EXPECT_EQ(api.error().code, ENOENT);
    EXPECT_NE(api.error().text().find("pip install --no-deps nixl-cu13==1.5.1"), std::string::npos);
}

TEST(NixlBody, TheOtherEndsEndIsAnErrorAndSoIsALengthThatNobodySends) {
    int ends[2] = {};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    EXPECT_EQ(receive_body(reader.get(), 0).error().code, ETIMEDOUT);
    const std::vector<std::byte> body(1000, std::byte{3});
    ASSERT_TRUE(send_body(writer.get(), body));
    EXPECT_EQ(*receive_body(reader.get(), 1000), body);
    const std::uint32_t length = kBodyMost + 1;
    ASSERT_EQ(::send(writer.get(), &length, sizeof length, 0), 4);
    EXPECT_EQ(receive_body(reader.get(), 1000).error().code, EPROTO);
    writer.reset();
    EXPECT_EQ(receive_body(reader.get(), 1000).error().code, EPIPE);
    EXPECT_EQ(send_body(reader.get(), body).error().code, EPIPE);
}

TEST(NixlProcess, AProgramThatEndsAtOnceOrIsNoneIsAnError) {
    NixlSettings settings;
    settings.program = "/bin/false";
    const Result<std::unique_ptr<NixlProcess>> ended = NixlProcess::start(NixlProcess::Role::source, settings);
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, EPIPE);
    EXPECT_NE(ended.error().text().find("it ended with status 1"), std::string::npos) << ended.error().text();
    settings.program = "/nowhere/gmemfs";
    EXPECT_EQ(NixlProcess::start(NixlProcess::Role::target, settings).error().code, ENOENT);
}

} // namespace
} // namespace gmemfs
