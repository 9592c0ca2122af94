// Unit tests: nvCOMP's work by two lanes, with few slots, so that many parts go by turns; the simulated nvCOMP.
#include "ecc/pack/nvcomp_work.hpp"
#include "ecc/pack/work.hpp"
#include "tests/support/cold_files.hpp"

#include <algorithm>
#include <array>
#include <numeric>

namespace gmemfs {
namespace {

using test::Bytes;
using test::must;
using test::weights;

constexpr std::uint64_t kCount = 21; // chunks: parts of 4, and one of 1
constexpr std::uint64_t kSlots = 4;
constexpr std::array kAns = {Codec::ans_bytes, Codec::ans_half, Codec::ans_fp8, Codec::ans_single};

class TwoLanes : public test::ColdTest {
protected:
    TwoLanes()
        : ColdTest({.nvcomp = test::simulated_nvcomp}), device_(simulation().device()),
          nvcomp_(must(Nvcomp::open(device_.driver(), test::simulated_nvcomp()))),
          kernels_(must(PackKernels::load(device_))), stream_(must(Stream::create(device_))), bytes_(mixed()) {
        plain_ = must(storage_.create(copiers(), device_, bytes_.size()));
        image_ = must(storage_.create(copiers(), device_, 2 * bytes_.size()));
        findings_ = must(storage_.create(copiers(), device_, 2 * MiB));
        fill(plain_, bytes_);
        check(device_.driver().cuMemsetD8Async(findings_->address(), 0xff, sizeof(PackFindings), stream_.get()));
        entries_.resize(kCount);
        for (ImageEntry &entry : entries_) entry = {0, ImageEntry::pack(Codec::raw, kChunk), 0, 0};
    }

    // One chunk in five is zeros, which nobody gives to nvCOMP: parts have gaps, and one has nothing else.
    static Bytes mixed() {
        Bytes bytes = weights(kCount * kChunk, 5);
        for (std::uint64_t chunk = 0; chunk < kCount; ++chunk)
            if (is_zero(chunk)) std::fill_n(bytes.begin() + std::ptrdiff_t(chunk * kChunk), kChunk, std::byte(0));
        return bytes;
    }
    static bool is_zero(std::uint64_t chunk) { return chunk % 5 == 2 || (chunk >= 8 && chunk < 12); }

    void check(CUresult result) { must(device_.check(result, "use the simulator")); }
    void wait() { check(device_.driver().cuStreamSynchronize(stream_.get())); }
    void fill(const std::shared_ptr<Extent> &extent, const Bytes &bytes) {
        const auto buffer = simulation().buffer().bytes().first(bytes.size());
        std::ranges::copy(bytes, buffer.begin());
        must(copiers().of(device_).write({extent.get(), 0, bytes.size()}, buffer));
    }
    Bytes all_plain() {
        const auto buffer = simulation().buffer().bytes().first(bytes_.size());
        must(copiers().of(device_).read({plain_.get(), 0, bytes_.size()}, buffer));
        return {buffer.begin(), buffer.end()};
    }
    std::unique_ptr<NvcompWork> work(NvcompWork::Use use) {
        const NvcompWork::Memory memory = must(NvcompWork::memory_for(*nvcomp_, kCount, kSlots, use, kAns));
        EXPECT_EQ(memory.lanes, 2U);
        memory_ = must(storage_.create(copiers(), device_, round_up(memory.size(), 2 * MiB)));
        return must(NvcompWork::create(*nvcomp_, *kernels_, stream_.get(), memory, memory_->address(), std::nullopt));
    }
    // Lays the image out, and brings its table.
    PackKernels::Chunks chunks() {
        must(lay_out(entries_));
        const CUdeviceptr table = image_->address() + kImageHeaderSize;
        check(device_.driver().cuMemcpyHtoDAsync(
            table, entries_.data(), entries_.size() * sizeof(ImageEntry), stream_.get()));
        wait();
        return {plain_->address(), image_->address(), table, 100, kCount};
    }
    void plan() {
        for (std::uint64_t chunk = 0; chunk < kCount; ++chunk)
            entries_[chunk].packed = is_zero(chunk) ? ImageEntry::pack(Codec::zero, 0) : entries_[chunk].packed;
        must(work(NvcompWork::Use::encode)
                 ->plan({plain_->address(), 0, 0, 0, kCount}, entries_, PackBy::ans, TensorTypes()));
    }
    std::uint64_t different() {
        PackFindings found{};
        check(device_.driver().cuMemcpyDtoHAsync(&found, findings_->address(), sizeof found, stream_.get()));
        wait();
        return found.different;
    }

    Device &device_;
    const std::unique_ptr<const Nvcomp> nvcomp_;
    const std::unique_ptr<PackKernels> kernels_;
    const Stream stream_;
    const Bytes bytes_;
    std::shared_ptr<Extent> plain_, image_, findings_, memory_;
    std::vector<ImageEntry> entries_;
};

TEST_F(TwoLanes, PackAndDecodeEachChunkOfEachPart) {
    plan();
    for (std::uint64_t chunk = 0; chunk < kCount; ++chunk)
        EXPECT_EQ(is_ans(entries_[chunk].codec()), !is_zero(chunk)) << chunk;
    const PackKernels::Chunks all = chunks();
    must(work(NvcompWork::Use::encode)->encode(all, entries_, findings_->address()));
    EXPECT_EQ(different(), PackFindings::kNoChunk);
    fill(plain_, Bytes(bytes_.size(), std::byte(0x5a)));
    must(work(NvcompWork::Use::decode)->decode(all, entries_));
    const Bytes decoded = all_plain();
    for (std::uint64_t chunk = 0; chunk < kCount; ++chunk) {
        const auto at = std::ptrdiff_t(chunk * kChunk);
        const auto its = std::span(decoded).subspan(chunk * kChunk, kChunk);
        if (is_zero(chunk))
            EXPECT_TRUE(std::ranges::all_of(its, [](std::byte byte) { return byte == std::byte(0x5a); })) << chunk;
        else
            EXPECT_TRUE(std::equal(its.begin(), its.end(), bytes_.begin() + at)) << chunk;
    }
}

// In the first part, in a middle one, and in the last, which is one chunk.
TEST_F(TwoLanes, TellWhatHasChangedSinceThePlan) {
    plan();
    const PackKernels::Chunks all = chunks();
    for (const std::uint64_t chunk : {std::uint64_t(1), std::uint64_t(14), kCount - 1}) {
        std::vector<ImageEntry> other = entries_;
        other[chunk].packed = ImageEntry::pack(other[chunk].codec(), other[chunk].length() - 1);
        const Result<void> encoded = work(NvcompWork::Use::encode)->encode(all, other, findings_->address());
        ASSERT_EQ(test::code_of(encoded), EIO) << chunk;
        EXPECT_NE(encoded.error().text().find("chunk " + std::to_string(100 + chunk) + ": it has made another stream"),
            std::string::npos)
            << encoded.error().text();
    }
}

} // namespace
} // namespace gmemfs
