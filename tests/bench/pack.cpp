// Pack: what packing and waking reach beside a pure read of the memory, and beside the device's own copy, in one run.
//
//     pack [--driver LIBRARY] [--size BYTES] [--rounds N] [--data KIND] [--kernels FATBIN]
//
// Prints a table a kind of data, each followed by a line of JSON.//
// KIND is bf16 or fp32 (weights: values with a normal distribution of deviation 0.02) or random; all three where none
// is named. Times are those of events on the device; a round runs each case once, so that all see the same clocks; the
// medians of N rounds (9) after one to warm up. GB/s are 10^9 plain bytes a second; "moved" are all bytes that the case
// has to read and to write. Whole pack is Packer::plan and encode, with the checksums and the comparison; whole wake is
// open and decode, with the checksums: both as the host sees them, into memory that is there. --kernels takes another
// build of ecc/pack/kernels/pack.cu (nvcc -fatbin) for all but the whole pack and wake, to compare.
#include "ecc/pack/packer.hpp"
#include "tests/bench/device_rates.hpp"
#include "tests/support/pack_reference.hpp"
#include "tests/support/parity_variants.hpp"
#include "vmm/base/random.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/staging.hpp"
#include "vmm/keeper/local.hpp"

#include <cstring>
#include <fstream>
#include <getopt.h>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace gmemfs {
namespace {

using test::Case;
using test::Stopwatch;

constexpr std::uint64_t kRandomSize = 64 * MiB; // larger than any L2
constexpr std::uint64_t kWindow = 2 * MiB;      // what a read decodes
constexpr unsigned kReadThreads = 256;
constexpr unsigned kReadBlocks = 132 * 16;

struct Options {
    std::string library = "libcuda.so.1";
    std::string data;
    std::string kernels;
    std::uint64_t size = 8 * GiB;
    unsigned rounds = 9;
};

struct Machine {
    Device &device;
    Packer &packer;
    const PackKernels &kernels;
    Slice plain, target, image; ///< target: as large as plain
    CUfunction read_all;
    CUdeviceptr sums, findings, entries;
    CUstream stream;
};

class Bench {
public:
    Bench(const Options &options, const Machine &machine, std::string data)
        : options_(options), machine_(machine), driver_(machine.device.driver()), data_(std::move(data)) {}

    Result<void> run() {
        TRY(fill());
        plan_ = TRY(machine_.packer.plan({&machine_.plain, 1}, options_.size, PackBy::own));
        if (plan_.image_size > machine_.image.length) return Error{ENOSPC, 0, "pack: the image doesn't fit"};
        TRY(machine_.packer.encode(plan_, {&machine_.plain, 1}, {&machine_.image, 1}));
        table_ = TRY(machine_.packer.open({&machine_.image, 1}));
        TRY(machine_.device.check(driver_.cuMemcpyHtoDAsync(machine_.entries, table_.entries.data(),
                                      table_.entries.size() * sizeof(ImageEntry), machine_.stream),
            "upload table"));
        TRY(wait());
        add_kernels();
        add_whole();
        TRY(measure(cases_, machine_.device, machine_.stream, options_.rounds));
        print();
        return {};
    }

private:
    Result<void> wait() { return machine_.device.check(driver_.cuStreamSynchronize(machine_.stream), "wait"); }
    static CUdeviceptr address(const Slice &slice) { return slice.extent->address() + slice.offset; }

    test::Bytes make(std::uint64_t size) {
        if (data_ == "bf16") return test::normal_bf16(random_, size, 0.02);
        if (data_ == "fp32") return test::normal_fp32(random_, size, 0.02);
        test::Bytes bytes(size);
        for (std::uint64_t at = 0; at < size; at += 8) {
            const std::uint64_t word = random_.next();
            std::memcpy(&bytes[at], &word, sizeof word);
        }
        return bytes;
    }
    // One piece over and over, of which each begins with a number of its own.
    Result<void> fill() {
        const std::uint64_t size = std::min(options_.size, kRandomSize);
        const PinnedBuffer pinned = TRY(PinnedBuffer::create(machine_.device, size));
        const test::Bytes bytes = make(size);
        std::memcpy(pinned.bytes().data(), bytes.data(), size);
        for (std::uint64_t offset = 0; offset < options_.size; offset += size) {
            std::memcpy(pinned.bytes().data(), &offset, sizeof offset);
            TRY(machine_.device.check(driver_.cuMemcpyHtoDAsync(address(machine_.plain) + offset, pinned.bytes().data(),
                                          std::min(size, options_.size - offset), machine_.stream),
                "fill"));
            TRY(wait());
        }
        return {};
    }

    PackKernels::Chunks chunks(const Slice &plain) const {
        return {address(plain), address(machine_.image), machine_.entries, 0, table_.entries.size()};
    }
    Result<void> clear_findings() {
        return machine_.device.check(
            driver_.cuMemsetD8Async(machine_.findings, 0xff, sizeof(PackFindings), machine_.stream), "clear findings");
    }
    Result<void> expect_nothing() {
        PackFindings found{};
        TRY(machine_.device.check(
            driver_.cuMemcpyDtoHAsync(&found, machine_.findings, sizeof found, machine_.stream), "read findings"));
        TRY(wait());
        if (found.checksum_wrong != PackFindings::kNoChunk) return Error{EIO, 0, "check: a checksum is wrong"};
        if (found.malformed != PackFindings::kNoChunk) return Error{EIO, 0, "decode: a chunk is malformed"};
        if (found.different != PackFindings::kNoChunk) return Error{EIO, 0, "compare: a chunk is different"};
        return {};
    }
    // The target must be what was packed; and it is overwritten before each decode.
    Result<void> expect_decoded() {
        TRY(machine_.kernels.compare(machine_.stream, chunks(machine_.target), machine_.findings));
        return expect_nothing();
    }
    Result<void> spoil_target() {
        TRY(machine_.device.check(
            driver_.cuMemsetD8Async(address(machine_.target), 0x5a, options_.size, machine_.stream), "spoil"));
        return clear_findings();
    }
    Result<void> read_all() {
        CUdeviceptr from = address(machine_.plain), sums = machine_.sums;
        std::uint64_t quads = options_.size / 16;
        void *arguments[] = {&from, &quads, &sums};
        return machine_.device.check(driver_.cuLaunchKernel(machine_.read_all, kReadBlocks, 1, 1, kReadThreads, 1, 1, 0,
                                         machine_.stream, arguments, nullptr),
            "launch read_all");
    }

    void add_kernels() {
        const std::uint64_t size = options_.size;
        std::uint64_t packed = 0;
        for (const ImageEntry &entry : table_.entries) packed += entry.length();
        const PackKernels &kernels = machine_.kernels;
        const CUstream stream = machine_.stream;
        const CUdeviceptr findings = machine_.findings;
        const auto nothing = [] { return Result<void>(); };
        cases_.push_back({"pure read", size, [this] { return read_all(); }});
        cases_.push_back({"device-to-device copy", 2 * size, [=, this] {
                              return machine_.device.check(driver_.cuMemcpyDtoDAsync(address(machine_.target),
                                                               address(machine_.plain), options_.size, stream),
                                  "copy");
                          }});
        // Its entries have no places: into memory of their own, behind those of the others.
        cases_.push_back({"plan", size, [=, &kernels, this] {
                              PackKernels::Chunks of = chunks(machine_.plain);
                              of.entries += of.count * sizeof(ImageEntry);
                              return kernels.plan(stream, of);
                          }});
        cases_.push_back(
            {"encode", size + packed, [=, &kernels, this] { return kernels.encode(stream, chunks(machine_.plain)); }});
        cases_.push_back(
            {"checksum", packed, [=, &kernels, this] { return kernels.checksum(stream, chunks(machine_.plain)); }});
        cases_.push_back(
            {"check", packed, [=, &kernels, this] { return kernels.check(stream, chunks(machine_.plain), findings); },
                [this] { return clear_findings(); }, [this] { return expect_nothing(); }});
        cases_.push_back({"compare", size + packed,
            [=, &kernels, this] { return kernels.compare(stream, chunks(machine_.plain), findings); },
            [this] { return clear_findings(); }, [this] { return expect_nothing(); }});
        cases_.push_back({"decode", size + packed,
            [=, &kernels, this] { return kernels.decode(stream, chunks(machine_.target), findings); },
            [this] { return spoil_target(); }, [this] { return expect_decoded(); }});
        cases_.push_back({"decode after check", size + 2 * packed,
            [=, &kernels, this]() -> Result<void> {
                TRY(kernels.check(stream, chunks(machine_.plain), findings));
                return kernels.decode(stream, chunks(machine_.target), findings);
            },
            [this] { return spoil_target(); }, nothing});
        packed_ = packed;
    }
    void add_whole() {
        const std::uint64_t size = options_.size;
        cases_.push_back(
            {"whole pack", 3 * size + 3 * packed_, [this]() -> Result<void> {
                 const PackPlan plan = TRY(machine_.packer.plan({&machine_.plain, 1}, options_.size, PackBy::own));
                 return machine_.packer.encode(plan, {&machine_.plain, 1}, {&machine_.image, 1});
             }});
        cases_.push_back({"whole wake", size + 2 * packed_,
            [this]() -> Result<void> {
                const ImageTable table = TRY(machine_.packer.open({&machine_.image, 1}));
                return machine_.packer.decode(
                    table, {&machine_.image, 1}, 0, table.entries.size(), {&machine_.target, 1});
            },
            [this] { return spoil_target(); }, [this] { return expect_decoded(); }});
        cases_.push_back(
            {"one window of 2 MiB, by Packer::decode", 0, [this] {
                 Slice window = machine_.target;
                 window.length = kWindow;
                 return machine_.packer.decode(table_, {&machine_.image, 1}, 0, kWindow / kChunk, {&window, 1});
             }});
        cases_.push_back({"one window of 2 MiB, check and decode", 0, [this]() -> Result<void> {
                              PackKernels::Chunks of = chunks(machine_.target);
                              of.count = kWindow / kChunk;
                              TRY(machine_.kernels.check(machine_.stream, of, machine_.findings));
                              return machine_.kernels.decode(machine_.stream, of, machine_.findings);
                          }});
    }

    void print() {
        const double read = cases_[0].rate(), copy = cases_[1].rate();
        std::printf("%s, %s of %s, packed to 1/%.4f, medians of %u rounds\n", machine_.device.info().name.c_str(),
            format_size(options_.size).c_str(), data_.c_str(), double(options_.size) / double(plan_.image_size),
            options_.rounds);
        std::printf("%-42s %10s %12s %12s %10s %10s\n", "", "ms", "GB/s plain", "GB/s moved", "of read", "of copy");
        std::string json;
        for (Case &each : cases_) {
            const double ms = each.median_ms();
            if (each.bytes != 0)
                std::printf("%-42s %10.3f %12.1f %12.1f %10.3f %10.3f\n", each.name.c_str(), ms,
                    double(options_.size) / 1e6 / ms, each.rate(), each.rate() / read, each.rate() / copy);
            else
                std::printf("%-42s %10.4f\n", each.name.c_str(), ms);
            json += (json.empty() ? "" : ", ") + ("\"" + each.name + "\": {\"ms\": ") + std::to_string(ms) +
                    ", \"bytes\": " + std::to_string(each.bytes) + "}";
        }
        std::printf("{\"device\": \"%s\", \"data\": \"%s\", \"size\": %ju, \"image\": %ju, \"rounds\": %u, \"cases\": "
                    "{%s}}\n",
            machine_.device.info().name.c_str(), data_.c_str(), uintmax_t(options_.size), uintmax_t(plan_.image_size),
            options_.rounds, json.c_str());
        (void)std::fflush(stdout);
    }

    const Options &options_;
    const Machine &machine_;
    const Driver &driver_;
    const std::string data_;
    Random random_{1};
    PackPlan plan_;
    ImageTable table_{};
    std::uint64_t packed_ = 0;
    std::vector<Case> cases_;
};

Result<std::unique_ptr<PackKernels>> load_kernels(Device &device, const std::string &file) {
    if (file.empty()) return PackKernels::load(device);
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return Error{ENOENT, 0, "open kernels", file};
    const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
    return PackKernels::load(device, {reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size()});
}

Result<void> run_all(const Options &options) {
    const auto driver = TRY(Driver::open(options.library));
    const DeviceInfo info = TRY(DeviceInfo::query(*driver, 0));
    const auto device = TRY(Device::open(*driver, info));
    LocalKeeper keeper(*driver, HandlePolicy::fd);
    Pool pool(keeper, *device);
    const auto plain = TRY(Extent::create(keeper, *device, options.size));
    const auto target = TRY(Extent::create(keeper, *device, options.size));
    const auto image = TRY(Extent::create(keeper, *device, options.size + options.size / 64 + 2 * MiB)); // raw fits
    const auto packer = TRY(Packer::create(keeper, *device, nullptr));
    const auto kernels = TRY(load_kernels(*device, options.kernels));
    const Module module = TRY(test::load_read_all(*device));
    const PoolPiece sums = TRY(pool.take(std::uint64_t(kReadBlocks) * kReadThreads * sizeof(std::uint32_t)));
    const PoolPiece findings = TRY(pool.take(sizeof(PackFindings)));
    const PoolPiece entries = TRY(pool.take(2 * chunk_count(options.size) * sizeof(ImageEntry)));
    const Stream stream = TRY(Stream::create(*device));
    const Machine machine = {
        *device,
        *packer,
        *kernels,
        {plain.get(), 0, options.size},
        {target.get(), 0, options.size},
        {image.get(), 0, image->size()},
        TRY(module.function("read_all")),
        sums.address(),
        findings.address(),
        entries.address(),
        stream.get()
    };
    for (const char *const data : {"bf16", "fp32", "random"})
        if (options.data.empty() || options.data == data) TRY(Bench(options, machine, data).run());
    return {};
}

int usage_error() {
    std::fputs(
        "usage: pack [--driver LIBRARY] [--size BYTES] [--rounds N] [--data bf16|fp32|random] [--kernels FATBIN]\n",
        stderr);
    return 2;
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {{"driver", required_argument, nullptr, 'd'},
        {"data", required_argument, nullptr, 't'}, {"size", required_argument, nullptr, 's'},
        {"rounds", required_argument, nullptr, 'r'}, {"kernels", required_argument, nullptr, 'k'}, {}};
    Options options;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == 'd') {
            options.library = optarg;
        } else if (key == 't') {
            options.data = optarg;
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
    if (optind != argc || options.rounds == 0 || options.size == 0 || options.size % kWindow != 0) return usage_error();
    const Result<void> result = run_all(options);
    if (result) return 0;
    std::fprintf(stderr, "pack: %s\n", result.error().text().c_str());
    return 1;
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
