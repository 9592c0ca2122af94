// Protocol test: what is a message, and what isn't.
#include "client/wire/protocol.hpp"

#include "tests/support/simulation.hpp"

namespace gmemfs {
namespace {

using namespace protocol;

template <typename Message>
std::vector<std::byte> bytes_of(const Message &message) {
    const auto *const first = reinterpret_cast<const std::byte *>(&message);
    return {first, first + sizeof message};
}

std::vector<std::byte> answer_of(const Answer &answer, const std::vector<ExtentRecord> &extents) {
    std::vector<std::byte> bytes = bytes_of(answer);
    for (const ExtentRecord &extent : extents) {
        const auto more = bytes_of(extent);
        bytes.insert(bytes.end(), more.begin(), more.end());
    }
    const auto size = static_cast<std::uint32_t>(bytes.size());
    std::memcpy(bytes.data() + offsetof(Header, size), &size, sizeof size);
    return bytes;
}

ExtentRecord extent(std::uint64_t offset, std::uint64_t length, std::uint32_t type) {
    ExtentRecord record = {};
    record.offset = offset;
    record.length = length;
    record.handle_type = type;
    return record;
}

Answer answer_with(std::uint32_t extent_count, std::uint32_t first, std::uint32_t count, std::uint64_t allocated) {
    Answer answer = make_answer(0, "");
    answer.extent_count = extent_count;
    answer.first = first;
    answer.count = count;
    answer.allocated = allocated;
    return answer;
}

TEST(Protocol, RequestsComeBackAsTheyWereMade) {
    const Ticket ticket = {1, 2, 3};
    const Request attach =
        test::must(parse_request(bytes_of(make_attach(Kind::attach, ticket, kFabric, kExclusiveLease))));
    EXPECT_EQ(std::get<Attach>(attach).ticket, ticket);
    EXPECT_EQ(std::get<Attach>(attach).handle_types, kFabric);
    EXPECT_EQ(std::get<Attach>(attach).lease, kExclusiveLease);
    EXPECT_EQ(std::get<Release>(test::must(parse_request(bytes_of(make_release(77))))).lease, 77U);
}

TEST(Protocol, ARequestMaySayThatItIsRepeated) {
    const Request attach = test::must(
        parse_request(bytes_of(make_attach(Kind::attach_directory, {}, kFabric, kExclusiveLease | kRepeated))));
    EXPECT_EQ(std::get<Attach>(attach).lease, kExclusiveLease | kRepeated);
}

TEST(Protocol, CutAndLengthenedRequestsAreRefused) {
    for (const auto &whole : {bytes_of(make_attach(Kind::attach, {}, kFabric, 0)), bytes_of(make_release(1))}) {
        for (std::size_t size = 0; size < whole.size(); ++size)
            EXPECT_EQ(test::code_of(parse_request(std::span(whole).first(size))), EPROTO) << size;
        std::vector<std::byte> longer = whole;
        longer.push_back({});
        EXPECT_EQ(test::code_of(parse_request(longer)), EPROTO);
    }
}

TEST(Protocol, AnotherVersionIsNamed) {
    Release release = make_release(1);
    release.header.version = 7;
    const auto refused = parse_request(bytes_of(release));
    ASSERT_EQ(test::code_of(refused), EPROTONOSUPPORT);
    EXPECT_NE(refused.error().detail.find("version 7"), std::string::npos);
}

TEST(Protocol, UnknownBitsAreRefused) {
    EXPECT_EQ(test::code_of(parse_request(bytes_of(make_attach(Kind::attach, {}, 4, 0)))), EPROTO);
    EXPECT_EQ(test::code_of(parse_request(bytes_of(make_attach(Kind::attach, {}, 0, 0)))), EPROTO);
    EXPECT_EQ(test::code_of(parse_request(bytes_of(make_attach(Kind::attach, {}, kFabric, 4)))), EPROTO);
}

TEST(Protocol, AnswersCountTheirDescriptors) {
    const AnswerPart part = test::must(parse_answer(answer_of(answer_with(3, 0, 3, 6 * MiB),
        {extent(0, 2 * MiB, kDescriptor), extent(2 * MiB, 2 * MiB, kFabric), extent(4 * MiB, 2 * MiB, kDescriptor)})));
    EXPECT_EQ(part.extents.size(), 3U);
    EXPECT_EQ(part.descriptor_count, 2U);
}

TEST(Protocol, AnswersThatContradictThemselvesAreRefused) {
    const ExtentRecord good = extent(0, 2 * MiB, kFabric);
    EXPECT_EQ(test::code_of(parse_answer(answer_of(answer_with(1, 0, 2, 2 * MiB), {good}))), EPROTO);
    EXPECT_EQ(test::code_of(parse_answer(answer_of(answer_with(1, 1, 1, 2 * MiB), {good}))), EPROTO);
    EXPECT_EQ(test::code_of(parse_answer(answer_of(answer_with(5000, 0, 1, 2 * MiB), {good}))), EPROTO);
    EXPECT_EQ(test::code_of(parse_answer(answer_of(answer_with(1, 0, 1, 1 * MiB), {good}))), EPROTO);
    for (const ExtentRecord &bad : {extent(1, 2 * MiB, kFabric), extent(0, 0, kFabric), extent(0, 2 * MiB, 3),
             extent(~std::uint64_t(0), 2 * MiB, kFabric), extent(2 * MiB, ~std::uint64_t(0), kFabric)})
        EXPECT_EQ(test::code_of(parse_answer(answer_of(answer_with(1, 0, 1, 2 * MiB), {bad}))), EPROTO);
}

std::vector<std::byte> entry_of(std::uint32_t index, std::uint32_t file_count, std::string_view name) {
    std::vector<std::byte> bytes = bytes_of(make_entry(answer_with(1, 0, 1, 2 * MiB), index, file_count, name));
    const auto record = bytes_of(extent(0, 2 * MiB, kDescriptor));
    bytes.insert(bytes.end(), record.begin(), record.end());
    const auto size = static_cast<std::uint32_t>(bytes.size());
    std::memcpy(bytes.data() + offsetof(Header, size), &size, sizeof size);
    return bytes;
}

TEST(Protocol, EntriesSayWhichFileTheyAre) {
    const EntryPart entry = test::must(parse_entry(entry_of(2, 3, "weights")));
    EXPECT_EQ(entry.name, "weights");
    EXPECT_EQ(entry.index, 2U);
    EXPECT_EQ(entry.file_count, 3U);
    EXPECT_EQ(entry.part.extents.size(), 1U);
    EXPECT_EQ(entry.part.descriptor_count, 1U);
    EXPECT_EQ(test::must(parse_entry(entry_of(0, 1, std::string(kNameMax, 'n')))).name.size(), kNameMax);
    EXPECT_EQ(test::code_of(parse_answer(entry_of(0, 1, "weights"))), EPROTO); // of another kind
}

TEST(Protocol, EntriesThatNameNoFileOfADirectoryAreRefused) {
    for (const char *const name : {"", ".", "..", "a/b", "/"})
        EXPECT_EQ(test::code_of(parse_entry(entry_of(0, 1, name))), EPROTO) << name;
    EXPECT_EQ(test::code_of(parse_entry(entry_of(1, 1, "a"))), EPROTO);
    EXPECT_EQ(test::code_of(parse_entry(entry_of(0, 0, "a"))), EPROTO);
    std::vector<std::byte> unended = entry_of(0, 1, "a");
    std::fill_n(unended.begin() + offsetof(Entry, name), sizeof(Entry::name), std::byte{'x'});
    EXPECT_EQ(test::code_of(parse_entry(unended)), EPROTO);
    const std::vector<std::byte> whole = entry_of(0, 1, "a");
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_EQ(test::code_of(parse_entry(std::span(whole).first(size))), EPROTO) << size;
}

TEST(Protocol, ATextThatIsTooLongIsCutAndEnded) {
    const Answer answer = make_answer(EACCES, std::string(500, 'x'));
    EXPECT_EQ(std::strlen(answer.text.data()), answer.text.size() - 1);
    Answer unended = answer;
    unended.text.fill('y');
    EXPECT_EQ(test::must(parse_answer(bytes_of(unended))).answer.text.back(), '\0');
}

} // namespace
} // namespace gmemfs
