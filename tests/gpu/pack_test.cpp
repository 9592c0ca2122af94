// Pack on a device: files' bytes packed and woken by the kernels as they are launched, against the reference that goes
// value by value.
//
//     pack-tests [--driver LIBRARY] [--nvcomp LIBRARY] [--chunks N] [--seed N] [--weights FILE --ratio N]
//         [GoogleTest's options]
//
// The same tests run on the simulator, which is the default, and with --driver libcuda.so.1 on a GPU. --chunks is how
// many chunks of each kind of bytes there are (2; 16 on a GPU take half a minute, most of it in the reference).
// --weights: bytes that are packed and woken as well, and shrink to 1/N at least. --nvcomp: the library that packs and
// wakes by ANS; on the simulator it is the one beside it.
#include "ecc/pack/packer.hpp"
#include "tests/support/must.hpp"
#include "tests/support/pack_reference.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/simulator_path.hpp"
#include "vmm/device/stream.hpp"
#include "vmm/keeper/local.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <getopt.h>
#include <gtest/gtest.h>
#include <map>
#include <unistd.h>

namespace gmemfs {
namespace {

using test::Bytes;
using test::must;
using test::PackedChunk;

struct Options {
    std::string library, nvcomp;
    std::uint64_t chunks = 2;
    std::uint64_t seed = 1;
    std::string weights;
    double ratio = 0;
};
Options options;
std::vector<std::string> nvcomp_places() { return {options.nvcomp}; }

// One device, opened once: a driver can't be closed.
struct Machine {
    Machine()
        : driver(must(Driver::open(options.library))), info(must(DeviceInfo::query(*driver, 0))),
          device(must(Device::open(*driver, info))), keeper(*driver, HandlePolicy::fd),
          packer(must(Packer::create(keeper, *device, nvcomp_places))), stream(must(Stream::create(*device))) {}
    static Machine &get() {
        static auto *const machine = new Machine; // never destroyed: the driver's threads outlive main
        return *machine;
    }

    std::shared_ptr<Extent> make(std::uint64_t size, std::uint8_t fill) {
        auto extent = must(Extent::create(keeper, *device, size));
        must(device->check(driver->cuMemsetD8Async(extent->address(), fill, extent->size(), stream.get()), "fill"));
        wait();
        return extent;
    }
    void upload(CUdeviceptr to, std::span<const std::uint8_t> bytes) {
        must(device->check(driver->cuMemcpyHtoDAsync(to, bytes.data(), bytes.size(), stream.get()), "upload"));
        wait();
    }
    Bytes download(CUdeviceptr from, std::size_t size) {
        Bytes bytes(size);
        must(device->check(driver->cuMemcpyDtoHAsync(bytes.data(), from, size, stream.get()), "download"));
        wait();
        return bytes;
    }
    void wait() { must(device->check(driver->cuStreamSynchronize(stream.get()), "wait")); }

    std::unique_ptr<Driver> driver;
    DeviceInfo info;
    std::unique_ptr<Device> device;
    LocalKeeper keeper;
    std::unique_ptr<Packer> packer;
    Stream stream;
};

// A file's bytes in extents, as large as they come: the first ones of 2 MiB each, the last one with what is left.
class PackOnDevice : public ::testing::Test {
protected:
    void put(const Bytes &bytes) {
        bytes_ = bytes;
        slices_.clear();
        extents_.clear();
        for (std::uint64_t offset = 0; offset < bytes.size(); offset += 2 * MiB) {
            const std::uint64_t part = std::min<std::uint64_t>(2 * MiB, bytes.size() - offset);
            extents_.push_back(machine_.make(2 * MiB, 0));
            machine_.upload(extents_.back()->address(), std::span(bytes).subspan(offset, part));
            slices_.push_back({extents_.back().get(), 0, round_up(part, kChunk)});
        }
    }
    Slice image_slice() { return {image_.get(), 4096, image_->size() - 4096}; }
    // Plan, encode; the image's bytes, and nothing else of its extent is touched.
    Bytes pack() {
        plan_ = must(machine_.packer->plan(slices_, bytes_.size(), by_));
        image_ = machine_.make(plan_.image_size + 4096 + kPlaceUnit, 0x5a);
        must(machine_.packer->encode(plan_, slices_, std::array{Slice{image_.get(), 4096, plan_.image_size}}));
        Bytes all = machine_.download(image_->address(), image_->size());
        EXPECT_TRUE(std::all_of(all.begin(), all.begin() + 4096, [](auto byte) { return byte == 0x5a; }));
        const auto end = all.begin() + 4096 + std::ptrdiff_t(plan_.image_size);
        EXPECT_TRUE(std::all_of(end, all.end(), [](auto byte) { return byte == 0x5a; }));
        return {all.begin() + 4096, end};
    }
    void put_image(const Bytes &bytes) {
        image_ = machine_.make(4096 + bytes.size(), 0x5a);
        machine_.upload(image_->address() + 4096, bytes);
    }
    // Chunks [first, first + count) of the image, in memory whose surroundings must stay as they are.
    Result<Bytes> decode(std::uint64_t first, std::uint64_t count) {
        const ImageTable table = must(machine_.packer->open(std::array{image_slice()}));
        const auto target = machine_.make((count + 2) * kChunk, 0x77);
        const Slice slice = {target.get(), kChunk, count * kChunk};
        const Result<void> decoded =
            machine_.packer->decode(table, std::array{image_slice()}, first, count, {&slice, 1});
        if (first == 0 && count == table.entries.size() &&
            table.nvcomp == 0) { // without a target it is judged the same
            const Result<void> proven = machine_.packer->prove(table, image_slice());
            EXPECT_EQ(proven ? 0 : proven.error().code, decoded ? 0 : decoded.error().code);
        }
        const Bytes all = machine_.download(target->address(), target->size());
        EXPECT_TRUE(std::all_of(all.begin(), all.begin() + kChunk, [](auto byte) { return byte == 0x77; }));
        const auto end = all.begin() + std::ptrdiff_t((count + 1) * kChunk);
        EXPECT_TRUE(std::all_of(end, all.end(), [](auto byte) { return byte == 0x77; }));
        TRY(decoded);
        return Bytes(all.begin() + kChunk, end);
    }
    Bytes filled_up() const { // as a last chunk comes back
        Bytes bytes = bytes_;
        bytes.resize(round_up(bytes.size(), kChunk));
        return bytes;
    }
    int decode_code(std::uint64_t first, std::uint64_t count) {
        const Result<Bytes> decoded = decode(first, count);
        return decoded ? 0 : decoded.error().code;
    }

    Machine &machine_ = Machine::get();
    Random random_{options.seed};
    Bytes bytes_;
    std::vector<std::shared_ptr<Extent>> extents_;
    std::vector<Slice> slices_;
    PackBy by_ = PackBy::own;
    PackPlan plan_;
    std::shared_ptr<Extent> image_;
};

class AnsOnDevice : public PackOnDevice {
protected:
    AnsOnDevice() { by_ = PackBy::ans; }
    void SetUp() override {
        if (options.nvcomp.empty()) GTEST_SKIP() << "no --nvcomp LIBRARY";
    }
    std::uint64_t ans_chunks() const {
        return std::uint64_t(
            std::ranges::count_if(plan_.entries, [](const ImageEntry &entry) { return is_ans(entry.codec()); }));
    }
};

TEST_F(PackOnDevice, EachKindOfBytesComesBackAndIsReadByTheReference) {
    for (const test::PlainKind &kind : test::plain_kinds()) {
        put(kind.make(random_, options.chunks * kChunk));
        const Bytes image = pack();
        const auto chunks = test::reference_take_apart(image);
        ASSERT_TRUE(chunks) << kind.name;
        Bytes decoded;
        for (const PackedChunk &chunk : *chunks) {
            if (kind.codec) {
                EXPECT_EQ(chunk.codec, *kind.codec) << kind.name;
            }
            const auto plain = test::reference_decode(chunk);
            ASSERT_TRUE(plain) << kind.name;
            decoded.insert(decoded.end(), plain->begin(), plain->end());
        }
        EXPECT_TRUE(decoded == bytes_) << kind.name;
        EXPECT_TRUE(must(decode(0, options.chunks)) == bytes_) << kind.name;
    }
}

TEST_F(PackOnDevice, ImagesOfTheReferenceComeBack) {
    Bytes plain;
    std::vector<PackedChunk> chunks;
    for (const test::PlainKind &kind : test::plain_kinds()) {
        const Bytes bytes = kind.make(random_, kChunk);
        chunks.push_back(test::reference_encode(bytes, kind.codec.value_or(Codec::raw)));
        plain.insert(plain.end(), bytes.begin(), bytes.end());
    }
    put_image(test::reference_image(chunks, plain.size()));
    EXPECT_TRUE(must(decode(0, chunks.size())) == plain);
}

// Several extents, each kind in turn, and an end in the middle of a chunk.
TEST_F(PackOnDevice, AFileOfSeveralExtentsIsPackedAsOneAndTheSameEachTime) {
    Bytes bytes;
    const auto kinds = test::plain_kinds();
    for (std::size_t chunk = 0; chunk < 37; ++chunk) {
        const Bytes part = kinds[chunk % kinds.size()].make(random_, kChunk);
        bytes.insert(bytes.end(), part.begin(), part.end());
    }
    bytes.resize(bytes.size() - 12345);
    put(bytes);
    const Bytes image = pack();
    EXPECT_EQ(plan_.entries.size(), 37U);
    EXPECT_TRUE(pack() == image);
    ASSERT_TRUE(test::reference_take_apart(image));
    const Bytes whole = filled_up();
    EXPECT_TRUE(must(decode(0, 37)) == whole);
    for (const auto &[first, count] : {std::pair{0, 1}, {5, 7}, {16, 16}, {36, 1}}) {
        const auto from = whole.begin() + std::ptrdiff_t(first) * kChunk;
        EXPECT_TRUE(must(decode(std::uint64_t(first), std::uint64_t(count))) ==
                    Bytes(from, from + std::ptrdiff_t(count) * kChunk))
            << first;
    }
    // Woken into extents as a file has them.
    const ImageTable table = must(machine_.packer->open(std::array{image_slice()}));
    EXPECT_EQ(table.plain_size, bytes.size());
    std::vector<std::shared_ptr<Extent>> woken;
    std::vector<Slice> slices;
    for (const Slice &slice : slices_) {
        woken.push_back(machine_.make(2 * MiB, 0x77));
        slices.push_back({woken.back().get(), 0, slice.length});
    }
    must(machine_.packer->decode(table, std::array{image_slice()}, 0, table.entries.size(), slices));
    Bytes back;
    for (const Slice &slice : slices) {
        const Bytes part = machine_.download(slice.extent->address(), slice.length);
        back.insert(back.end(), part.begin(), part.end());
    }
    EXPECT_TRUE(back == whole);
}

TEST_F(PackOnDevice, SizesAtTheEndOfAFile) {
    for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{4095}, kChunk - std::uint64_t{1},
             std::uint64_t{kChunk}, kChunk + std::uint64_t{1}, 2 * MiB, 2 * MiB + 1}) {
        put(test::normal_bf16(random_, size, 0.02));
        const Bytes image = pack();
        EXPECT_TRUE(test::reference_take_apart(image)) << size;
        EXPECT_TRUE(must(decode(0, plan_.entries.size())) == filled_up()) << size;
    }
    put({});
    EXPECT_EQ(pack().size(), kImageHeaderSize);
    EXPECT_EQ(must(machine_.packer->open(std::array{image_slice()})).entries.size(), 0U);
}

TEST_F(PackOnDevice, WeightsShrinkAsPromised) {
    put(test::normal_bf16(random_, 16 * kChunk, 0.02));
    EXPECT_GE(double(bytes_.size()) / double(pack().size()), 1.40);
    put(test::normal_fp32(random_, 16 * kChunk, 0.02));
    EXPECT_GE(double(bytes_.size()) / double(pack().size()), 1.15);
}

TEST_F(PackOnDevice, ATurnedBitAnywhereIsFound) {
    Bytes bytes = test::normal_bf16(random_, 3 * kChunk, 0.02);
    const Bytes raw = test::plain_kinds()[13].make(random_, kChunk),
                filled = test::plain_kinds()[1].make(random_, kChunk);
    bytes.insert(bytes.end(), raw.begin(), raw.end());
    bytes.insert(bytes.end(), filled.begin(), filled.end());
    put(bytes);
    const Bytes image = pack();
    ASSERT_EQ(decode_code(0, 5), 0);
    for (int round = 0; round < 60; ++round) {
        const std::uint64_t chunk = random_.below(5);
        const ImageEntry &entry = plan_.entries[chunk];
        const std::uint64_t at = entry.offset() + random_.below(entry.length());
        Bytes byte = {image[at]};
        byte[0] ^= std::uint8_t(1U << random_.below(8));
        machine_.upload(image_->address() + 4096 + at, byte);
        const Result<Bytes> decoded = decode(0, 5);
        ASSERT_FALSE(decoded);
        EXPECT_EQ(decoded.error().code, EIO);
        EXPECT_NE(decoded.error().text().find("chunk " + std::to_string(chunk) + ": "), std::string::npos)
            << decoded.error().text();
        if (chunk > 0) {
            EXPECT_EQ(decode_code(0, chunk), 0); // the others are whole
        }
        byte[0] = image[at];
        machine_.upload(image_->address() + 4096 + at, byte);
    }
    EXPECT_EQ(decode_code(0, 5), 0);
    Bytes front(image.begin(), image.begin() + std::ptrdiff_t(kImageHeaderSize + 5 * sizeof(ImageEntry)));
    for (std::size_t at = 0; at < front.size(); ++at) { // header and table
        Bytes changed = front;
        changed[at] ^= std::uint8_t(1U << random_.below(8));
        machine_.upload(image_->address() + 4096, changed);
        const Result<ImageTable> opened = machine_.packer->open(std::array{image_slice()});
        ASSERT_FALSE(opened) << at;
        EXPECT_EQ(opened.error().code, EBADMSG) << at;
    }
}

TEST_F(PackOnDevice, BytesThatChangedSinceThePlanMakeNoImage) {
    put(test::normal_bf16(random_, 20 * kChunk, 0.02));
    const PackPlan plan = must(machine_.packer->plan(slices_, bytes_.size(), PackBy::own));
    image_ = machine_.make(plan.image_size + 4096, 0x5a);
    const Bytes random = test::plain_kinds()[13].make(random_, kChunk);
    machine_.upload(extents_[1]->address() + 2 * kChunk, random);
    const Result<void> encoded =
        machine_.packer->encode(plan, slices_, std::array{Slice{image_.get(), 4096, plan.image_size}});
    ASSERT_FALSE(encoded);
    EXPECT_EQ(encoded.error().code, EIO);
    EXPECT_NE(encoded.error().text().find("chunk 18: "), std::string::npos) << encoded.error().text();
    const Result<ImageTable> opened = machine_.packer->open(std::array{image_slice()});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, EBADMSG);
}

// The damage has a checksum that fits: decode() judges as the reference does, and writes to its target alone.
TEST_F(PackOnDevice, ForgedChunksAreBoundedAndJudged) {
    for (std::uint64_t round = 0; round < 10 * options.chunks; ++round) {
        const Codec codec = round % 2 == 0 ? Codec::bf16 : Codec::fp32;
        const std::size_t planes = round % 2 == 0 ? FloatLayout<2>::kCodes : FloatLayout<4>::kCodes;
        PackedChunk chunk = test::reference_encode(
            round % 2 == 0 ? test::normal_bf16(random_, kChunk, 0.02) : test::normal_fp32(random_, kChunk, 0.02),
            codec);
        if (round % 5 == 4) // noise
            for (std::uint8_t &byte : chunk.bytes) byte = std::uint8_t(random_.next());
        chunk.bytes[planes + random_.below(chunk.bytes.size() - planes)] ^= std::uint8_t(1U << random_.below(8));
        const auto wanted = test::reference_decode(chunk);
        put_image(test::reference_image({{chunk}}, kChunk));
        const Result<Bytes> decoded = decode(0, 1);
        ASSERT_EQ(bool(decoded), wanted.has_value()) << "seed " << options.seed << ", round " << round;
        if (decoded) {
            EXPECT_TRUE(*decoded == *wanted) << round;
        } else {
            EXPECT_EQ(decoded.error().code, EBADMSG);
        }
    }
}

TEST_F(AnsOnDevice, EachKindOfBytesComesBack) {
    std::uint64_t ans = 0;
    for (const test::PlainKind &kind : test::plain_kinds()) {
        put(kind.make(random_, options.chunks * kChunk));
        const Bytes image = pack();
        EXPECT_TRUE(must(decode(0, options.chunks)) == bytes_) << kind.name;
        EXPECT_TRUE(pack() == image) << kind.name << ": the same bytes make the same image";
        ans += ans_chunks();
        if (kind.codec == Codec::bf16 || kind.codec == Codec::fp32) {
            EXPECT_EQ(ans_chunks(), options.chunks) << kind.name;
        }
    }
    EXPECT_GT(ans, 0U);
}

TEST_F(AnsOnDevice, AnyRangeOfChunksComesBack) {
    put(test::normal_bf16(random_, 40 * kChunk + 777, 0.02));
    pack();
    EXPECT_EQ(ans_chunks(), 41U);
    const Bytes all = filled_up();
    for (const std::uint64_t first : {0U, 1U, 15U, 16U, 39U, 40U})
        for (const std::uint64_t count : {1U, 17U, 41U}) {
            const std::uint64_t most = std::min<std::uint64_t>(count, 41 - first);
            const auto from = all.begin() + std::ptrdiff_t(first * kChunk);
            EXPECT_TRUE(must(decode(first, most)) == Bytes(from, from + std::ptrdiff_t(most * kChunk)))
                << first << ' ' << most;
        }
}

// One of three chunks in turn is damaged: it is named, and nvCOMP isn't given it.
TEST_F(AnsOnDevice, DamageIsFoundBeforeItIsDecoded) {
    put(test::normal_bf16(random_, 3 * kChunk, 0.02));
    const Bytes image = pack();
    const ImageTable table = must(machine_.packer->open(std::array{image_slice()}));
    for (std::uint64_t chunk = 0; chunk < 3; ++chunk) {
        const ImageEntry &entry = table.entries[chunk];
        const std::uint64_t at = entry.offset() + random_.below(entry.length());
        const std::uint8_t changed[] = {std::uint8_t(image[at] ^ 1U << random_.below(8))};
        machine_.upload(image_->address() + 4096 + at, changed);
        const Result<Bytes> decoded = decode(0, 3);
        ASSERT_FALSE(decoded);
        EXPECT_EQ(decoded.error().code, EIO);
        EXPECT_NE(decoded.error().text().find("chunk " + std::to_string(chunk) + ": its checksum"), std::string::npos);
        const std::uint8_t right[] = {image[at]};
        machine_.upload(image_->address() + 4096 + at, right);
    }
    EXPECT_EQ(decode_code(0, 3), 0);
}

// As in host memory: the image in pieces, by two windows; and one chunk for a device without memory.
TEST_F(AnsOnDevice, AnImageInPiecesIsMadeAndDecoded) {
    put(test::normal_bf16(random_, 200 * kChunk, 0.02));
    plan_ = must(machine_.packer->plan(slices_, bytes_.size(), PackBy::ans));
    std::vector<std::shared_ptr<Extent>> extents;
    std::vector<Slice> image;
    for (std::uint64_t size = 0; size < plan_.image_size; size += 2 * MiB) {
        extents.push_back(machine_.make(2 * MiB, 0x5a));
        image.push_back({extents.back().get(), 0, 2 * MiB});
    }
    must(machine_.packer->encode(plan_, slices_, image));
    const ImageTable table = must(machine_.packer->open(image));
    const auto target = machine_.make(bytes_.size(), 0x77);
    const Slice slice = {target.get(), 0, bytes_.size()};
    must(machine_.packer->decode(table, image, 0, table.entries.size(), {&slice, 1}));
    EXPECT_TRUE(machine_.download(target->address(), bytes_.size()) == bytes_);
    std::vector<Packer::Quad> one(kChunk / sizeof(Packer::Quad));
    for (const std::uint64_t chunk : {0U, 99U, 199U}) {
        must(machine_.packer->decode_chunk(table, image, chunk, one));
        EXPECT_EQ(std::memcmp(one.data(), &bytes_[chunk * kChunk], kChunk), 0) << chunk;
    }
}

TEST_F(AnsOnDevice, WeightsOfAFileComeBack) {
    if (options.weights.empty()) GTEST_SKIP() << "no --weights FILE";
    std::ifstream file(options.weights, std::ios::binary);
    ASSERT_TRUE(file) << options.weights;
    std::uint64_t plain = 0, packed = 0, ans = 0, chunks = 0;
    Bytes piece(32 * MiB);
    while (file.read(reinterpret_cast<char *>(piece.data()), std::streamsize(piece.size())), file.gcount() > 0) {
        put(Bytes(piece.begin(), piece.begin() + file.gcount()));
        packed += pack().size();
        EXPECT_TRUE(must(decode(0, plan_.entries.size())) == filled_up());
        plain += bytes_.size();
        ans += ans_chunks();
        chunks += plan_.entries.size();
    }
    ASSERT_GT(packed, 0U);
    std::printf("%ju bytes are packed to 1/%.4f by ANS, %ju of %ju chunks\n", uintmax_t(plain),
        double(plain) / double(packed), uintmax_t(ans), uintmax_t(chunks));
}

// Real weights, in pieces of 32 MiB, each an image of its own.
TEST_F(PackOnDevice, WeightsOfAFileComeBackAndShrink) {
    if (options.weights.empty()) GTEST_SKIP() << "no --weights FILE";
    std::ifstream file(options.weights, std::ios::binary);
    ASSERT_TRUE(file) << options.weights;
    std::uint64_t plain = 0, packed = 0;
    std::map<Codec, std::uint64_t> chunks;
    Bytes piece(32 * MiB);
    while (file.read(reinterpret_cast<char *>(piece.data()), std::streamsize(piece.size())), file.gcount() > 0) {
        put(Bytes(piece.begin(), piece.begin() + file.gcount()));
        const Bytes image = pack();
        EXPECT_TRUE(must(decode(0, plan_.entries.size())) == filled_up());
        plain += bytes_.size();
        packed += image.size();
        for (const ImageEntry &entry : plan_.entries) ++chunks[entry.codec()];
    }
    ASSERT_GT(packed, 0U);
    const double ratio = double(plain) / double(packed);
    std::printf("%ju bytes are packed to 1/%.4f; chunks: %ju bf16, %ju fp32, %ju raw, %ju zeros or one word\n",
        uintmax_t(plain), ratio, uintmax_t(chunks[Codec::bf16]), uintmax_t(chunks[Codec::fp32]),
        uintmax_t(chunks[Codec::raw]), uintmax_t(chunks[Codec::zero] + chunks[Codec::fill]));
    EXPECT_GE(ratio, options.ratio);
}

int run(int argc, char **argv) {
    ::testing::InitGoogleTest(&argc, argv);
    constexpr option kOptions[] = {{"driver", required_argument, nullptr, 'd'},
        {"nvcomp", required_argument, nullptr, 'n'}, {"chunks", required_argument, nullptr, 'c'},
        {"seed", required_argument, nullptr, 's'}, {"weights", required_argument, nullptr, 'w'},
        {"ratio", required_argument, nullptr, 'r'}, {}};
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == 'd')
            options.library = optarg;
        else if (key == 'n')
            options.nvcomp = optarg;
        else if (key == 'c')
            options.chunks = std::max(std::strtoull(optarg, nullptr, 0), 1ULL);
        else if (key == 'w')
            options.weights = optarg;
        else if (key == 'r')
            options.ratio = std::strtod(optarg, nullptr);
        else if (key == 's')
            options.seed = std::strtoull(optarg, nullptr, 0);
        else
            return 2;
    }
    if (options.library.empty()) {
        ::setenv("GMEMFS_SIM_MACHINE", ("pack-" + std::to_string(::getpid())).c_str(), 1);
        ::setenv("GMEMFS_SIM_DEVICES", "256M", 1);
        options.library = simulator_path();
    }
    if (options.nvcomp.empty() && options.library.ends_with("/sim/libcuda.so.1"))
        options.nvcomp = options.library.substr(0, options.library.rfind('/')) + "/libnvcomp.so.6";
    return RUN_ALL_TESTS();
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
