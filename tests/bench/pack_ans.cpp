// Pack, ANS: packing and waking by nvCOMP's ANS codec beside nvCOMP called by itself on the same bytes, in one run.
//
//     pack_ans [--driver LIBRARY] --nvcomp LIBRARY [--size BYTES] [--rounds N] [--weights FILE]
//
// Prints a table, and a line of JSON. The bytes are bf16 weights with a normal distribution of deviation 0.02, or those
// of FILE, over and over. nvCOMP by itself: all chunks of 128 KiB in one call, from memory to memory, each stream in a
// buffer of its own, with no checksum and nothing compared. Whole pack is Packer::plan and encode, with checksums, and
// with each chunk decoded and compared; whole wake is open and decode, with the checksums: both as the host sees them,
// into memory that is there. A round runs each case once; the medians of N rounds (5) after one to warm up.
#include "ecc/pack/packer.hpp"
#include "tests/bench/device_rates.hpp"
#include "tests/support/pack_reference.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/staging.hpp"
#include "vmm/keeper/local.hpp"

#include <cstring>
#include <fstream>
#include <getopt.h>
#include <optional>
#include <string>
#include <vector>

namespace gmemfs {
namespace {

using test::Case;
using test::Stopwatch;

constexpr std::uint64_t kPieceMax = 64 * MiB; // larger than any L2
constexpr NvcompOptions kPackOptions = {{0, static_cast<int>(NvcompType::half)}};
constexpr NvcompOptions kUnpackOptions = {{kNvcompBackendCuda, static_cast<int>(NvcompType::half)}};

struct Options {
    std::string library = "libcuda.so.1";
    std::string nvcomp;
    std::string weights;
    std::uint64_t size = 8 * GiB;
    unsigned rounds = 5;
};
Options options;

std::vector<std::string> places() { return {options.nvcomp}; }

template <typename Pointer>
Pointer pointer(CUdeviceptr address) {
    return reinterpret_cast<Pointer>(address); // NOLINT(performance-no-int-to-ptr): the device's, never followed here
}

struct Machine {
    Device &device;
    Packer &packer;
    const PackKernels &kernels;
    const Nvcomp &nvcomp;
    Slice plain, target, image;
    CUstream stream;
};

class Bench {
public:
    Bench(Keeper &keeper, const Machine &machine)
        : keeper_(keeper), machine_(machine), driver_(machine.device.driver()), count_(options.size / kChunk) {}

    Result<void> run() {
        TRY(fill());
        TRY(prepare_nvcomp());
        plan_ = TRY(pack(PackBy::ans));
        const PackPlan own = TRY(machine_.packer.plan({&machine_.plain, 1}, options.size, PackBy::own));
        own_size_ = own.image_size;
        add_nvcomp("", count_);
        add_whole();
        add_nvcomp(", 2048 chunks at once", 2048);
        add_nvcomp(", 8192 chunks at once", 8192);
        add_memory("nvCOMP's windows", 768 * MiB);
        add_memory("the image's", round_up(plan_.image_size, 2 * MiB));
        add_memory("the bytes'", options.size);
        TRY(measure(cases_, machine_.device, machine_.stream, options.rounds));
        print();
        return {};
    }

private:
    // Rows of 8 bytes a chunk, on the device.
    enum Row : unsigned { kPlain, kSize, kPacked, kPackedSize, kTarget, kTargetSize, kStatus, kRows };

    Result<void> check(CUresult result, const char *doing) { return machine_.device.check(result, doing); }
    Result<void> wait() { return check(driver_.cuStreamSynchronize(machine_.stream), "wait"); }
    static CUdeviceptr address(const Slice &slice) { return slice.extent->address() + slice.offset; }
    CUdeviceptr row(unsigned index) const { return tables_->address() + index * count_ * sizeof(std::uint64_t); }

    Result<test::Bytes> piece() {
        if (options.weights.empty()) return test::normal_bf16(random_, std::min(options.size, kPieceMax), 0.02);
        std::ifstream file(options.weights, std::ios::binary);
        test::Bytes bytes(std::min(options.size, kPieceMax));
        file.read(reinterpret_cast<char *>(bytes.data()), std::streamsize(bytes.size()));
        bytes.resize(static_cast<std::size_t>(file.gcount()) / kChunk * kChunk);
        if (bytes.empty()) return Error{ENOENT, 0, "read weights", options.weights + " has less than 128 KiB"};
        return bytes;
    }
    Result<void> fill() {
        const test::Bytes bytes = TRY(piece());
        const PinnedBuffer pinned = TRY(PinnedBuffer::create(machine_.device, bytes.size()));
        std::memcpy(pinned.bytes().data(), bytes.data(), bytes.size());
        for (std::uint64_t offset = 0; offset < options.size; offset += bytes.size()) {
            const std::uint64_t part = std::min<std::uint64_t>(bytes.size(), options.size - offset);
            TRY(check(driver_.cuMemcpyHtoDAsync(
                          address(machine_.plain) + offset, pinned.bytes().data(), part, machine_.stream),
                "fill"));
            TRY(wait());
        }
        return {};
    }

    Result<void> prepare_nvcomp() {
        const NvcompCodec &ans = machine_.nvcomp.ans();
        std::size_t bound = 0, pack_temp = 0, unpack_temp = 0;
        TRY(machine_.nvcomp.check(ans.compress_bound(kChunk, kPackOptions, &bound), "size streams"));
        TRY(machine_.nvcomp.check(
            ans.compress_temp_size(count_, kChunk, kPackOptions, &pack_temp, options.size, machine_.stream), "size"));
        TRY(machine_.nvcomp.check(
            ans.decompress_temp_size(count_, kChunk, kUnpackOptions, &unpack_temp, options.size, machine_.stream),
            "size"));
        temp_size_ = std::max(pack_temp, unpack_temp);
        bound = round_up(bound, 256);
        const std::uint64_t tables = round_up(kRows * count_ * sizeof(std::uint64_t), 256);
        tables_ = TRY(Extent::create(keeper_, machine_.device, round_up(tables + temp_size_ + 1, 2 * MiB)));
        temp_ = tables_->address() + tables;
        streams_ = TRY(Extent::create(keeper_, machine_.device, round_up(count_ * bound, 2 * MiB)));
        std::vector<std::uint64_t> rows(kRows * count_);
        for (std::uint64_t chunk = 0; chunk < count_; ++chunk) {
            rows[kPlain * count_ + chunk] = address(machine_.plain) + chunk * kChunk;
            rows[kSize * count_ + chunk] = kChunk;
            rows[kPacked * count_ + chunk] = streams_->address() + chunk * bound;
            rows[kTarget * count_ + chunk] = address(machine_.target) + chunk * kChunk;
        }
        TRY(check(driver_.cuMemcpyHtoDAsync(row(0), rows.data(), rows.size() * sizeof rows[0], machine_.stream),
            "write tables"));
        return wait();
    }
    // So many chunks a call.
    Result<void> compress(std::uint64_t at_once) {
        for (std::uint64_t first = 0; first < count_; first += at_once) {
            const std::uint64_t count = std::min(at_once, count_ - first), at = first * sizeof(std::uint64_t);
            TRY(machine_.nvcomp.check(
                machine_.nvcomp.ans().compress(pointer<const void *const *>(row(kPlain) + at),
                    pointer<const std::size_t *>(row(kSize) + at), kChunk, count, pointer<void *>(temp_), temp_size_,
                    pointer<void *const *>(row(kPacked) + at), pointer<std::size_t *>(row(kPackedSize) + at),
                    kPackOptions, pointer<NvcompStatus *>(row(kStatus) + first * sizeof(NvcompStatus)),
                    machine_.stream),
                "pack by nvCOMP"));
        }
        return {};
    }
    Result<void> decompress(std::uint64_t at_once) {
        for (std::uint64_t first = 0; first < count_; first += at_once) {
            const std::uint64_t count = std::min(at_once, count_ - first), at = first * sizeof(std::uint64_t);
            TRY(machine_.nvcomp.check(
                machine_.nvcomp.ans().decompress(pointer<const void *const *>(row(kPacked) + at),
                    pointer<const std::size_t *>(row(kPackedSize) + at), pointer<const std::size_t *>(row(kSize) + at),
                    pointer<std::size_t *>(row(kTargetSize) + at), count, pointer<void *>(temp_), temp_size_,
                    pointer<void *const *>(row(kTarget) + at), kUnpackOptions,
                    pointer<NvcompStatus *>(row(kStatus) + first * sizeof(NvcompStatus)), machine_.stream),
                "unpack by nvCOMP"));
        }
        return {};
    }
    Result<void> expect_statuses() {
        std::vector<NvcompStatus> statuses(count_);
        std::vector<std::uint64_t> sizes(count_);
        TRY(check(
            driver_.cuMemcpyDtoHAsync(statuses.data(), row(kStatus), count_ * sizeof(NvcompStatus), machine_.stream),
            "read statuses"));
        TRY(check(driver_.cuMemcpyDtoHAsync(sizes.data(), row(kPackedSize), count_ * sizeof sizes[0], machine_.stream),
            "read sizes"));
        TRY(wait());
        nvcomp_size_ = 0;
        for (const std::uint64_t size : sizes) nvcomp_size_ += size;
        for (const NvcompStatus status : statuses) TRY(machine_.nvcomp.check(status, "use nvCOMP"));
        return {};
    }

    Result<void> spoil_target() {
        TRY(check(driver_.cuMemsetD8Async(address(machine_.target), 0x5a, options.size, machine_.stream), "spoil"));
        return wait();
    }
    // The target as an image of raw chunks.
    Result<void> expect_target() {
        std::vector<ImageEntry> entries(count_);
        for (std::uint64_t chunk = 0; chunk < count_; ++chunk)
            entries[chunk] = {std::uint32_t(chunk * (kChunk / kPlaceUnit)), ImageEntry::pack(Codec::raw, kChunk), 0, 0};
        const std::uint64_t size = entries.size() * sizeof(ImageEntry);
        const auto table = TRY(Extent::create(keeper_, machine_.device, round_up(size + kPlaceUnit, 2 * MiB)));
        PackFindings found{};
        TRY(check(driver_.cuMemcpyHtoDAsync(table->address() + kPlaceUnit, entries.data(), size, machine_.stream),
            "write entries"));
        TRY(check(driver_.cuMemsetD8Async(table->address(), 0xff, sizeof found, machine_.stream), "clear findings"));
        TRY(machine_.kernels.compare(machine_.stream,
            {address(machine_.plain), address(machine_.target), table->address() + kPlaceUnit, 0, count_},
            table->address()));
        TRY(check(driver_.cuMemcpyDtoHAsync(&found, table->address(), sizeof found, machine_.stream), "read findings"));
        TRY(wait());
        if (found.different == PackFindings::kNoChunk) return {};
        return Error{EIO, 0, "compare", "chunk " + std::to_string(found.different) + " came back as another one"};
    }

    Result<PackPlan> pack(PackBy by) {
        PackPlan plan = TRY(machine_.packer.plan({&machine_.plain, 1}, options.size, by));
        if (plan.image_size > machine_.image.length) return Error{ENOSPC, 0, "pack", "the image doesn't fit"};
        TRY(machine_.packer.encode(plan, {&machine_.plain, 1}, {&machine_.image, 1}));
        return plan;
    }
    Result<void> wake() {
        const ImageTable table = TRY(machine_.packer.open({&machine_.image, 1}));
        return machine_.packer.decode(table, {&machine_.image, 1}, 0, table.entries.size(), {&machine_.target, 1});
    }

    void add_nvcomp(const std::string &how, std::uint64_t at_once) {
        cases_.push_back({"nvCOMP packs" + how, options.size, [this, at_once] { return compress(at_once); },
            [] { return Result<void>(); }, [this] { return expect_statuses(); }});
        cases_.push_back({"nvCOMP unpacks" + how, options.size, [this, at_once] { return decompress(at_once); },
            [this] { return spoil_target(); },
            [this]() -> Result<void> {
                TRY(expect_statuses());
                return expect_target();
            }});
    }
    void add_whole() {
        const auto whole = [this](const char *name, PackBy by) {
            cases_.push_back({std::string("whole pack, ") + name, options.size, [this, by]() -> Result<void> {
                                  TRY(pack(by));
                                  return {};
                              }});
            cases_.push_back({std::string("whole wake, ") + name, options.size, [this] { return wake(); },
                [this] { return spoil_target(); }, [this] { return expect_target(); }});
        };
        whole("by ANS", PackBy::ans);
        whole("by our own codec", PackBy::own);
        whole("by what is best", PackBy::automatic);
        cases_.push_back({"plan, by ANS", options.size, [this]() -> Result<void> {
                              plan_ = TRY(machine_.packer.plan({&machine_.plain, 1}, options.size, PackBy::ans));
                              return {};
                          }});
        cases_.push_back({"encode, by ANS", options.size, [this] {
                              return machine_.packer.encode(plan_, {&machine_.plain, 1}, {&machine_.image, 1});
                          }});
    }

    // What packing a file, and waking it, take besides.
    void add_memory(const std::string &whose, std::uint64_t size) {
        cases_.push_back({"memory: " + whose + ", made, freed", options.size, [this, size]() -> Result<void> {
                              TRY(Extent::create(keeper_, machine_.device, size));
                              return {};
                          }});
    }

    void print() {
        const double plain = double(options.size);
        std::printf("%s, %s of %s, medians of %u rounds\n", machine_.device.info().name.c_str(),
            format_size(options.size).c_str(), options.weights.empty() ? "bf16" : options.weights.c_str(),
            options.rounds);
        std::printf("packed to 1/%.4f by nvCOMP, 1/%.4f by ANS (of nvCOMP's %.4f), 1/%.4f by our own codec\n",
            plain / double(nvcomp_size_), plain / double(plan_.image_size),
            double(nvcomp_size_) / double(plan_.image_size), plain / double(own_size_));
        std::printf("%-42s %10s %12s %12s\n", "", "ms", "GB/s plain", "of nvCOMP's");
        std::string json;
        for (std::size_t index = 0; index < cases_.size(); ++index) {
            const std::string &name = cases_[index].name;
            const bool wakes = name.find("unpack") != std::string::npos || name.find("wake") != std::string::npos;
            const double ms = cases_[index].median_ms(), of = cases_[wakes ? 1 : 0].median_ms() / ms;
            std::printf("%-42s %10.3f %12.1f %12.3f\n", cases_[index].name.c_str(), ms, plain / 1e6 / ms, of);
            json += (json.empty() ? "" : ", ") + ("\"" + cases_[index].name + "\": {\"ms\": ") + std::to_string(ms) +
                    ", \"of_nvcomp\": " + std::to_string(of) + "}";
        }
        std::printf("{\"device\": \"%s\", \"size\": %ju, \"nvcomp\": %ju, \"ans\": %ju, \"own\": %ju, \"rounds\": %u, "
                    "\"cases\": {%s}}\n",
            machine_.device.info().name.c_str(), uintmax_t(options.size), uintmax_t(nvcomp_size_),
            uintmax_t(plan_.image_size), uintmax_t(own_size_), options.rounds, json.c_str());
        (void)std::fflush(stdout);
    }

    Keeper &keeper_;
    const Machine &machine_;
    const Driver &driver_;
    const std::uint64_t count_; // chunks
    Random random_{1};
    std::shared_ptr<Extent> tables_, streams_;
    CUdeviceptr temp_ = 0;
    std::size_t temp_size_ = 0;
    PackPlan plan_;
    std::uint64_t nvcomp_size_ = 0, own_size_ = 0;
    std::vector<Case> cases_;
};

Result<void> run_all() {
    const auto driver = TRY(Driver::open(options.library));
    const DeviceInfo info = TRY(DeviceInfo::query(*driver, 0));
    const auto device = TRY(Device::open(*driver, info));
    LocalKeeper keeper(*driver, HandlePolicy::fd);
    const auto nvcomp = TRY(Nvcomp::open(*driver, places()));
    const auto plain = TRY(Extent::create(keeper, *device, options.size));
    const auto target = TRY(Extent::create(keeper, *device, options.size));
    const auto image = TRY(Extent::create(keeper, *device, options.size + options.size / 64 + 2 * MiB)); // raw fits
    const auto packer = TRY(Packer::create(keeper, *device, places));
    const auto kernels = TRY(PackKernels::load(*device));
    const Stream stream = TRY(Stream::create(*device));
    const Machine machine = {*device, *packer, *kernels, *nvcomp, {plain.get(), 0, options.size},
        {target.get(), 0, options.size}, {image.get(), 0, image->size()}, stream.get()};
    return Bench(keeper, machine).run();
}

int usage_error() {
    std::fputs(
        "usage: pack_ans [--driver LIBRARY] --nvcomp LIBRARY [--size BYTES] [--rounds N] [--weights FILE]\n", stderr);
    return 2;
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {{"driver", required_argument, nullptr, 'd'},
        {"nvcomp", required_argument, nullptr, 'n'}, {"weights", required_argument, nullptr, 'w'},
        {"size", required_argument, nullptr, 's'}, {"rounds", required_argument, nullptr, 'r'}, {}};
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == 'd') {
            options.library = optarg;
        } else if (key == 'n') {
            options.nvcomp = optarg;
        } else if (key == 'w') {
            options.weights = optarg;
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
    const bool is_whole = options.size != 0 && options.size % (2 * MiB) == 0;
    if (optind != argc || options.rounds == 0 || !is_whole || options.nvcomp.empty()) return usage_error();
    const Result<void> result = run_all();
    if (result) return 0;
    std::fprintf(stderr, "pack_ans: %s\n", result.error().text().c_str());
    return 1;
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
