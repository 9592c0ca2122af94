// Thin disks: which blocks are written, who has a part, when a part comes and goes, and what a batch does meanwhile.
#include "block/disk/lanes.hpp"
#include "tests/support/sim_disk.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace gmemfs::block {
namespace {

using std::chrono::milliseconds;
using test::must;

constexpr std::uint64_t kParts = 4;

TEST(WrittenBlocksTest, AWriteSetsWhatItTouchesAndADiscardClearsWhatItCovers) {
    std::vector<std::uint64_t> words(2 * WrittenBlocks::kWordsPerPart);
    WrittenBlocks written(words);
    EXPECT_EQ(written.parts(), 2U);
    written.set(1, 4095, 4097);
    EXPECT_FALSE(written.has_any(0));
    EXPECT_EQ(words[WrittenBlocks::kWordsPerPart], 3U);
    written.clear(1, 1, 8191);
    EXPECT_EQ(words[WrittenBlocks::kWordsPerPart], 3U) << "no whole block";
    written.clear(1, 0, 8191);
    EXPECT_EQ(words[WrittenBlocks::kWordsPerPart], 2U);
    written.clear(1, 4096, 8192);
    EXPECT_FALSE(written.has_any(1));
    written.set(0, 0, kPartSize);
    for (std::size_t word = 0; word < words.size(); ++word)
        EXPECT_EQ(words[word], word < WrittenBlocks::kWordsPerPart ? ~std::uint64_t(0) : 0) << word;
    written.clear(0, 4096, kPartSize - 4096);
    EXPECT_TRUE(written.has_any(0));
    EXPECT_EQ(words[0], 1U);
    EXPECT_EQ(words[WrittenBlocks::kWordsPerPart - 1], std::uint64_t(1) << 63);
    written.set(0, 8192, 8192);
    EXPECT_EQ(words[0], 1U);
}

/// A thin disk, and a thread that does its orders as the test wants.
class ThinTest : public test::OnSimulation {
protected:
    enum class Serves : std::uint8_t { now, later };
    void open(Serves serves = Serves::now, std::span<std::uint32_t> sums = {}) {
        words_.assign(kParts * WrittenBlocks::kWordsPerPart, 0);
        std::shared_ptr<const client::Devices> devices = must(client::open_devices(simulation().driver().library));
        disk_ = must(Disk::open_thin(std::move(devices), simulation().device().info().uuid_text(),
            kParts * kPartSize - MiB, Mode::read_write, sums, words_));
        if (serves == Serves::now) parts().begin_serving();
    }
    Parts &parts() { return *disk_->parts(); }
    // As a supervisor does, at once and by the thread that asks.
    void do_orders() {
        while (const std::optional<Parts::Order> order = parts().next_order()) {
            orders_.push_back(*order);
            if (order->kind != Parts::Order::Kind::make) continue;
            if (refusal_ != 0) parts().refuse(order->index, refusal_);
            if (refusal_ != 0) continue;
            client::Attached attached = test::attach_zeros(kPartSize);
            must(disk_->add_part(order->index, attached));
        }
    }
    // Runs `work` while another thread does the orders.
    template <typename Work>
    auto with_orders(const Work &work) {
        std::atomic<bool> is_over = false;
        std::thread thread([&] {
            while (!is_over) do_orders();
            do_orders();
        });
        auto result = work();
        is_over = true;
        thread.join();
        return result;
    }
    int run(Lane &lane, Request request) {
        return with_orders([&] {
            lane.run({&request, 1});
            return request.code;
        });
    }
    static Request request(Lane &lane, Request::Kind kind, std::uint64_t offset, std::uint64_t length) {
        return {kind, offset, length, has_bytes(kind) ? lane.memory().data() : nullptr, -1};
    }
    std::vector<std::byte> read(Lane &lane, std::uint64_t offset, std::uint64_t length) {
        std::fill_n(lane.memory().begin(), length, std::byte{0x77});
        EXPECT_EQ(run(lane, request(lane, Request::Kind::read, offset, length)), 0);
        return {lane.memory().begin(), lane.memory().begin() + static_cast<std::ptrdiff_t>(length)};
    }

    std::vector<std::uint64_t> words_;
    std::unique_ptr<Disk> disk_;
    std::vector<Parts::Order> orders_;
    int refusal_ = 0;
};

TEST_F(ThinTest, AHoleReadsAsZerosAndADiscardOfOneIsNothing) {
    open();
    Lane lane = must(Lane::create(*disk_, 1 * MiB));
    EXPECT_EQ(read(lane, kPartSize - 4096, 8192), std::vector<std::byte>(8192));
    EXPECT_EQ(run(lane, request(lane, Request::Kind::discard, 0, disk_->size())), 0);
    EXPECT_TRUE(orders_.empty());
    EXPECT_EQ(parts().mapped_count(), 0U);
}

TEST_F(ThinTest, AWriteMakesThePartsThatItTouchesAndADiscardOfAllOfThemRemovesThem) {
    open();
    Lane lane = must(Lane::create(*disk_, 1 * MiB));
    test::fill_with_pattern(lane.memory().first(8192), 1);
    const std::vector<std::byte> data(lane.memory().begin(), lane.memory().begin() + 8192);
    EXPECT_EQ(run(lane, request(lane, Request::Kind::write, kPartSize - 4096, 8192)), 0);
    EXPECT_EQ(parts().mapped_count(), 2U);
    EXPECT_EQ(read(lane, kPartSize - 4096, 8192), data);
    EXPECT_EQ(run(lane, request(lane, Request::Kind::discard, kPartSize - 4096, 4096)), 0);
    EXPECT_FALSE(parts().has(0));
    EXPECT_TRUE(parts().has(1));
    EXPECT_EQ(run(lane, request(lane, Request::Kind::zero, kPartSize, 4096)), 0) << "zeros that keep their memory";
    EXPECT_TRUE(parts().has(1));
    EXPECT_EQ(run(lane, request(lane, Request::Kind::discard, 0, disk_->size())), 0);
    EXPECT_EQ(parts().mapped_count(), 0U);
    EXPECT_EQ(words_, std::vector<std::uint64_t>(words_.size()));
    EXPECT_EQ(read(lane, kPartSize - 4096, 8192), std::vector<std::byte>(8192));
    ASSERT_EQ(orders_.size(), 4U);
    EXPECT_EQ(orders_[2].kind, Parts::Order::Kind::remove);
    EXPECT_EQ(orders_[3].index, 1U);
}

TEST_F(ThinTest, ABatchKeepsItsOrderAlsoWhereItsPartsComeAndGo) {
    open();
    Lane lane = must(Lane::create(*disk_, 1 * MiB));
    std::byte *const memory = lane.memory().data();
    test::fill_with_pattern(lane.memory().first(8192), 2);
    const auto at = [&](Request::Kind kind, std::size_t place) {
        return Request{kind, 4096, 4096, has_bytes(kind) ? memory + place : nullptr, -1};
    };
    using Kind = Request::Kind;
    Request batch[] = {at(Kind::read, 65536), at(Kind::write, 0), at(Kind::read, 69632), at(Kind::discard, 0),
        at(Kind::read, 73728), at(Kind::write, 4096), at(Kind::read, 77824)};
    with_orders([&] { return lane.run(batch), 0; });
    for (const Request &one : batch) EXPECT_EQ(one.code, 0);
    const std::vector<std::byte> zeros(4096);
    EXPECT_EQ(std::memcmp(memory + 65536, zeros.data(), 4096), 0);
    EXPECT_EQ(std::memcmp(memory + 69632, memory, 4096), 0);
    EXPECT_EQ(std::memcmp(memory + 73728, zeros.data(), 4096), 0);
    EXPECT_EQ(std::memcmp(memory + 77824, memory + 4096, 4096), 0);
    EXPECT_EQ(parts().mapped_count(), 1U);
}

TEST_F(ThinTest, ARefusalIsTheErrorOfItsWriteAloneAndALaterOneAsksAgain) {
    open();
    Lane lane = must(Lane::create(*disk_, 1 * MiB));
    EXPECT_EQ(run(lane, request(lane, Request::Kind::write, 0, 4096)), 0);
    refusal_ = ENOSPC;
    Request batch[] = {request(lane, Request::Kind::write, 0, 4096),
        request(lane, Request::Kind::write, kPartSize, 512), request(lane, Request::Kind::write, kPartSize - 512, 1024),
        request(lane, Request::Kind::read, kPartSize, 512)};
    with_orders([&] { return lane.run(batch), 0; });
    EXPECT_EQ(batch[0].code, 0);
    EXPECT_EQ(batch[1].code, ENOSPC);
    EXPECT_EQ(batch[2].code, ENOSPC) << "and none of it was written";
    EXPECT_EQ(batch[3].code, 0);
    EXPECT_EQ(read(lane, kPartSize - 512, 512), std::vector<std::byte>(512));
    refusal_ = 0;
    EXPECT_EQ(run(lane, request(lane, Request::Kind::write, kPartSize, 512)), 0);
}

TEST_F(ThinTest, ADiscardThatFailedLeavesItsBlocksWritten) {
    open();
    Lane lane = must(Lane::create(*disk_, 1 * MiB));
    EXPECT_EQ(run(lane, request(lane, Request::Kind::write, 0, 4096)), 0);
    simulation().plan_faults("cuMemsetD8Async#1=INVALID_VALUE");
    EXPECT_EQ(run(lane, request(lane, Request::Kind::discard, 0, kPartSize)), EIO);
    EXPECT_TRUE(parts().has(0));
    simulation().plan_faults("cuStreamSynchronize#1=INVALID_VALUE");
    EXPECT_EQ(run(lane, request(lane, Request::Kind::discard, 0, kPartSize)), EIO);
    EXPECT_TRUE(parts().has(0));
    EXPECT_EQ(run(lane, request(lane, Request::Kind::discard, 0, kPartSize)), 0);
    EXPECT_FALSE(parts().has(0));
}

TEST_F(ThinTest, WhereNobodyAnswersAWriteFailsInTimeAndLaterOnesAtOnceUntilSomebodyDoes) {
    open();
    const std::unique_ptr<Parts> parts = must(Parts::create(words_, milliseconds(50)));
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(parts->wait_for_memory(0), EIO);
    EXPECT_GE(std::chrono::steady_clock::now() - begun, milliseconds(50));
    EXPECT_EQ(parts->wait_for_memory(0), EIO);
    EXPECT_EQ(parts->wait_for_memory(1), EIO);
    using Kind = Parts::Order::Kind;
    std::vector<std::pair<Kind, std::uint32_t>> told;
    while (const auto order = parts->next_order()) told.emplace_back(order->kind, order->index);
    const std::vector<std::pair<Kind, std::uint32_t>> expected = {{Kind::make, 0}, {Kind::late, 0}, {Kind::make, 1}};
    EXPECT_EQ(told, expected);
    parts->repeat_orders();
    EXPECT_EQ(parts->next_order()->index, 0U);
    EXPECT_EQ(parts->next_order()->index, 1U);
    EXPECT_FALSE(parts->next_order());
    std::thread thread([&] {
        while (true)
            if (const auto order = parts->next_order()) return parts->refuse(order->index, ENOSPC);
    });
    parts->refuse(1, ENOSPC);
    while (parts->wait_for_memory(1) != ENOSPC) {} // it may ask before it is waited for
    thread.join();
}

TEST_F(ThinTest, WhatAnotherProcessLeftUnusedIsGivenBack) {
    open(Serves::later);
    for (const std::uint32_t index : {0U, 2U}) {
        client::Attached attached = test::attach_zeros(kPartSize);
        must(disk_->add_part(index, attached));
    }
    words_[2 * WrittenBlocks::kWordsPerPart + 7] = 1;
    parts().begin_serving();
    EXPECT_FALSE(parts().has(0));
    EXPECT_TRUE(parts().has(2));
    client::Attached attached = test::attach_zeros(kPartSize);
    must(disk_->add_part(3, attached)); // for a write of a worker that has died
    EXPECT_FALSE(parts().has(3));
    do_orders();
    ASSERT_EQ(orders_.size(), 2U);
    EXPECT_EQ(orders_.back().kind, Parts::Order::Kind::remove);
    EXPECT_EQ(orders_.back().index, 3U);
    parts().drop(2);
    EXPECT_EQ(parts().mapped_count(), 0U);
}

TEST_F(ThinTest, ChecksumsKnowHolesAsZeros) {
    std::vector<std::uint32_t> sums((kParts * kPartSize - MiB) / kCheckedSize);
    open(Serves::now, sums);
    Lane lane = must(Lane::create(*disk_, 1 * MiB));
    test::fill_with_pattern(lane.memory().first(8192), 3);
    EXPECT_EQ(run(lane, request(lane, Request::Kind::write, kPartSize - 4096, 8192)), 0);
    EXPECT_EQ(run(lane, request(lane, Request::Kind::discard, kPartSize, 4096)), 0);
    EXPECT_FALSE(parts().has(1));
    EXPECT_EQ(read(lane, kPartSize, 8192), std::vector<std::byte>(8192));
    refusal_ = ENOSPC;
    EXPECT_EQ(run(lane, request(lane, Request::Kind::write, kPartSize, 4096)), ENOSPC);
    EXPECT_EQ(read(lane, kPartSize, 8192), std::vector<std::byte>(8192));
}

// Four lanes write, read and discard the same few parts; each has blocks of its own.
TEST_F(ThinTest, ManyLanesMayUseAPartThatComesAndGoes) {
    open();
    std::atomic<int> wrong = 0;
    with_orders([&] {
        std::vector<std::thread> threads;
        for (unsigned own = 0; own < 4; ++own)
            threads.emplace_back([&, own] {
                Lane lane = must(Lane::create(*disk_, 64 * KiB));
                for (unsigned round = 0; round < 20; ++round) {
                    const std::uint64_t offset = (round % 2) * kPartSize + own * 4096;
                    Request batch[] = {request(lane, Request::Kind::write, offset, 4096),
                        request(lane, Request::Kind::read, offset, 4096),
                        request(lane, Request::Kind::discard, offset, 4096),
                        request(lane, Request::Kind::read, offset, 4096)};
                    for (std::size_t index = 1; index < 4; ++index)
                        if (batch[index].bytes != nullptr) batch[index].bytes += index * 4096;
                    test::fill_with_pattern(lane.memory().first(4096), own * 1000 + round);
                    lane.run(batch);
                    const std::byte *const memory = lane.memory().data();
                    const bool is_right =
                        std::all_of(batch, batch + 4, [](const Request &one) { return one.code == 0; }) &&
                        std::memcmp(memory + 4096, memory, 4096) == 0 &&
                        std::all_of(memory + 12288, memory + 16384, [](std::byte one) { return one == std::byte{0}; });
                    wrong += is_right ? 0 : 1;
                }
            });
        for (std::thread &thread : threads) thread.join();
        return 0;
    });
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(parts().mapped_count(), 0U);
}

} // namespace
} // namespace gmemfs::block
