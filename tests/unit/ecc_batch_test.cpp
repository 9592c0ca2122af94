// Batches of pages: round trips by both back ends, what is refused, and the ring. The GPU's way is the simulator with
// the simulated nvCOMP (tests/nvcomp), beside which the program lies.
#include "ecc/batch/ring.hpp"

#include "ecc/nvcomp/places.hpp"
#include "ecc/pack/crc32c.hpp"
#include "tests/support/simulation.hpp"
#include "vmm/base/random.hpp"
#include "vmm/device/simulator_path.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace gmemfs {
namespace {

using test::code_of;
using test::must;

RingSettings settings_with(const std::string &nvcomp) {
    RingSettings settings;
    settings.threads = 3;
    settings.limits.staging = 4 * MiB;
    settings.device.driver = simulator_path();
    settings.device.nvcomp = {nvcomp};
    settings.model = "";
    return settings;
}
std::string simulated_nvcomp() { return simulator_path().substr(0, simulator_path().rfind('/')) + "/libnvcomp.so.6"; }

enum class Fill { zeros, pages, random };

// Pages in host memory, their streams, and room for the pages to come back to.
struct Batch {
    Batch(Algorithm algorithm, std::size_t page_size, std::uint64_t page_count, Fill fill) {
        work.algorithm = algorithm;
        work.backend = Backend::cpu;
        work.page_size = page_size;
        work.page_count = page_count;
        pages.resize(page_size * page_count + 1); // one more: its data() is never null
        if (fill == Fill::pages) fill_with_pages(pages, page_size);
        Random random(page_size);
        if (fill == Fill::random)
            for (std::byte &byte : pages) byte = static_cast<std::byte>(random.next());
        packed.resize(packed_bound(algorithm, page_size) * page_count + 1);
        sizes.resize(page_count + 1);
        checksums.resize(page_count + 1);
        work.pages = reinterpret_cast<std::uint64_t>(pages.data());
        work.packed = packed.data();
        work.packed_size = packed.size();
        work.sizes = sizes.data();
        work.checksums = checksums.data();
    }
    BatchWork pack(Backend backend) const {
        BatchWork packing = work;
        packing.backend = backend;
        return packing;
    }
    BatchWork unpack(Backend backend) {
        came_back.assign(pages.size(), std::byte{0x5a});
        BatchWork unpacking = pack(backend);
        unpacking.direction = Direction::unpack;
        unpacking.pages = reinterpret_cast<std::uint64_t>(came_back.data());
        return unpacking;
    }
    bool is_back() const {
        return std::equal(pages.begin(), pages.end() - 1, came_back.begin()) && came_back.back() == std::byte{0x5a};
    }

    std::vector<std::byte> pages, packed, came_back;
    std::vector<std::uint32_t> sizes, checksums;
    BatchWork work;
};

class Batches : public test::OnSimulation {
protected:
    Result<BatchReport> run(const BatchWork &work) {
        const std::uint64_t ticket = TRY(ring_->submit(work));
        return ring_->collect(ticket, -1);
    }
    std::unique_ptr<BatchRing> ring_ = must(BatchRing::create(settings_with(simulated_nvcomp())));
};

constexpr Backend kBackends[] = {Backend::cpu, Backend::gpu};

TEST_F(Batches, PagesOfEverySizeAndKindComeBackByEitherBackEnd) {
    const std::pair<std::size_t, std::uint64_t> shapes[] = {{1, 1}, {1, 1000}, {2, 3}, {15, 100}, {16, 100}, {17, 100},
        {100, 77}, {511, 33}, {4095, 9}, {4096, 1}, {4096, 300}, {4097, 9}, {65536, 20}, {131071, 5}, {131072, 40},
        {kPageSizeMax, 3}};
    for (const auto &[page_size, page_count] : shapes)
        for (const Algorithm algorithm : kAlgorithms)
            for (const Fill fill : {Fill::zeros, Fill::pages, Fill::random}) {
                Batch batch(algorithm, page_size, page_count, fill);
                for (const Backend packer : kBackends) {
                    const BatchReport report = must(run(batch.pack(packer)));
                    EXPECT_EQ(report.backend, packer);
                    EXPECT_EQ(report.plain_size, page_size * page_count);
                    EXPECT_EQ(report.packed_size,
                        std::accumulate(batch.sizes.begin(), batch.sizes.end() - 1, std::uint64_t{0}));
                    for (const Backend unpacker : kBackends) {
                        must(run(batch.unpack(unpacker)));
                        EXPECT_TRUE(batch.is_back()) << page_size << ' ' << name_of(algorithm) << ' ' << name_of(packer)
                                                     << ' ' << name_of(unpacker);
                    }
                }
            }
}

TEST_F(Batches, PagesOfADeviceComeBackWhereverTheyLie) {
    LocalKeeper keeper(simulation().driver(), HandlePolicy::fd);
    const auto extent = must(Extent::create(keeper, simulation().device(), 4 * MiB));
    Copier &copier = copiers().of(simulation().device());
    for (const std::size_t page_size : {1UL, 100UL, 4096UL, 50000UL})
        for (const std::uint64_t offset : {0UL, 16UL, 1UL})
            for (const Algorithm algorithm : kAlgorithms)
                for (const Backend backend : kBackends) {
                    Batch batch(algorithm, page_size, 60, Fill::pages);
                    const std::span pages = std::span(batch.pages).first(page_size * 60);
                    must(copier.write({extent.get(), offset, pages.size()}, pages));
                    BatchWork work = batch.pack(backend);
                    work.memory = PageMemory::device;
                    work.pages = extent->address() + offset;
                    const BatchReport report = must(run(work));
                    EXPECT_GT(report.times.compute_ns, 0U);
                    must(copier.queue_zero({extent.get(), 0, extent->size()}));
                    must(copier.wait());
                    work.direction = Direction::unpack;
                    must(run(work));
                    batch.came_back.assign(pages.size() + 1, std::byte{0x5a});
                    must(copier.read(
                        {extent.get(), offset, pages.size()}, std::span(batch.came_back).first(pages.size())));
                    EXPECT_TRUE(batch.is_back()) << page_size << ' ' << offset << ' ' << name_of(backend);
                    std::vector<std::byte> beside(16, std::byte{1});
                    must(copier.read({extent.get(), offset + pages.size(), 16}, beside));
                    EXPECT_EQ(beside, std::vector<std::byte>(16)); // nothing is written behind the pages
                }
}

TEST_F(Batches, AWrongChecksumIsToldByItsPageAndNothingIsDecoded) {
    for (const Backend backend : kBackends) {
        Batch batch(Algorithm::zstd, 4096, 50, Fill::pages);
        must(run(batch.pack(backend)));
        batch.checksums[33] ^= 1;
        const Result<BatchReport> refused = run(batch.unpack(backend));
        ASSERT_EQ(code_of(refused), EBADMSG);
        EXPECT_NE(refused.error().text().find("page 33"), std::string::npos) << refused.error().text();
        batch.checksums[33] ^= 1;
        batch.packed[0] ^= std::byte{1}; // the simulated nvCOMP would end the process
        EXPECT_EQ(code_of(run(batch.unpack(backend))), EBADMSG);
    }
}

TEST_F(Batches, TruncatedStreamsAndWrongSizesAreRefused) {
    for (const Algorithm algorithm : kAlgorithms) {
        Batch batch(algorithm, 4096, 20, Fill::pages);
        must(run(batch.pack(Backend::cpu)));
        const auto refused = [&](Backend backend, int code) {
            const Result<BatchReport> result = run(batch.unpack(backend));
            EXPECT_EQ(code_of(result), code) << name_of(algorithm) << ' ' << (result ? "" : result.error().text());
        };
        BatchWork shorter = batch.unpack(Backend::gpu);
        shorter.packed_size = std::accumulate(batch.sizes.begin(), batch.sizes.end(), std::uint64_t{0}) - 1;
        EXPECT_EQ(code_of(run(shorter)), ENOBUFS); // the last stream isn't all there
        const std::vector<std::uint32_t> sizes = batch.sizes;
        for (const std::uint32_t wrong : {std::uint32_t{0}, std::uint32_t{1} << 31, UINT32_MAX})
            for (const Backend backend : kBackends) {
                batch.sizes[7] = wrong;
                refused(backend, EBADMSG);
            }
        batch.sizes = sizes;
        --batch.sizes[19]; // a stream cut short, with a checksum that fits: only decoding tells
        batch.checksums[19] = 0;
        std::uint64_t start = 0;
        for (unsigned page = 0; page < 19; ++page) start += batch.sizes[page];
        batch.checksums[19] = crc32c({&batch.packed[start], batch.sizes[19]});
        refused(Backend::cpu, EBADMSG);
        refused(Backend::gpu, EBADMSG);
    }
}

TEST_F(Batches, AStreamOfAnotherPageSizeIsRefused) {
    for (const Algorithm algorithm : kAlgorithms)
        for (const Backend backend : kBackends)
            for (const std::size_t other : {4095UL, 4097UL}) {
                Batch batch(algorithm, 4096, 1, Fill::zeros);
                must(run(batch.pack(Backend::cpu)));
                BatchWork work = batch.unpack(backend);
                batch.came_back.resize(8192);
                work.pages = reinterpret_cast<std::uint64_t>(batch.came_back.data());
                work.page_size = other;
                EXPECT_EQ(code_of(run(work)), EBADMSG) << name_of(algorithm) << name_of(backend) << other;
            }
}

TEST_F(Batches, ARoomThatIsTooSmallIsToldAndNotOverrun) {
    for (const Backend backend : kBackends) {
        Batch batch(Algorithm::lz4, 4096, 30, Fill::random);
        BatchWork work = batch.pack(backend);
        work.packed_size = std::uint64_t{30} * 4096;
        batch.packed.back() = std::byte{0x77};
        std::fill(batch.packed.begin(), batch.packed.end(), std::byte{0x77});
        EXPECT_EQ(code_of(run(work)), ENOBUFS);
        EXPECT_TRUE(std::all_of(batch.packed.begin() + std::ptrdiff_t{30} * 4096, batch.packed.end(),
            [](std::byte byte) { return byte == std::byte{0x77}; }));
    }
}

TEST_F(Batches, NoPagesAndAHundredThousand) {
    for (const Backend backend : kBackends) {
        Batch none(Algorithm::lz4, 4096, 0, Fill::zeros);
        EXPECT_EQ(must(run(none.pack(backend))).packed_size, 0U);
        must(run(none.unpack(backend)));
        Batch many(Algorithm::lz4, 16, 100'000, Fill::pages);
        must(run(many.pack(backend)));
        must(run(many.unpack(backend)));
        EXPECT_TRUE(many.is_back());
    }
}

TEST_F(Batches, WhatMakesNoSenseIsRefusedAtSubmission) {
    Batch batch(Algorithm::lz4, 4096, 3, Fill::zeros);
    const auto refused = [&](auto change) {
        BatchWork work = batch.unpack(Backend::gpu);
        change(work);
        return code_of(ring_->submit(work)) == EINVAL;
    };
    EXPECT_TRUE(refused([](BatchWork &work) { work.page_size = 0; }));
    EXPECT_TRUE(refused([](BatchWork &work) { work.page_size = kPageSizeMax + 1; }));
    EXPECT_TRUE(refused([](BatchWork &work) { work.page_count = UINT64_MAX / 4096; }));
    EXPECT_TRUE(refused([](BatchWork &work) { work.algorithm = static_cast<Algorithm>(3); }));
    EXPECT_TRUE(refused([](BatchWork &work) { work.pages = 0; }));
    EXPECT_TRUE(refused([](BatchWork &work) { work.packed = nullptr; }));
    EXPECT_TRUE(refused([](BatchWork &work) { work.sizes = nullptr; }));
    EXPECT_TRUE(refused([](BatchWork &work) { work.checksums = nullptr; })); // a GPU decodes nothing unchecked
    EXPECT_EQ(code_of(ring_->collect(1, -1)), EINVAL);                       // none of them has a ticket
}

TEST_F(Batches, StreamsWithoutChecksumsGoToTheProcessors) {
    Batch batch(Algorithm::zstd, 4096, 10, Fill::pages);
    BatchWork work = batch.pack(Backend::gpu);
    work.checksums = nullptr;
    must(run(work));
    work = batch.unpack(Backend::automatic);
    work.checksums = nullptr;
    const BatchReport report = must(run(work));
    EXPECT_EQ(report.backend, Backend::cpu);
    EXPECT_EQ(report.choice, Choice::only);
    EXPECT_TRUE(batch.is_back());
}

// It answers without a GPU.
TEST(Nvcomp, OfVersion6NeedsNoMoreRoomThanWeGiveIt) {
    std::vector<std::string> places = nvcomp_places();
    // By its name alone the loader finds the simulated one, which other tests have loaded.
    std::erase_if(places, [](const std::string &place) { return place.find('/') == std::string::npos; });
    const Result<std::unique_ptr<const Nvcomp>> nvcomp = Nvcomp::open(Driver(), places);
    if (!nvcomp) GTEST_SKIP() << nvcomp.error().text();
    EXPECT_EQ((*nvcomp)->version() / 1000, 6);
    for (const Algorithm algorithm : kAlgorithms) {
        const NvcompCodec &codec = algorithm == Algorithm::lz4 ? (*nvcomp)->lz4() : (*nvcomp)->zstd();
        for (std::size_t size = 1; size <= kPageSizeMax; size += 1 + size / 50) {
            std::size_t bound = 0, temp = 1;
            ASSERT_EQ(codec.compress_bound(size, {}, &bound), 0);
            EXPECT_LE(bound, packed_bound(algorithm, size)) << name_of(algorithm) << ' ' << size;
            ASSERT_EQ(codec.decompress_temp_size(100, size, {{kNvcompBackendCuda}}, &temp, 100 * size, nullptr), 0);
            EXPECT_LT(temp, 2 * GiB);
        }
    }
    for (const int type : {0, 9, 10, 11}) { // of chunks of 128 KiB: what a packer makes room for is what it says
        std::size_t bound = 0, temp = 1;
        ASSERT_EQ((*nvcomp)->ans().compress_bound(128 * KiB, {{0, type}}, &bound), 0);
        EXPECT_LE(bound, 184 * KiB);
        ASSERT_EQ((*nvcomp)->ans().compress_temp_size(1024, 128 * KiB, {{0, type}}, &temp, 128 * MiB, nullptr), 0);
        EXPECT_LE(temp, 64 * MiB);
    }
}

TEST_F(Batches, AFullRingRefusesUntilAResultIsCollected) {
    Batch batch(Algorithm::zstd, 65536, 60, Fill::pages);
    std::vector<Batch> batches(4, batch);
    std::vector<std::uint64_t> tickets;
    for (Batch &each : batches) {
        each.work.pages = reinterpret_cast<std::uint64_t>(each.pages.data());
        each.work.packed = each.packed.data();
        each.work.sizes = each.sizes.data();
        each.work.checksums = each.checksums.data();
        tickets.push_back(must(ring_->submit(each.pack(tickets.size() % 2 == 0 ? Backend::cpu : Backend::gpu))));
    }
    EXPECT_EQ(code_of(ring_->submit(batch.pack(Backend::cpu))), EAGAIN);
    must(ring_->collect(tickets[2], -1));
    EXPECT_EQ(code_of(ring_->collect(tickets[2], 0)), EINVAL); // once
    const std::uint64_t fifth = must(ring_->submit(batch.pack(Backend::cpu)));
    for (const std::uint64_t ticket : {tickets[3], fifth, tickets[0], tickets[1]}) must(ring_->collect(ticket, -1));
    EXPECT_EQ(batches[0].sizes, batches[2].sizes);
    must(run(batches[3].unpack(Backend::cpu)));
    EXPECT_TRUE(batches[3].is_back());
}

TEST_F(Batches, ABatchThatRunsIsInProgress) {
    Batch batch(Algorithm::zstd, 4096, 20'000, Fill::pages);
    const std::uint64_t ticket = must(ring_->submit(batch.pack(Backend::cpu)));
    EXPECT_EQ(code_of(ring_->collect(ticket, 0)), EINPROGRESS); // 80 MB take longer than this call
    while (code_of(ring_->collect(ticket, 1)) == EINPROGRESS) {}
    EXPECT_EQ(code_of(ring_->collect(ticket, -1)), EINVAL);
    std::fill(batch.sizes.begin(), batch.sizes.end(), 0);
    must(ring_->submit(batch.pack(Backend::cpu)));
    ring_.reset(); // what nobody collects is waited for
    EXPECT_NE(batch.sizes[19'999], 0U);
}

TEST_F(Batches, WithoutNvcompTheGpuIsToldOfAndAutoTakesTheProcessors) {
    ring_ = must(BatchRing::create(settings_with("/nowhere/libnvcomp.so.6")));
    Batch batch(Algorithm::lz4, 4096, 10, Fill::pages);
    const Result<BatchReport> refused = run(batch.pack(Backend::gpu));
    ASSERT_EQ(code_of(refused), ENOTSUP);
    EXPECT_NE(refused.error().text().find("pip install nvidia-libnvcomp-cu13"), std::string::npos);
    const BatchReport report = must(run(batch.pack(Backend::automatic)));
    EXPECT_EQ(report.backend, Backend::cpu);
    EXPECT_EQ(report.choice, Choice::only);
}

TEST_F(Batches, WithoutADriverTheProcessorsWorkAllTheSame) {
    RingSettings settings = settings_with("");
    settings.device.driver = "/nowhere/libcuda.so.1";
    ring_ = must(BatchRing::create(settings));
    Batch batch(Algorithm::lz4, 4096, 10, Fill::pages);
    EXPECT_EQ(must(run(batch.pack(Backend::automatic))).choice, Choice::only);
    EXPECT_EQ(code_of(run(batch.pack(Backend::gpu))), ENOENT);
    BatchWork on_device = batch.pack(Backend::cpu);
    on_device.memory = PageMemory::device;
    EXPECT_EQ(code_of(run(on_device)), ENOENT);
}

TEST_F(Batches, ADriverThatFailsIsAnErrorAndTheNextBatchWorks) {
    Batch batch(Algorithm::lz4, 4096, 100, Fill::pages);
    must(run(batch.pack(Backend::gpu)));
    for (const char *const fault : {"cuMemcpyHtoDAsync#1=INVALID_VALUE", "cuMemcpyDtoHAsync#1=INVALID_VALUE",
             "cuLaunchKernel#1=INVALID_VALUE", "cuLaunchKernel#2=INVALID_VALUE", "cuStreamSynchronize#2=UNKNOWN"}) {
        simulation().plan_faults(fault);
        EXPECT_FALSE(run(batch.pack(Backend::gpu))) << fault;
        simulation().plan_faults("");
        must(run(batch.pack(Backend::gpu)));
        must(run(batch.unpack(Backend::gpu)));
        EXPECT_TRUE(batch.is_back());
    }
}

TEST_F(Batches, WhereTheDeviceIsFullAutoTakesTheProcessors) {
    Batch small(Algorithm::lz4, 4096, 100, Fill::pages), large(Algorithm::lz4, 4096, 1000, Fill::pages);
    must(run(small.pack(Backend::gpu)));
    simulation().plan_faults("cuMemAlloc#1+=OUT_OF_MEMORY");
    const Result<BatchReport> refused = run(large.pack(Backend::gpu));
    EXPECT_EQ(code_of(refused), ENOSPC);
    const BatchReport report = must(run(large.pack(Backend::automatic)));
    EXPECT_EQ(report.backend, Backend::cpu);
    EXPECT_EQ(report.choice, Choice::only);
}

} // namespace
} // namespace gmemfs
