// Rings: which worker serves which processor's queue; a request in one piece, and its answer back in the kernel's
// parts.
#include "fuse/session/handshake.hpp"
#include "fuse/session/ring_entry.hpp"
#include "fuse/session/ring_plan.hpp"
#include "fuse/session/ring_source.hpp"
#include "tests/support/simulation.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>

namespace gmemfs {
namespace {

using test::code_of;
using test::must;
using Numbers = std::vector<unsigned>;

TEST(RingPlan, ListsOfProcessorsAreReadAsTheKernelWritesThem) {
    EXPECT_EQ(must(parse_processors("0")), (Numbers{0}));
    EXPECT_EQ(must(parse_processors("0-3")), (Numbers{0, 1, 2, 3}));
    EXPECT_EQ(must(parse_processors("0,2-3,8")), (Numbers{0, 2, 3, 8}));
    for (const char *wrong : {"", "x", "1-", "3-1", "0,", "0;1", "0-99999999", "-1", " 1"})
        EXPECT_EQ(code_of(parse_processors(wrong)), EINVAL) << wrong;
}

// Each queue once for each of its workers; what is asked of all plans.
std::vector<unsigned> workers_of_queues(const std::vector<RingPlan> &plans, unsigned queues) {
    std::vector<unsigned> counts(queues);
    for (const RingPlan &plan : plans)
        for (const unsigned queue : plan.queues) ++counts.at(queue);
    return counts;
}

TEST(RingPlan, EachProcessorHasWorkersOfItsOwnThatAreBoundToIt) {
    const auto plans = plan_rings(16, must(parse_processors("0-15")));
    EXPECT_EQ(plans.size(), 16 * kRingWorkersPerQueue);
    EXPECT_EQ(workers_of_queues(plans, 16), std::vector<unsigned>(16, kRingWorkersPerQueue));
    for (const RingPlan &plan : plans) {
        EXPECT_EQ(plan.queues, Numbers{*plan.processor});
        EXPECT_FALSE(plan.is_idle);
    }
}

TEST(RingPlan, QueuesOfProcessorsThatArentThereShareOneWorker) {
    const auto plans = plan_rings(64, must(parse_processors("0-1,5")));
    EXPECT_EQ(plans.size(), 3 * kRingWorkersPerQueue + 1);
    EXPECT_EQ(plans.back().queues.size(), 61U);
    EXPECT_TRUE(plans.back().is_idle);
    EXPECT_FALSE(plans.back().processor);
    const auto counts = workers_of_queues(plans, 64);
    EXPECT_EQ(counts[5], kRingWorkersPerQueue);
    EXPECT_EQ(counts[6], 1U);
}

TEST(RingPlan, MoreProcessorsThanWorkersShareThem) {
    Numbers online(300);
    std::iota(online.begin(), online.end(), 0);
    const auto plans = plan_rings(300, online);
    EXPECT_EQ(plans.size(), kRingWorkersMax);
    EXPECT_EQ(workers_of_queues(plans, 300), std::vector<unsigned>(300, 1));
    for (const RingPlan &plan : plans) EXPECT_FALSE(plan.processor);
    online.resize(kRingWorkersMax);
    EXPECT_EQ(plan_rings(kRingWorkersMax, online).size(), kRingWorkersMax); // one each, and bound
}

TEST(RingPlan, ThisMachineHasOne) { EXPECT_FALSE(must(plan_rings()).empty()); }

// A request as the kernel puts it into an entry.
void put_request(RingEntry &entry, std::uint64_t unique, std::string_view op_in, std::string_view payload) {
    fuse_in_header header = {};
    header.unique = unique;
    header.len = static_cast<std::uint32_t>(sizeof header + op_in.size() + payload.size());
    std::memcpy(entry.headers().in_out, &header, sizeof header);
    std::memcpy(entry.headers().op_in, op_in.data(), op_in.size());
    std::memcpy(entry.payload().data(), payload.data(), payload.size());
    entry.headers().commit.payload_size = static_cast<std::uint32_t>(payload.size());
}

fuse_out_header sent_header(const RingEntry &entry) {
    fuse_out_header header;
    std::memcpy(&header, entry.headers().in_out, sizeof header);
    return header;
}

std::string_view sent_payload(const RingEntry &entry) {
    return {reinterpret_cast<const char *>(entry.payload().data()), entry.headers().commit.payload_size};
}

iovec part_of(const void *bytes, std::size_t size) { return {const_cast<void *>(bytes), size}; }

TEST(RingEntry, RequestIsPutTogetherRightBeforeItsPayload) {
    const auto entry = RingEntry::create_unpinned(3);
    put_request(*entry, 42, "argument", "the data");
    const std::span<std::byte> request = must(entry->take_request());
    const std::string_view text(reinterpret_cast<const char *>(request.data()), request.size());
    EXPECT_EQ(text.substr(sizeof(fuse_in_header)), "argumentthe data");
    EXPECT_EQ(request.data() + request.size() - 8, entry->payload().data()); // which wasn't moved
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(request.data()) % alignof(fuse_in_header), 0U);
    EXPECT_TRUE(entry->is_open());
}

TEST(RingEntry, LargestRequestFits) {
    const auto entry = RingEntry::create_unpinned(0);
    put_request(*entry, 2, std::string(128, 'a'), std::string(RingEntry::kPayload, 'p'));
    EXPECT_EQ(must(entry->take_request()).size(), sizeof(fuse_in_header) + 128 + RingEntry::kPayload);
}

TEST(RingEntry, SizesThatDontFitTogetherAreRefused) {
    const auto entry = RingEntry::create_unpinned(0);
    const auto refused = [&](std::uint32_t length, std::uint32_t payload, std::uint64_t unique) {
        fuse_in_header header = {};
        header.unique = unique;
        header.len = length;
        std::memcpy(entry->headers().in_out, &header, sizeof header);
        entry->headers().commit.payload_size = payload;
        return code_of(entry->take_request());
    };
    EXPECT_EQ(refused(40, 0, 2), 0);
    EXPECT_EQ(refused(39, 0, 2), EPROTO);
    EXPECT_EQ(refused(40, 1, 2), EPROTO);
    EXPECT_EQ(refused(40 + 129, 0, 2), EPROTO);
    EXPECT_EQ(refused(40 + 128, 0, 2), 0);
    EXPECT_EQ(refused(0, UINT32_MAX, 2), EPROTO);
    EXPECT_EQ(refused(40 + RingEntry::kPayload + 1, RingEntry::kPayload + 1, 2), EPROTO);
    EXPECT_EQ(refused(40, 0, 0), EPROTO);
}

TEST(RingEntry, AnswerGoesWhereTheKernelLooks) {
    const auto entry = RingEntry::create_unpinned(0);
    put_request(*entry, 42, "", "");
    must(entry->take_request());
    const fuse_out_header header = {sizeof header + 6, 0, 42};
    const iovec parts[] = {part_of(&header, sizeof header), part_of("abc", 3), part_of("def", 3)};
    EXPECT_TRUE(entry->put_answer(parts));
    EXPECT_EQ(sent_header(*entry).unique, 42U);
    EXPECT_EQ(sent_payload(*entry), "abcdef");
    EXPECT_FALSE(entry->is_open());
    EXPECT_FALSE(entry->put_answer(parts)) << "answered twice";
}

TEST(RingEntry, AnswerThatLiesInThePayloadStays) {
    const auto entry = RingEntry::create_unpinned(0);
    put_request(*entry, 42, "", "");
    must(entry->take_request());
    std::memcpy(entry->payload().data(), "where the DMA landed", 20);
    const fuse_out_header header = {sizeof header + 9, 0, 42};
    const iovec in_place[] = {part_of(&header, sizeof header), part_of(entry->payload().data(), 9)};
    EXPECT_TRUE(entry->put_answer(in_place));
    EXPECT_EQ(sent_payload(*entry), "where the");
    put_request(*entry, 44, "", "");
    must(entry->take_request());
    std::memcpy(entry->payload().data(), "where the DMA landed", 20);
    const fuse_out_header next = {sizeof next + 16, 0, 44};
    const iovec moved[] = {part_of(&next, sizeof next), part_of(entry->payload().data() + 4, 16)};
    EXPECT_TRUE(entry->put_answer(moved));
    EXPECT_EQ(sent_payload(*entry), "e the DMA landed");
}

TEST(RingEntry, WhatIsNoAnswerToItsRequestIsNotTaken) {
    const auto entry = RingEntry::create_unpinned(0);
    fuse_out_header header = {sizeof header, 0, 42};
    const iovec parts[] = {part_of(&header, sizeof header)};
    EXPECT_FALSE(entry->put_answer(parts)) << "no request";
    put_request(*entry, 42, "", "");
    must(entry->take_request());
    header.unique = 0; // a notification
    EXPECT_FALSE(entry->put_answer(parts));
    header.unique = 44; // another request's, an interrupt's
    EXPECT_FALSE(entry->put_answer(parts));
    EXPECT_FALSE(entry->put_answer({}));
    EXPECT_TRUE(entry->is_open());
}

TEST(RingEntry, TooLongAnAnswerIsAnError) {
    const auto entry = RingEntry::create_unpinned(0);
    put_request(*entry, 42, "", "");
    must(entry->take_request());
    const std::string bytes(RingEntry::kPayload, 'x');
    const fuse_out_header header = {static_cast<std::uint32_t>(sizeof header + bytes.size() + 1), 0, 42};
    const iovec parts[] = {part_of(&header, sizeof header), part_of("y", 1), part_of(bytes.data(), bytes.size())};
    EXPECT_TRUE(entry->put_answer(parts));
    EXPECT_EQ(sent_header(*entry).error, -EIO);
    EXPECT_EQ(sent_header(*entry).unique, 42U);
    EXPECT_EQ(sent_payload(*entry), "");
}

TEST(Handshake, WithoutRingsNobodyWaits) {
    const Handshake handshake(Transport::read); // nor is it agreed on: a server that takes over isn't greeted again
    EXPECT_TRUE(handshake.wait_until_served());
    EXPECT_FALSE(handshake.wait_for_ring());
    EXPECT_FALSE(handshake.is_by_ring());
}

TEST(Handshake, WithRingsTheMainThreadWaitsForTheLastOne) {
    Handshake handshake(Transport::io_uring);
    handshake.expect_rings(2);
    std::atomic<bool> is_last = false;
    std::thread rings([&] {
        EXPECT_TRUE(handshake.wait_for_ring());
        handshake.ring_taken();
        is_last = true;
        handshake.ring_taken();
    });
    handshake.agree(Transport::io_uring);
    EXPECT_TRUE(handshake.wait_until_served());
    EXPECT_TRUE(is_last);
    EXPECT_TRUE(handshake.is_by_ring());
    rings.join();
}

TEST(Handshake, KernelThatDoesntOfferRingsIsServedByRead) {
    Handshake handshake(Transport::io_uring);
    handshake.expect_rings(2);
    std::thread ring([&] { EXPECT_FALSE(handshake.wait_for_ring()); });
    handshake.agree(Transport::read);
    EXPECT_TRUE(handshake.wait_until_served());
    ring.join();
}

TEST(Handshake, EndWakesWhoeverWaitsAndIsTheLastWord) {
    Handshake handshake(Transport::io_uring);
    handshake.expect_rings(1);
    std::thread ring([&] { EXPECT_FALSE(handshake.wait_for_ring()); });
    std::thread main([&] { EXPECT_FALSE(handshake.wait_until_served()); });
    handshake.end();
    ring.join();
    main.join();
    handshake.agree(Transport::io_uring);
    handshake.ring_taken();
    EXPECT_FALSE(handshake.wait_until_served());
    EXPECT_FALSE(handshake.is_by_ring());
}

using OnRing = test::OnSimulation;

TEST_F(OnRing, PayloadBeginsAtAPageOfPinnedMemory) {
    const auto before = simulation().live();
    const auto entry = must(RingEntry::create(simulation().device(), 7));
    EXPECT_NE(simulation().live(), before); // the driver has pinned it
    EXPECT_EQ(entry->queue(), 7U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(entry->payload().data()) % 4096, 0U);
    EXPECT_GE(entry->buffers()[0].iov_len, sizeof(RingHeaders));
    EXPECT_EQ(entry->buffers()[1].iov_base, entry->payload().data());
    EXPECT_EQ(entry->buffers()[1].iov_len, kRequestMax);
}

TEST(Rings, KernelThatLacksThemOrHasThemSwitchedOffIsNamedWithTheCure) {
    const auto said = [](const char *parameter) {
        const Result<void> checked = check_rings(parameter);
        return checked ? std::string() : checked.error().detail;
    };
    EXPECT_NE(said("/nowhere/enable_uring").find("CONFIG_FUSE_IO_URING"), std::string::npos);
    const std::string path = ::testing::TempDir() + "enable_uring";
    std::ofstream(path) << "N\n";
    EXPECT_NE(said(path.c_str()).find("echo Y > " + path), std::string::npos);
}

} // namespace
} // namespace gmemfs
