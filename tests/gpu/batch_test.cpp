// Batches on a device: pages packed and unpacked by nvCOMP and by the processors, each reading what the other wrote.
//
//     batch-tests [--driver LIBRARY] [--nvcomp LIBRARY] [--pages N] [GoogleTest's options]
//
// On the simulator, which is the default, with the simulated nvCOMP beside it; with --driver libcuda.so.1 on a GPU,
// with nvCOMP from wherever it is found. --pages: how many there are in a batch (300; 10000 on a GPU).
#include "ecc/batch/ring.hpp"
#include "ecc/nvcomp/places.hpp"
#include "ecc/pack/crc32c.hpp"
#include "tests/support/must.hpp"
#include "vmm/base/random.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/simulator_path.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <getopt.h>
#include <gtest/gtest.h>
#include <lz4hc.h>
#include <numeric>
#include <unistd.h>
#include <zstd.h>

namespace gmemfs {
namespace {

using test::must;

struct Options {
    std::string driver = simulator_path();
    std::vector<std::string> nvcomp;
    std::uint64_t pages = 300;
};
Options options;

RingSettings settings() {
    RingSettings settings;
    settings.device.driver = options.driver;
    settings.device.nvcomp = options.nvcomp;
    settings.model = "";
    return settings;
}

enum class Fill { zeros, pages, random, text };
constexpr Fill kFills[] = {Fill::zeros, Fill::pages, Fill::random, Fill::text};
constexpr Backend kBackends[] = {Backend::cpu, Backend::gpu};

std::vector<std::byte> make_pages(std::size_t size, Fill fill, std::uint64_t seed) {
    std::vector<std::byte> bytes(size);
    Random random(seed);
    if (fill == Fill::pages) fill_with_pages(bytes, seed);
    if (fill == Fill::random)
        for (std::byte &byte : bytes) byte = static_cast<std::byte>(random.next());
    if (fill == Fill::text)
        for (std::byte &byte : bytes) byte = static_cast<std::byte>("etaoin shrdlu\n"[random.next() % 14]);
    return bytes;
}

// Memory of the device for pages, in the primary context.
class DevicePages {
public:
    explicit DevicePages(std::size_t size)
        : device_(must(BatchDevice::open(settings().device))), stream_(must(Stream::create(device_->device()))),
          buffer_(must(DeviceBuffer::create(device_->device(), size))) {}
    CUdeviceptr address() const { return buffer_.address(); }
    void upload(std::uint64_t offset, std::span<const std::byte> bytes) const {
        must(check(driver().cuMemcpyHtoDAsync(address() + offset, bytes.data(), bytes.size(), stream_.get())));
        wait();
    }
    std::vector<std::byte> download(std::uint64_t offset, std::size_t size) const {
        std::vector<std::byte> bytes(size);
        must(check(driver().cuMemcpyDtoHAsync(bytes.data(), address() + offset, size, stream_.get())));
        wait();
        return bytes;
    }
    void fill(std::uint8_t byte) const {
        must(check(driver().cuMemsetD8Async(address(), byte, buffer_.size(), stream_.get())));
        wait();
    }

private:
    const Driver &driver() const { return device_->device().driver(); }
    Result<void> check(CUresult result) const { return device_->device().check(result, "copy the test's pages"); }
    void wait() const { must(check(driver().cuStreamSynchronize(stream_.get()))); }

    std::unique_ptr<BatchDevice> device_;
    Stream stream_;
    DeviceBuffer buffer_;
};

class BatchOnDevice : public ::testing::Test {
protected:
    void prepare(Algorithm algorithm, std::size_t page_size, std::uint64_t page_count) {
        work_ = BatchWork();
        work_.algorithm = algorithm;
        work_.page_size = page_size;
        work_.page_count = page_count;
        packed_.assign(packed_bound(algorithm, page_size) * page_count, std::byte{0});
        sizes_.assign(page_count, 0);
        checksums_.assign(page_count, 0);
        work_.packed = packed_.data();
        work_.packed_size = packed_.size();
        work_.sizes = sizes_.data();
        work_.checksums = checksums_.data();
    }
    Result<BatchReport> run(Direction direction, Backend backend, PageMemory memory, std::uint64_t pages) {
        work_.direction = direction;
        work_.backend = backend;
        work_.memory = memory;
        work_.pages = pages;
        const std::uint64_t ticket = TRY(ring_->submit(work_));
        return ring_->collect(ticket, -1);
    }
    Result<BatchReport> pack(Backend backend, const std::vector<std::byte> &pages) {
        return run(Direction::pack, backend, PageMemory::host, reinterpret_cast<std::uint64_t>(pages.data()));
    }
    // Pages from the streams that are there, with a byte behind them that stays.
    Result<std::vector<std::byte>> unpack(Backend backend) {
        std::vector<std::byte> pages(work_.plain_size() + 1, std::byte{0x5a});
        TRY(run(Direction::unpack, backend, PageMemory::host, reinterpret_cast<std::uint64_t>(pages.data())));
        EXPECT_EQ(pages.back(), std::byte{0x5a});
        pages.pop_back();
        return pages;
    }

    std::unique_ptr<BatchRing> ring_ = must(BatchRing::create(settings()));
    BatchWork work_;
    std::vector<std::byte> packed_;
    std::vector<std::uint32_t> sizes_, checksums_;
};

TEST_F(BatchOnDevice, EachBackEndReadsWhatTheOtherWrote) {
    for (const std::size_t page_size :
        {1UL, 2UL, 15UL, 16UL, 100UL, 4095UL, 4096UL, 4097UL, 65536UL, 131072UL, 1UL << 20})
        for (const Algorithm algorithm : kAlgorithms)
            for (const Fill fill : kFills) {
                const std::uint64_t count = std::clamp<std::uint64_t>(16 * MiB / page_size, 3, options.pages);
                const std::vector<std::byte> pages = make_pages(page_size * count, fill, page_size);
                for (const Backend packer : kBackends) {
                    prepare(algorithm, page_size, count);
                    must(pack(packer, pages));
                    for (const Backend unpacker : kBackends)
                        EXPECT_TRUE(must(unpack(unpacker)) == pages)
                            << name_of(algorithm) << ' ' << page_size << " fill " << int(fill) << ": "
                            << name_of(packer) << " to " << name_of(unpacker);
                }
            }
}

TEST_F(BatchOnDevice, PagesOfTheDeviceComeBackWhereverTheyLie) {
    constexpr std::uint64_t kCount = 500;
    for (const std::size_t page_size : {100UL, 4096UL, 4100UL})
        for (const std::uint64_t offset : {0UL, 16UL, 1UL})
            for (const Algorithm algorithm : kAlgorithms) {
                const DevicePages device(page_size * kCount + 64);
                const std::vector<std::byte> pages = make_pages(page_size * kCount, Fill::pages, offset);
                for (const Backend packer : kBackends)
                    for (const Backend unpacker : kBackends) {
                        prepare(algorithm, page_size, kCount);
                        device.fill(0x77);
                        device.upload(offset, pages);
                        must(run(Direction::pack, packer, PageMemory::device, device.address() + offset));
                        device.fill(0x77);
                        must(run(Direction::unpack, unpacker, PageMemory::device, device.address() + offset));
                        EXPECT_TRUE(device.download(offset, pages.size()) == pages)
                            << name_of(algorithm) << ' ' << page_size << " at " << offset << ": " << name_of(packer)
                            << " to " << name_of(unpacker);
                        EXPECT_EQ(device.download(offset + pages.size(), 16), std::vector(16, std::byte{0x77}));
                    }
            }
}

TEST_F(BatchOnDevice, StreamsOfOtherLevelsAreRead) {
    constexpr std::size_t kSize = 65536;
    const std::vector<std::byte> pages = make_pages(kSize * 3, Fill::pages, 7);
    for (const Algorithm algorithm : kAlgorithms) {
        prepare(algorithm, kSize, 3);
        std::size_t end = 0;
        for (unsigned page = 0; page < 3; ++page) {
            const auto *const from = reinterpret_cast<const char *>(pages.data() + page * kSize);
            auto *const to = reinterpret_cast<char *>(packed_.data() + end);
            const std::size_t room = packed_.size() - end;
            sizes_[page] = static_cast<std::uint32_t>(
                algorithm == Algorithm::zstd
                    ? ZSTD_compress(to, room, from, kSize,
                          page == 0   ? 3
                          : page == 1 ? 19
                                      : 22)
                    : static_cast<std::size_t>(LZ4_compress_HC(from, to, kSize, static_cast<int>(room),
                          page == 0   ? 3
                          : page == 1 ? 9
                                      : 12)));
            checksums_[page] = crc32c(std::span(packed_).subspan(end, sizes_[page]));
            end += sizes_[page];
        }
        for (const Backend backend : kBackends) EXPECT_TRUE(must(unpack(backend)) == pages) << name_of(algorithm);
    }
}

TEST_F(BatchOnDevice, WrongChecksumsGoNowhereNearTheDevice) {
    const std::vector<std::byte> pages = make_pages(std::size_t{4096} * 100, Fill::pages, 9);
    for (const Algorithm algorithm : kAlgorithms) {
        prepare(algorithm, 4096, 100);
        must(pack(Backend::gpu, pages));
        for (const std::size_t place : {std::size_t{0}, std::size_t{1000}}) {
            packed_[place] ^= std::byte{0x40};
            const auto refused = unpack(Backend::gpu);
            EXPECT_TRUE(!refused && refused.error().code == EBADMSG);
            packed_[place] ^= std::byte{0x40};
        }
        EXPECT_TRUE(must(unpack(Backend::gpu)) == pages); // and the device is as it was
    }
}

TEST_F(BatchOnDevice, SlotsWorkSideBySide) {
    const std::vector<std::byte> pages = make_pages(4096 * options.pages, Fill::pages, 3);
    prepare(Algorithm::lz4, 4096, options.pages);
    std::vector<std::vector<std::byte>> packed(4, packed_);
    std::vector<std::vector<std::uint32_t>> sizes(4, sizes_), checksums(4, sizes_);
    std::vector<std::uint64_t> tickets;
    for (unsigned slot = 0; slot < 4; ++slot) {
        BatchWork work = work_;
        work.backend = slot == 1 ? Backend::cpu : Backend::gpu;
        work.pages = reinterpret_cast<std::uint64_t>(pages.data());
        work.packed = packed[slot].data();
        work.sizes = sizes[slot].data();
        work.checksums = checksums[slot].data();
        tickets.push_back(must(ring_->submit(work)));
    }
    for (const std::uint64_t ticket : tickets) must(ring_->collect(ticket, -1));
    EXPECT_TRUE(packed[0] == packed[2] && packed[2] == packed[3]);
    EXPECT_EQ(sizes[0], sizes[3]);
    packed_ = packed[3];
    std::copy(sizes[3].begin(), sizes[3].end(), sizes_.begin());
    std::copy(checksums[3].begin(), checksums[3].end(), checksums_.begin());
    work_.packed = packed_.data();
    EXPECT_TRUE(must(unpack(Backend::cpu)) == pages);
}

TEST_F(BatchOnDevice, AutoChoosesBetweenTheTwo) {
    const std::vector<std::byte> pages = make_pages(4096 * options.pages, Fill::pages, 5);
    for (const Algorithm algorithm : kAlgorithms) {
        prepare(algorithm, 4096, options.pages);
        const BatchReport report = must(pack(Backend::automatic, pages));
        EXPECT_EQ(report.choice, Choice::measured);
        std::printf(
            "auto: %llu pages of 4 KiB of the host, %s: %s; predicted %.2f ms, took %.2f; measuring took %.0f\n",
            static_cast<unsigned long long>(options.pages), name_of(algorithm), name_of(report.backend),
            static_cast<double>(report.predicted_ns) / 1e6, static_cast<double>(report.times.total_ns) / 1e6,
            static_cast<double>(report.measuring_ns) / 1e6);
        EXPECT_TRUE(must(unpack(Backend::automatic)) == pages);
    }
}

int run(int argc, char **argv) {
    ::testing::InitGoogleTest(&argc, argv);
    constexpr option kLong[] = {{"driver", required_argument, nullptr, 'd'},
        {"nvcomp", required_argument, nullptr, 'n'}, {"pages", required_argument, nullptr, 'p'},
        {nullptr, 0, nullptr, 0}};
    for (int which = 0; (which = ::getopt_long(argc, argv, "", kLong, nullptr)) != -1;) {
        if (which == 'd')
            options.driver = optarg;
        else if (which == 'n')
            options.nvcomp = {optarg};
        else if (which == 'p')
            options.pages = std::strtoull(optarg, nullptr, 10);
        else
            return 2;
    }
    if (options.nvcomp.empty())
        options.nvcomp = options.driver.ends_with("/sim/libcuda.so.1")
                             ? std::vector{options.driver.substr(0, options.driver.rfind('/')) + "/libnvcomp.so.6"}
                             : nvcomp_places();
    if (options.pages == 0) return 2;
    return RUN_ALL_TESTS();
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
