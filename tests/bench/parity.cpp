// Parity: what the kernels reach beside a pure read of the memory, and beside the device's own copy, in one run.
//
//     parity [--driver LIBRARY] [--size BYTES] [--rounds N] [--kernels FATBIN]       prints a table, then JSON
//
// Times are those of events on the device; a round runs each case once, so that all see the same clocks; the medians of
// N rounds (9) after one to warm up. GB/s are 10^9 bytes a second of all bytes that the case has to move: an encode of
// 8 GiB reads 8 GiB and writes 0.5. Its share is of the pure read of as many bytes. The data are random. --kernels
// takes another build of ecc/parity/kernels/parity.cu (nvcc -fatbin), to compare.
#include "ecc/parity/parity.hpp"
#include "ecc/parity/twins.hpp"
#include "tests/bench/device_rates.hpp"
#include "tests/support/parity_variants.hpp"
#include "vmm/base/random.hpp"
#include "vmm/base/units.hpp"
#include "vmm/keeper/local.hpp"

#include <fstream>
#include <getopt.h>
#include <iterator>
#include <string>
#include <vector>

namespace gmemfs {
namespace {

using test::Case;
using test::Stopwatch;

constexpr std::uint64_t kRandomSize = 64 * MiB; // larger than any L2
constexpr std::uint64_t kBlockSize120 = std::uint64_t(120) * kRowSize;
constexpr unsigned kReadThreads = 256;
constexpr unsigned kReadBlocks = 132 * 16;

struct Options {
    std::string library = "libcuda.so.1";
    std::string kernels;
    std::uint64_t size = 8 * GiB;
    unsigned rounds = 9;
};

Result<std::unique_ptr<ParityKernels>> load_kernels(Device &device, const std::string &file) {
    if (file.empty()) return ParityKernels::load(device);
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return Error{ENOENT, 0, "open kernels"};
    const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
    static constexpr auto kTwins = ParityTwins<kDataRows>::make("parity_encode", "parity_verify", "parity_repair");
    return ParityKernels::load(device, {{reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size()}, kTwins});
}

class Bench {
public:
    static Result<void> run(const Options &options) {
        const auto driver = TRY(Driver::open(options.library));
        const DeviceInfo info = TRY(DeviceInfo::query(*driver, 0));
        const auto device = TRY(Device::open(*driver, info));
        LocalKeeper keeper(*driver, HandlePolicy::fd);
        Pool pool(keeper, *device);
        const auto data = TRY(Extent::create(keeper, *device, options.size));
        const auto target = TRY(Extent::create(keeper, *device, options.size));
        const auto kernels = TRY(load_kernels(*device, options.kernels));
        const auto parity = TRY(Parity::create(*kernels, pool, {data.get(), 0, data->size()}));
        Bench bench(options, *device, *kernels, data->address(), target->address());
        bench.blocks_ = parity->blocks(0, parity->block_count());
        TRY(bench.prepare(pool));
        TRY(bench.add_cases(pool));
        TRY(measure(bench.cases_, *device, bench.stream(), options.rounds));
        bench.print();
        return {};
    }

private:
    Bench(const Options &options, Device &device, const ParityKernels &kernels, CUdeviceptr data, CUdeviceptr target)
        : options_(options), device_(device), driver_(device.driver()), kernels_(kernels), data_(data),
          target_(target) {}

    CUstream stream() const { return stream_->get(); }
    Result<void> wait() { return device_.check(driver_.cuStreamSynchronize(stream()), "wait"); }

    Result<void> prepare(Pool &pool) {
        TRY(device_.make_current());
        stream_.emplace(TRY(Stream::create(device_)));
        findings_.emplace(TRY(FindingsBuffer::create(pool)));
        sums_.emplace(TRY(pool.take(std::uint64_t(kReadBlocks) * kReadThreads * sizeof(std::uint32_t))));
        return fill();
    }

    // Random data, one chunk over and over, of which each begins with a number of its own: so the XOR of all words, by
    // which the pure read is checked, needs each chunk.
    Result<void> fill() {
        const std::uint64_t chunk = options_.size % kRandomSize == 0 ? kRandomSize : 2 * MiB;
        const PinnedBuffer pinned = TRY(PinnedBuffer::create(device_, chunk));
        const std::span words(reinterpret_cast<std::uint32_t *>(pinned.bytes().data()), chunk / 4);
        for (std::uint32_t &word : words) word = static_cast<std::uint32_t>(random_.next());
        for (std::uint64_t offset = 0; offset < options_.size; offset += chunk) {
            words[0] = static_cast<std::uint32_t>(random_.next());
            expected_ ^= words[0];
            TRY(device_.check(
                driver_.cuMemcpyHtoDAsync(data_ + offset, pinned.bytes().data(), chunk, stream()), "fill"));
            TRY(wait());
        }
        if (options_.size / chunk % 2 == 1)
            for (const std::uint32_t word : words.subspan(1)) expected_ ^= word;
        return {};
    }

    Result<void> add_cases(Pool &pool) {
        const std::uint64_t size = options_.size;
        const std::uint64_t with_parity = size + size / kBlockSize * (kBlockParitySize + sizeof(Checksum));
        read_module_.emplace(TRY(test::load_read_all(device_)));
        read_all_ = TRY(read_module_->function("read_all"));
        kernels_120_ = TRY(test::load_kernels_120(device_));
        const std::uint64_t count_120 = size / kBlockSize120;
        parity_120_.emplace(TRY(pool.take(count_120 * kBlockParitySize)));
        checksums_120_.emplace(TRY(pool.take(count_120 * sizeof(Checksum))));
        const ParityKernels::Blocks blocks_120 = {data_, parity_120_->address(), checksums_120_->address(), count_120};
        const std::uint64_t bytes_120 = count_120 * (kBlockSize120 + kBlockParitySize + sizeof(Checksum));
        ParityKernels::Blocks mebibyte = blocks_, one = blocks_;
        mebibyte.count = std::min<std::uint64_t>(MiB / kBlockSize, blocks_.count);
        one.count = 1;

        cases_.push_back({"pure read", size, [this] { return read_all(); }, [] { return Result<void>(); },
            [this] { return check_read(); }});
        cases_.push_back({"device-to-device copy", 2 * size,
            [=, this] { return device_.check(driver_.cuMemcpyDtoDAsync(target_, data_, size, stream()), "copy"); }});
        cases_.push_back({"encode", with_parity, [this] { return kernels_.encode(stream(), blocks_); }});
        cases_.push_back({"verify", with_parity, [this] { return verify(kernels_, blocks_); },
            [this] { return clear_findings(); }, [this] { return expect_wrong(0); }});
        cases_.push_back({"verify and repair, 1 % with a wrong byte", with_parity, [this] { return repair(); },
            [this] { return damage(1); }, [this] { return expect_repaired(); }});
        cases_.push_back({"verify and repair, 1 % with a burst of 32", with_parity, [this] { return repair(); },
            [this] { return damage(32); }, [this] { return expect_repaired(); }});
        cases_.push_back(
            {"RS(128,120) encode", bytes_120, [=, this] { return kernels_120_->encode(stream(), blocks_120); }});
        cases_.push_back({"RS(128,120) verify", bytes_120, [=, this] { return verify(*kernels_120_, blocks_120); },
            [this] { return clear_findings(); }, [this] { return expect_wrong(0); }});
        // What went before has pushed all of the beginning out of the L2 cache; the second time it is there.
        for (const char *const name : {"encode 1 MiB", "encode 1 MiB, from the L2 cache"})
            cases_.push_back({name, 0, [=, this] { return kernels_.encode(stream(), mebibyte); }});
        cases_.push_back(
            {"encode 128 KiB, from the L2 cache", 0, [=, this] { return kernels_.encode(stream(), one); }});
        cases_.push_back({"verify 1 MiB, from the L2 cache", 0, [=, this] { return verify(kernels_, mebibyte); },
            [this] { return clear_findings(); }, [this] { return expect_wrong(0); }});
        return {};
    }

    Result<void> read_all() {
        CUdeviceptr from = data_, sums = sums_->address();
        std::uint64_t quads = options_.size / 16;
        void *arguments[] = {&from, &quads, &sums};
        return device_.check(
            driver_.cuLaunchKernel(read_all_, kReadBlocks, 1, 1, kReadThreads, 1, 1, 0, stream(), arguments, nullptr),
            "launch read_all");
    }
    // The XOR of all words, against the same on the host: proof that every byte was read.
    Result<void> check_read() {
        std::vector<std::uint32_t> sums(std::size_t(kReadBlocks) * kReadThreads);
        TRY(device_.check(
            driver_.cuMemcpyDtoHAsync(sums.data(), sums_->address(), sums.size() * 4, stream()), "read sums"));
        TRY(wait());
        std::uint32_t sum = 0;
        for (const std::uint32_t part : sums) sum ^= part;
        if (sum != expected_) return Error{EIO, 0, "check the pure read: its sum is wrong"};
        return {};
    }

    Result<void> clear_findings() { return findings_->clear(stream(), kBlocksPerPass); }
    Result<void> verify(const ParityKernels &kernels, ParityKernels::Blocks blocks) {
        GMEMFS_ASSERT(blocks.count <= kBlocksPerPass);
        return kernels.verify(stream(), blocks, findings_->address());
    }
    Result<void> repair() {
        TRY(verify(kernels_, blocks_));
        return kernels_.repair(stream(), blocks_, findings_->address());
    }
    // Makes `length` bytes wrong in each 100th block, somewhere in its data.
    Result<void> damage(std::uint64_t length) {
        damaged_ = 0;
        for (std::uint64_t block = random_.below(100) % blocks_.count; block < blocks_.count;
             block += 100, ++damaged_) {
            const CUdeviceptr at = data_ + block * kBlockSize + random_.below(kBlockSize / length) * length;
            TRY(device_.check(
                driver_.cuMemsetD8Async(at, static_cast<unsigned char>(random_.next()), length, stream()), "damage"));
        }
        return clear_findings();
    }
    Result<void> expect_wrong(std::uint64_t wanted) {
        BlockReport report;
        TRY(findings_->read(stream(), 0, blocks_.count, report));
        if (report.blocks_wrong != wanted) return Error{EIO, 0, "verify: blocks are wrong"};
        return {};
    }
    Result<void> expect_repaired() {
        BlockReport report;
        TRY(findings_->read(stream(), 0, blocks_.count, report));
        mended_ = report.blocks_mended;
        // A byte that was overwritten by its own value isn't wrong: one in 256.
        if (!report.left_wrong.empty() || report.blocks_mended > damaged_ || report.blocks_mended * 8 < damaged_ * 7)
            return Error{EIO, 0, "repair: blocks weren't mended"};
        return {};
    }

    void print() {
        const double read = cases_[0].rate(), copy = cases_[1].rate();
        std::printf("%s, %s, medians of %u rounds\n", device_.info().name.c_str(), format_size(options_.size).c_str(),
            options_.rounds);
        std::printf("%-42s %10s %10s %10s %10s\n", "", "ms", "GB/s", "of read", "of copy");
        std::string json;
        for (Case &each : cases_) {
            if (each.bytes != 0)
                std::printf("%-42s %10.3f %10.1f %10.3f %10.3f\n", each.name.c_str(), each.median_ms(), each.rate(),
                    each.rate() / read, each.rate() / copy);
            else
                std::printf("%-42s %10.4f\n", each.name.c_str(), each.median_ms());
            json += (json.empty() ? "" : ", ") + ("\"" + each.name + "\": {\"ms\": ") +
                    std::to_string(each.median_ms()) + ", \"bytes\": " + std::to_string(each.bytes) + "}";
        }
        std::printf("of %ju damaged blocks %ju were mended in the last round, the others not wrong\n",
            uintmax_t(damaged_), uintmax_t(mended_));
        std::printf("{\"device\": \"%s\", \"size\": %ju, \"rounds\": %u, \"cases\": {%s}}\n",
            device_.info().name.c_str(), uintmax_t(options_.size), options_.rounds, json.c_str());
    }

    const Options &options_;
    Device &device_;
    const Driver &driver_;
    const ParityKernels &kernels_;
    const CUdeviceptr data_, target_;
    ParityKernels::Blocks blocks_{};
    std::optional<Stream> stream_;
    std::optional<FindingsBuffer> findings_;
    std::optional<PoolPiece> sums_, parity_120_, checksums_120_;
    std::unique_ptr<ParityKernels> kernels_120_;
    std::optional<Module> read_module_;
    CUfunction read_all_ = nullptr;
    Random random_{1};
    std::uint32_t expected_ = 0;
    std::uint64_t damaged_ = 0, mended_ = 0;
    std::vector<Case> cases_;
};

int usage_error() {
    std::fputs("usage: parity [--driver LIBRARY] [--size BYTES] [--rounds N] [--kernels FATBIN]\n", stderr);
    return 2;
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {{"driver", required_argument, nullptr, 'd'},
        {"kernels", required_argument, nullptr, 'k'}, {"size", required_argument, nullptr, 's'},
        {"rounds", required_argument, nullptr, 'r'}, {}};
    Options options;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == 'd') {
            options.library = optarg;
        } else if (key == 'k') {
            options.kernels = optarg;
        } else if (key == 'r') {
            options.rounds = static_cast<unsigned>(std::strtoul(optarg, nullptr, 10));
        } else if (key == 's') {
            const Result<std::uint64_t> size = parse_size(optarg);
            if (!size) return usage_error();
            options.size = *size;
        } else {
            return usage_error();
        }
    }
    const bool fits = options.size % (2 * MiB) == 0 && options.size / kBlockSize120 <= kBlocksPerPass;
    if (optind != argc || options.rounds == 0 || options.size == 0 || !fits) return usage_error();
    const Result<void> result = Bench::run(options);
    if (result) return 0;
    std::fprintf(stderr, "parity: %s\n", result.error().text().c_str());
    return 1;
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
