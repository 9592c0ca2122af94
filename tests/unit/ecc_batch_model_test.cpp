// The model of batches: what it predicts, its file, and how a ring chooses by it.
#include "ecc/batch/ring.hpp"

#include "ecc/pack/crc32c.hpp"
#include "tests/support/simulation.hpp"
#include "vmm/device/simulator_path.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>
#include <sstream>
#include <unistd.h>

namespace gmemfs {
namespace {

using test::code_of;
using test::must;

constexpr CostKind kPack4K = {Direction::pack, Algorithm::lz4, PageMemory::host, Backend::cpu, 4096};

CostModel example() {
    CostModel model;
    model.add(kPack4K, {1, 100});
    model.add(kPack4K, {1001, 10'100});
    model.add(kPack4K, {2001, 40'100});
    return model;
}

TEST(CostModel, IsAStraightLineBetweenPointsAndBeyondThem) {
    const CostModel model = example();
    EXPECT_DOUBLE_EQ(*model.predict(kPack4K, 1), 100);
    EXPECT_DOUBLE_EQ(*model.predict(kPack4K, 501), 5'100);
    EXPECT_DOUBLE_EQ(*model.predict(kPack4K, 1501), 25'100);
    EXPECT_DOUBLE_EQ(*model.predict(kPack4K, 3001), 70'100);
    CostKind other = kPack4K;
    other.backend = Backend::gpu;
    EXPECT_FALSE(model.predict(other, 1));
}

TEST(CostModel, BetweenTwoPageSizesAsManyBytesCount) {
    CostModel model;
    CostKind kind = kPack4K;
    model.add(kind, {1, 4096});
    model.add(kind, {1024, std::uint64_t{4096} * 1024}); // a nanosecond a byte
    kind.page_size = 65536;
    model.add(kind, {1, std::uint64_t{3} * 65536});
    model.add(kind, {64, std::uint64_t{3} * 65536 * 64}); // three
    kind.page_size = 16384;
    EXPECT_NEAR(*model.predict(kind, 100), 2.0 * 16384 * 100, 1);
    kind.page_size = 131072;
    EXPECT_FALSE(model.predict(kind, 100)); // nobody measured beyond
    kind.page_size = 2048;
    EXPECT_FALSE(model.predict(kind, 100));
}

TEST(CostModel, ALaterPointOfOneCountReplacesTheEarlierOne) {
    CostModel model = example();
    model.add(kPack4K, {1001, 500});
    EXPECT_DOUBLE_EQ(*model.predict(kPack4K, 1001), 500);
    EXPECT_GE(*model.predict(kPack4K, 1'000'000), 500);
}

TEST(CostModel, FewerPagesNeverTakeLonger) {
    CostModel model;
    model.add(kPack4K, {1000, 5'000});
    model.add(kPack4K, {10, 9'000}); // disturbed
    EXPECT_DOUBLE_EQ(*model.predict(kPack4K, 10), 5'000);
    model.add(kPack4K, {2000, 3'000}); // so the one before was
    EXPECT_DOUBLE_EQ(*model.predict(kPack4K, 1000), 3'000);
    EXPECT_DOUBLE_EQ(*model.predict(kPack4K, 1), 3'000);
    EXPECT_DOUBLE_EQ(*model.predict(kPack4K, 9000), 3'000);
}

TEST(CostModel, ItsTextComesBackAndDamageIsRefused) {
    const std::string text = format_model(example(), "one machine");
    EXPECT_EQ(must(parse_model(text, "one machine")), example());
    EXPECT_EQ(code_of(parse_model(text, "another")), ESTALE);
    for (std::size_t place = 0; place < text.size(); ++place) {
        std::string changed = text;
        changed[place] ^= 1;
        EXPECT_EQ(code_of(parse_model(changed, "one machine")), EBADMSG) << place;
        EXPECT_FALSE(parse_model(text.substr(0, place), "one machine")) << place;
    }
}

std::string with_checksum(const std::string &body) {
    std::array<char, 32> line = {};
    std::snprintf(line.data(), line.size(), "checksum %08x\n", crc32c(std::as_bytes(std::span(body))));
    return body + line.data();
}

TEST(CostModel, AnotherVersionAndOddLinesAreRefused) {
    const std::string head = "gmemfs batch model 1\nmachine m\n";
    EXPECT_EQ(must(parse_model(with_checksum(head), "m")), CostModel());
    EXPECT_EQ(must(parse_model(with_checksum(head + "pack lz4 host cpu 4096 1 5\n"), "m")).curves().size(), 1U);
    EXPECT_EQ(code_of(parse_model(with_checksum("gmemfs batch model 2\nmachine m\n"), "m")), EBADMSG);
    for (const char *const line :
        {"pack lz4 host cpu 4096 0 5\n", "pack lz4 host cpu 0 1 5\n", "pack lz4 host cpu 4096 1 0\n",
            "pack lz4 host auto 4096 1 5\n", "fold lz4 host cpu 4096 1 5\n", "pack lz4 host cpu 4096 1 5 6\n",
            "pack lz4 host cpu 4096 1\n", "pack lz4 host cpu 4096 1 -5\n", "pack lz4 host cpu 4294967296 1 5\n", "\n"})
        EXPECT_EQ(code_of(parse_model(with_checksum(head + line), "m")), EBADMSG) << line;
}

class ChosenBackend : public test::OnSimulation {
protected:
    ChosenBackend() {
        settings_.threads = 2;
        settings_.limits.staging = 4 * MiB;
        settings_.device.driver = simulator_path();
        settings_.device.nvcomp = {simulator_path().substr(0, simulator_path().rfind('/')) + "/libnvcomp.so.6"};
        settings_.model = folder_ + "/cache/gmemfs/model";
        machine_ = describe_machine(*must(BatchDevice::open(settings_.device)), settings_.threads);
    }
    ~ChosenBackend() override {
        for (const char *const name : {"/cache/gmemfs/model", "/cache/gmemfs", "/cache", ""})
            ::remove((folder_ + name).c_str());
    }
    // The GPU takes `gpu_ns` for 1000 pages, the processors 1 ms.
    void keep_model(std::uint64_t gpu_ns) {
        CostModel model;
        CostKind kind = kPack4K;
        model.add(kind, {1000, 1'000'000});
        kind.backend = Backend::gpu;
        model.add(kind, {1000, gpu_ns});
        must(write_model(*settings_.model, model, machine_));
    }
    BatchReport pack(Algorithm algorithm, std::uint64_t page_count) {
        const auto ring = must(BatchRing::create(settings_));
        return pack_on(*ring, algorithm, page_count);
    }
    static BatchReport pack_on(BatchRing &ring, Algorithm algorithm, std::uint64_t page_count) {
        std::vector<std::byte> pages(4096 * page_count), packed(packed_bound(algorithm, 4096) * page_count);
        std::vector<std::uint32_t> sizes(page_count), checksums(page_count);
        fill_with_pages(pages, 1);
        BatchWork work;
        work.algorithm = algorithm;
        work.page_size = 4096;
        work.page_count = page_count;
        work.pages = reinterpret_cast<std::uint64_t>(pages.data());
        work.packed = packed.data();
        work.packed_size = packed.size();
        work.sizes = sizes.data();
        work.checksums = checksums.data();
        return must(ring.collect(must(ring.submit(work)), -1));
    }

    const std::string folder_ = [] {
        std::string name = "/tmp/gmemfs-model.XXXXXX";
        return std::string(::mkdtemp(name.data()));
    }();
    RingSettings settings_;
    std::string machine_;
};

TEST_F(ChosenBackend, IsTheSoonerOneOfTheModel) {
    for (const std::uint64_t gpu_ns : {900'000U, 1'100'000U}) {
        keep_model(gpu_ns);
        const BatchReport report = pack(Algorithm::lz4, 500);
        EXPECT_EQ(report.backend, gpu_ns < 1'000'000 ? Backend::gpu : Backend::cpu);
        EXPECT_EQ(report.choice, Choice::model);
        EXPECT_EQ(report.predicted_ns, std::min<std::uint64_t>(gpu_ns, 1'000'000)); // before the first point: its own
        EXPECT_EQ(report.measuring_ns, 0U);
    }
}

TEST_F(ChosenBackend, IsMeasuredOnceARingWhereNoModelKnows) {
    keep_model(1);
    const auto ring = must(BatchRing::create(settings_));
    const BatchReport first = pack_on(*ring, Algorithm::zstd, 50), second = pack_on(*ring, Algorithm::zstd, 50);
    EXPECT_EQ(first.choice, Choice::measured);
    EXPECT_GT(first.measuring_ns, 0U);
    EXPECT_GT(first.predicted_ns, 0U);
    EXPECT_EQ(second.choice, Choice::measured);
    EXPECT_EQ(second.measuring_ns, 0U);
    std::ifstream file(*settings_.model);
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_EQ(text.str().find("zstd host"), std::string::npos); // nothing is kept secretly
}

TEST_F(ChosenBackend, IgnoresAModelThatIsDamagedOrOfAnotherMachine) {
    keep_model(1);
    EXPECT_EQ(pack(Algorithm::lz4, 10).choice, Choice::model);
    settings_.threads = 3; // another number of threads is another machine
    EXPECT_EQ(pack(Algorithm::lz4, 10).choice, Choice::measured);
    settings_.threads = 2;
    std::ofstream(*settings_.model, std::ios::app) << "x";
    EXPECT_EQ(pack(Algorithm::lz4, 10).choice, Choice::measured);
}

TEST_F(ChosenBackend, ReadsTheFileThatWasWrittenInTheOldOnesPlace) {
    keep_model(1);
    keep_model(2);
    const CostModel model = must(read_model(*settings_.model, machine_));
    EXPECT_EQ(model.curves().size(), 2U);
    EXPECT_EQ(code_of(read_model(folder_ + "/none", machine_)), ENOENT);
    EXPECT_NE(code_of(write_model("/proc/none/model", model, machine_)), 0);
}

} // namespace
} // namespace gmemfs
