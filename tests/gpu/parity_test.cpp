// Parity on a device: the kernels as they are launched, against the byte-wise reference.
//
//     parity-tests [--driver LIBRARY] [--codewords N] [--seed N] [GoogleTest's options]
//
// The same tests run on the simulator, which is the default, and with --driver libcuda.so.1 on a GPU. --codewords is
// how many random codewords the fuzz goes through (64K; a million on a GPU takes half a minute, most of it in the
// reference).
#include "ecc/parity/parity.hpp"
#include "tests/support/damage.hpp"
#include "tests/support/must.hpp"
#include "tests/support/parity_variants.hpp"
#include "vmm/device/simulator_path.hpp"
#include "vmm/keeper/local.hpp"

#include <gtest/gtest.h>

#include <getopt.h>
#include <unistd.h>

namespace gmemfs {
namespace {

using test::BlockMemory;
using test::must;

struct Options {
    std::string library;
    std::uint64_t codewords = 64 * KiB;
    std::uint64_t seed = 1;
};
Options options;

// One device, opened once: a driver can't be closed.
struct Machine {
    Machine()
        : driver(must(Driver::open(options.library))), info(must(DeviceInfo::query(*driver, 0))),
          device(must(Device::open(*driver, info))), keeper(*driver, HandlePolicy::fd), pool(keeper, *device),
          stream(must(Stream::create(*device))) {}
    static Machine &get() {
        static auto *const machine = new Machine; // never destroyed: the driver's threads outlive main
        return *machine;
    }

    void upload(CUdeviceptr to, const void *from, std::size_t size) {
        must(device->check(driver->cuMemcpyHtoDAsync(to, from, size, stream.get()), "upload"));
        wait();
    }
    void download(void *to, CUdeviceptr from, std::size_t size) {
        must(device->check(driver->cuMemcpyDtoHAsync(to, from, size, stream.get()), "download"));
        wait();
    }
    void wait() { must(device->check(driver->cuStreamSynchronize(stream.get()), "wait")); }

    std::unique_ptr<Driver> driver;
    DeviceInfo info;
    std::unique_ptr<Device> device;
    LocalKeeper keeper;
    Pool pool;
    Stream stream;
};

// Blocks on the device, and the same on the host.
template <typename Rows>
class KernelsOnDevice : public ::testing::Test {
protected:
    static constexpr unsigned kRows = Rows::value;
    static constexpr std::uint64_t kBlocks = 48;

    KernelsOnDevice()
        : kernels_(must(
              kRows == kDataRows ? ParityKernels::load(*machine_.device) : test::load_kernels_120(*machine_.device))),
          data_(must(machine_.pool.take(kBlocks * kRows * kRowSize))),
          parity_(must(machine_.pool.take(kBlocks * kBlockParitySize))),
          checksums_(must(machine_.pool.take(kBlocks * sizeof(Checksum)))),
          findings_(must(FindingsBuffer::create(machine_.pool))) {
        // What isn't written must not look right by chance.
        for (const PoolPiece *piece : {&data_, &parity_, &checksums_})
            must(machine_.device->check(
                machine_.driver->cuMemsetD8Async(piece->address(), 0x5a, piece->size(), machine_.stream.get()),
                "fill"));
    }

    ParityKernels::Blocks blocks() const { return {data_.address(), parity_.address(), checksums_.address(), kBlocks}; }
    void upload() {
        machine_.upload(data_.address(), memory_.data(), memory_.data_size());
        machine_.upload(parity_.address(), memory_.parity(), memory_.parity_size());
        machine_.upload(checksums_.address(), memory_.checksums(), kBlocks * sizeof(Checksum));
    }
    BlockMemory download() {
        BlockMemory memory(kRows, kBlocks);
        machine_.download(memory.data(), data_.address(), memory.data_size());
        machine_.download(memory.parity(), parity_.address(), memory.parity_size());
        machine_.download(memory.checksums(), checksums_.address(), kBlocks * sizeof(Checksum));
        return memory;
    }
    // Random data, encoded on the device, and known to the host.
    void encode_random() {
        memory_.fill(random_);
        machine_.upload(data_.address(), memory_.data(), memory_.data_size());
        must(kernels_->encode(machine_.stream.get(), blocks()));
        memory_ = download();
    }
    BlockReport verify() {
        BlockReport report;
        must(findings_.clear(machine_.stream.get(), kBlocks));
        must(kernels_->verify(machine_.stream.get(), blocks(), findings_.address()));
        must(findings_.read(machine_.stream.get(), 0, kBlocks, report));
        return report;
    }
    BlockReport repair() {
        BlockReport report;
        must(findings_.clear(machine_.stream.get(), kBlocks));
        must(kernels_->verify(machine_.stream.get(), blocks(), findings_.address()));
        must(kernels_->repair(machine_.stream.get(), blocks(), findings_.address()));
        must(findings_.read(machine_.stream.get(), 0, kBlocks, report));
        return report;
    }

    Machine &machine_ = Machine::get();
    Random random_{options.seed};
    std::unique_ptr<ParityKernels> kernels_;
    PoolPiece data_, parity_, checksums_;
    FindingsBuffer findings_;
    BlockMemory memory_{kRows, kBlocks};
};

using BothRows = ::testing::Types<std::integral_constant<unsigned, 128>, std::integral_constant<unsigned, 120>>;
TYPED_TEST_SUITE(KernelsOnDevice, BothRows);

// The whole life of random codewords: encoded as the reference does, damaged in up to 4 symbols each, mended.
TYPED_TEST(KernelsOnDevice, RandomCodewordsAreEncodedAndMendedAsByTheReference) {
    constexpr std::uint64_t kPerRound = TestFixture::kBlocks * kCodewordsPerBlock;
    for (std::uint64_t done = 0; done < options.codewords; done += kPerRound) {
        this->encode_random();
        const BlockMemory sent = this->memory_;
        std::uint64_t symbols = 0, codewords = 0;
        for (std::uint64_t block = 0; block < TestFixture::kBlocks; ++block)
            for (unsigned index = 0; index < kCodewordsPerBlock; ++index) {
                test::Word word = this->memory_.codeword(block, index);
                test::Word again = word;
                encode(again.view());
                ASSERT_EQ(word, again) << "seed " << options.seed << ", block " << block << ", codeword " << index;
                const std::size_t count = this->random_.below(5);
                if (count == 0) continue;
                test::damage(word, count, this->random_);
                this->memory_.put(block, index, word);
                ASSERT_EQ(*correct(word.view()), count);
                ASSERT_EQ(word, again);
                symbols += count;
                ++codewords;
            }
        this->upload();
        const BlockReport report = this->repair();
        EXPECT_EQ(report.blocks_wrong, TestFixture::kBlocks);
        EXPECT_EQ(report.codewords_wrong, codewords);
        EXPECT_EQ(report.blocks_mended, TestFixture::kBlocks);
        EXPECT_EQ(report.symbols_mended, symbols);
        EXPECT_TRUE(report.left_wrong.empty());
        EXPECT_EQ(report.faults.size(), kFaultsMax); // the others were counted only
        ASSERT_EQ(this->download(), sent) << "seed " << options.seed << ", codeword " << done;
        EXPECT_TRUE(this->verify().clean());
    }
}

// Blocks in which one codeword has 5 to 8 wrong symbols, and others few: 3 in 1,000 of the first look mendable.
TYPED_TEST(KernelsOnDevice, BlocksWithMoreThanFourWrongSymbolsAreLeftAsTheyAre) {
    std::uint64_t damaged = 0, looked_mendable = 0;
    for (std::uint64_t done = 0; done < options.codewords / 64; done += TestFixture::kBlocks) {
        this->encode_random();
        for (std::uint64_t block = 0; block < TestFixture::kBlocks; ++block) {
            const auto index = static_cast<unsigned>(this->random_.below(kCodewordsPerBlock));
            this->memory_.damage(block, index, 5 + this->random_.below(4), this->random_);
            test::Word word = this->memory_.codeword(block, index);
            if (correct(word.view())) ++looked_mendable;
            this->memory_.damage(block, (index + 1) % kCodewordsPerBlock, 1, this->random_);
        }
        this->upload();
        const BlockReport report = this->repair();
        EXPECT_EQ(report.blocks_wrong, TestFixture::kBlocks);
        EXPECT_EQ(report.blocks_mended, 0U) << "seed " << options.seed;
        ASSERT_EQ(report.left_wrong.size(), TestFixture::kBlocks);
        ASSERT_EQ(this->download(), this->memory_) << "seed " << options.seed;
        for (const BlockReport::Fault &fault : report.faults) EXPECT_EQ(fault.kind, FaultKind::damaged);
        damaged += TestFixture::kBlocks;
    }
    std::printf("  %ju blocks damaged beyond repair, none written; %ju of them a decoder alone would have \"mended\"\n",
        uintmax_t(damaged), uintmax_t(looked_mendable));
}

TYPED_TEST(KernelsOnDevice, EverySymbolsPlaceIsMendedAndTold) {
    constexpr unsigned kSymbols = TestFixture::kRows + kParityRows;
    this->encode_random();
    const BlockMemory sent = this->memory_;
    for (unsigned symbol = 0; symbol < kSymbols; ++symbol)
        this->memory_.turn(7, symbol * 7, symbol, static_cast<Symbol>(1 + this->random_.below(255)));
    this->upload();
    const BlockReport report = this->repair();
    ASSERT_EQ(report.faults.size(), kSymbols);
    std::vector<unsigned> told(kSymbols);
    for (const BlockReport::Fault &fault : report.faults) {
        EXPECT_EQ(fault.block, 7U);
        EXPECT_EQ(fault.codeword, fault.symbol * 7);
        EXPECT_EQ(fault.kind, FaultKind::mended);
        ++told[fault.symbol];
    }
    EXPECT_EQ(told, std::vector<unsigned>(kSymbols, 1));
    EXPECT_EQ(this->download(), sent);
}

TYPED_TEST(KernelsOnDevice, BurstsAreMended) {
    this->encode_random();
    const BlockMemory sent = this->memory_;
    const std::size_t block_size = this->memory_.data_size() / TestFixture::kBlocks;
    for (const std::size_t burst : {1, 32, 500, 3572}) {
        for (std::uint64_t block = 0; block < TestFixture::kBlocks; block += 2) {
            std::uint8_t *const at =
                this->memory_.data() + block * block_size + this->random_.below(block_size - burst + 1);
            for (std::size_t i = 0; i < burst; ++i) at[i] ^= static_cast<std::uint8_t>(1 + this->random_.below(255));
        }
        this->upload();
        const BlockReport report = this->repair();
        EXPECT_EQ(report.blocks_mended, TestFixture::kBlocks / 2) << burst;
        ASSERT_EQ(this->download(), sent) << burst;
        this->memory_ = sent;
    }
}

TYPED_TEST(KernelsOnDevice, ParityAndChecksumsAreWrittenAnew) {
    this->encode_random();
    const BlockMemory sent = this->memory_;
    for (std::size_t i = 0; i < kBlockParitySize; ++i) this->memory_.parity()[i] ^= std::uint8_t(this->random_.next());
    this->memory_.checksums()[9].half[0] ^= 1;
    this->upload();
    const BlockReport report = this->repair();
    EXPECT_EQ(report.blocks_mended, 2U);
    EXPECT_EQ(report.checksums_mended, 1U);
    EXPECT_EQ(this->download(), sent);
}

// ---- the engine
// ------------------------------------------------------------------------------------------------------

class ParityOnDevice : public ::testing::Test {
protected:
    ParityOnDevice()
        : extent_(must(Extent::create(machine_.keeper, *machine_.device, 4 * MiB))),
          kernels_(must(ParityKernels::load(*machine_.device))), before_(machine_.pool.held()),
          parity_(must(Parity::create(*kernels_, machine_.pool, {extent_.get(), 0, extent_->size()}))),
          findings_(must(FindingsBuffer::create(machine_.pool))) {}
    CUstream stream() { return machine_.stream.get(); }
    void fill(std::uint64_t block, std::uint64_t count, std::uint8_t byte) {
        must(machine_.device->check(machine_.driver->cuMemsetD8Async(
                                        extent_->address() + block * kBlockSize, byte, count * kBlockSize, stream()),
            "fill"));
    }
    void turn_bit(CUdeviceptr address) {
        std::uint8_t byte = 0;
        machine_.download(&byte, address, 1);
        byte ^= 0x10;
        machine_.upload(address, &byte, 1);
    }

    Machine &machine_ = Machine::get();
    std::shared_ptr<Extent> extent_;
    std::unique_ptr<ParityKernels> kernels_;
    const std::uint64_t before_;
    std::unique_ptr<Parity> parity_;
    FindingsBuffer findings_;
};

TEST_F(ParityOnDevice, HasABlockForEvery128KiBAndCostsASixteenth) {
    EXPECT_EQ(parity_->block_count(), 32U);
    EXPECT_EQ(Parity::size_of(4 * MiB), 256 * KiB);
    EXPECT_EQ(before_, 0U);
    EXPECT_EQ(machine_.pool.held(), 2 * MiB); // the granule that the pieces were cut from
}

TEST_F(ParityOnDevice, ClearedParityFitsZeros) {
    fill(0, 32, 0);
    must(parity_->clear(stream(), 0, 32));
    const BlockReport report = must(parity_->check(ParityMode::verify, stream(), findings_, 0, 32));
    EXPECT_TRUE(report.clean());
    EXPECT_EQ(report.blocks, 32U);
}

TEST_F(ParityOnDevice, RangesTouchNoOtherBlock) {
    fill(0, 32, 0x11);
    must(parity_->encode(stream(), 0, 32));
    fill(4, 5, 0xee); // every bit turned
    const BlockReport all = must(parity_->check(ParityMode::verify, stream(), findings_, 0, 32));
    EXPECT_EQ(all.left_wrong, (std::vector<std::uint64_t>{4, 5, 6, 7, 8}));
    EXPECT_EQ(all.codewords_wrong, 5U * kCodewordsPerBlock);
    const BlockReport some = must(parity_->check(ParityMode::verify, stream(), findings_, 7, 10));
    EXPECT_EQ(some.left_wrong, (std::vector<std::uint64_t>{7, 8}));
    must(parity_->encode(stream(), 4, 4));
    EXPECT_EQ(must(parity_->check(ParityMode::verify, stream(), findings_, 0, 32)).left_wrong,
        (std::vector<std::uint64_t>{8}));
}

TEST_F(ParityOnDevice, RepairNumbersBlocksFromTheExtentsFirst) {
    fill(0, 32, 0x33);
    must(parity_->encode(stream(), 0, 32));
    turn_bit(extent_->address() + 21 * kBlockSize + std::uint64_t(5) * kRowSize);
    turn_bit(parity_->blocks(30, 1).parity + 3);
    const BlockReport report = must(parity_->check(ParityMode::repair, stream(), findings_, 20, 12));
    ASSERT_EQ(report.faults.size(), 2U);
    const auto &data = report.faults[report.faults[0].block == 21 ? 0 : 1];
    const auto &parity = report.faults[report.faults[0].block == 21 ? 1 : 0];
    EXPECT_EQ(data.block, 21U);
    EXPECT_EQ(data.symbol, 5U);
    EXPECT_EQ(data.codeword, symbol_bit(0, 4).codeword);
    EXPECT_EQ(parity.block, 30U);
    EXPECT_EQ(parity.symbol, 128U);
    EXPECT_EQ(parity.codeword, symbol_bit(3, 4).codeword);
    EXPECT_TRUE(must(parity_->check(ParityMode::verify, stream(), findings_, 0, 32)).clean());
}

TEST_F(ParityOnDevice, VerifyWritesNothing) {
    fill(0, 32, 0x44);
    must(parity_->encode(stream(), 0, 32));
    turn_bit(extent_->address() + 77);
    EXPECT_EQ(must(parity_->check(ParityMode::verify, stream(), findings_, 0, 32)).blocks_wrong, 1U);
    EXPECT_EQ(must(parity_->check(ParityMode::verify, stream(), findings_, 0, 32)).blocks_wrong, 1U);
}

TEST(Pool, GivesMemoryBackWhenItsPiecesAreGone) {
    Machine &machine = Machine::get();
    Pool pool(machine.keeper, *machine.device);
    {
        const PoolPiece small = must(pool.take(1));
        std::unique_ptr<PoolPiece> first = std::make_unique<PoolPiece>(must(pool.take(1 * MiB)));
        const PoolPiece second = must(pool.take(512 * KiB));
        EXPECT_EQ(pool.held(), 2 * MiB);
        EXPECT_EQ(second.address() % 256, 0U);
        const CUdeviceptr address = first->address();
        first.reset();
        EXPECT_EQ(must(pool.take(1 * MiB)).address(), address); // the hole that it left
        const PoolPiece large = must(pool.take(3 * MiB));
        EXPECT_EQ(pool.held(), 6 * MiB);
        const PoolPiece beside = must(pool.take(1 * MiB)); // first fit: in the old hole
        EXPECT_EQ(beside.address(), address);
    }
    EXPECT_EQ(pool.held(), 0U);
}

int run(int argc, char **argv) {
    ::testing::InitGoogleTest(&argc, argv);
    constexpr option kOptions[] = {{"driver", required_argument, nullptr, 'd'},
        {"codewords", required_argument, nullptr, 'c'}, {"seed", required_argument, nullptr, 's'}, {}};
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == 'd')
            options.library = optarg;
        else if (key == 'c')
            options.codewords = std::strtoull(optarg, nullptr, 0);
        else if (key == 's')
            options.seed = std::strtoull(optarg, nullptr, 0);
        else
            return 2;
    }
    if (options.library.empty()) {
        ::setenv("GMEMFS_SIM_MACHINE", ("parity-" + std::to_string(::getpid())).c_str(), 1);
        ::setenv("GMEMFS_SIM_DEVICES", "256M", 1);
        options.library = simulator_path();
    }
    return RUN_ALL_TESTS();
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
