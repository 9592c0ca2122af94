#include "tools/device/bench.hpp"

#include "ecc/parity/parity.hpp"
#include "tools/host/progress.hpp"
#include "vmm/base/units.hpp"
#include "vmm/keeper/local.hpp"
#include "vmm/memory/copier.hpp"

#include <algorithm>
#include <chrono>
#include <functional>

namespace gmemfs {
namespace {

constexpr std::uint64_t kChunk = 16 * MiB; // longer copies are no faster, on an H200
constexpr std::uint64_t kSmall = 4 * KiB;

// What the cases work on. Not thread-safe.
class Bench {
public:
    static Result<std::unique_ptr<Bench>> create(Device &device, std::uint64_t size) {
        auto bench = std::unique_ptr<Bench>(new Bench(device));
        bench->one_ = TRY(Extent::create(bench->keeper_, device, size));
        bench->other_ = TRY(Extent::create(bench->keeper_, device, size));
        bench->size_ = bench->one_->size();
        bench->pinned_.emplace(TRY(PinnedBuffer::create(device, 2 * kChunk)));
        bench->copier_.emplace(TRY(Copier::create(device)));
        bench->kernels_ = TRY(ParityKernels::load(device));
        bench->parity_ = TRY(Parity::create(*bench->kernels_, bench->pool_, {bench->one_.get(), 0, bench->size_}));
        bench->findings_.emplace(TRY(FindingsBuffer::create(bench->pool_)));
        bench->stream_.emplace(TRY(Stream::create(device)));
        return bench;
    }

    struct Case {
        const char *name, *key;
        std::uint64_t bytes;
        std::function<Result<void>()> run;
    };
    // In this order: what is verified has been encoded, and nobody has written since.
    std::vector<Case> cases() {
        const std::uint64_t blocks = size_ / kBlockSize;
        return {
            {"host to device, pinned", "host_to_device", size_, [this] { return copy_in(size_, kChunk); }},
            {"device to host, pinned", "device_to_host", size_, [this] { return copy_out(size_, kChunk); }},
            {"device to device, read plus written", "device_to_device", 2 * size_,
                [this] {
                    return waited(copier_->queue_copy({one_.get(), 0, size_}, {other_.get(), 0, size_}));
                }},
            {"clear", "zero", size_,
                [this] {
                    return waited(copier_->queue_zero({other_.get(), 0, size_}));
                }},
            {"parity: encode", "encode", size_,
                [this, blocks]() -> Result<void> {
                    TRY(parity_->encode(stream_->get(), 0, blocks));
                    return device_.check(device_.driver().cuStreamSynchronize(stream_->get()), "wait for the encode");
                }},
            {"parity: verify", "verify", size_, [this, blocks] { return verify(blocks); }},
            {"4 KiB in, and wait", "in_4k", 0, [this] { return copy_in(kSmall, kSmall); }},
            {"1 MiB in, and wait", "in_1m", 0, [this] { return copy_in(MiB, MiB); }},
            {"an extent of this size: create, map", "create", 0,
                [this]() -> Result<void> {
                    made_ = TRY(Extent::create(keeper_, device_, size_));
                    return {};
                }},
            {"and unmap, release", "release", 0,
                [this]() -> Result<void> {
                    made_.reset();
                    return {};
                }},
        };
    }

private:
    explicit Bench(Device &device)
        : device_(device), keeper_(device.driver(), HandlePolicy::fd), pool_(keeper_, device) {}

    Result<void> waited(const Result<void> &queued) { return copier_->wait_after(queued); }

    // Two pieces of pinned memory in turn, all queued at once: the copy engine never waits for the host.
    template <typename Queue>
    Result<void> by_chunks(std::uint64_t length, std::uint64_t chunk, Queue queue) {
        for (std::uint64_t offset = 0; offset < length; offset += chunk) {
            const Slice slice = {one_.get(), offset, std::min(chunk, length - offset)};
            const Result<void> queued = queue(slice, pinned_->bytes().data() + offset / chunk % 2 * kChunk);
            if (!queued) return waited(queued);
        }
        return copier_->wait();
    }
    Result<void> copy_in(std::uint64_t length, std::uint64_t chunk) {
        return by_chunks(length, chunk, [this](Slice to, std::byte *from) { return copier_->queue_write(to, from); });
    }
    Result<void> copy_out(std::uint64_t length, std::uint64_t chunk) {
        return by_chunks(length, chunk, [this](Slice from, std::byte *to) { return copier_->queue_read(from, to); });
    }
    Result<void> verify(std::uint64_t blocks) {
        const BlockReport report = TRY(parity_->check(ParityMode::verify, stream_->get(), *findings_, 0, blocks));
        if (report.clean()) return {};
        return Error{EIO, 0, "verify what was encoded",
            std::to_string(report.blocks_wrong) + " blocks don't agree with their parity: run `gmemfs test --ecc`"};
    }

    Device &device_;
    LocalKeeper keeper_;
    Pool pool_;
    std::uint64_t size_ = 0;
    std::shared_ptr<Extent> one_, other_, made_;
    std::optional<PinnedBuffer> pinned_;
    std::optional<Copier> copier_;
    std::unique_ptr<ParityKernels> kernels_;
    std::unique_ptr<Parity> parity_;
    std::optional<FindingsBuffer> findings_;
    std::optional<Stream> stream_;
};

Result<double> seconds_of(const std::function<Result<void>()> &run) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point began = Clock::now();
    TRY(run());
    return std::chrono::duration<double>(Clock::now() - began).count();
}

} // namespace

Result<std::vector<DeviceBenchCase>> bench_device(Device &device, const DeviceBenchSettings &settings) {
    const std::unique_ptr<Bench> bench = TRY(Bench::create(device, settings.size));
    const std::vector<Bench::Case> cases = bench->cases();
    std::vector<std::vector<double>> seconds(cases.size());
    for (unsigned round = 0; round <= settings.rounds; ++round) {
        for (std::size_t index = 0; index < cases.size(); ++index) {
            if (is_interrupted()) return Error{EINTR, 0, "measure device", "interrupted; all memory is free again"};
            const double taken = TRY(seconds_of(cases[index].run));
            if (round > 0) seconds[index].push_back(taken);
        }
    }
    std::vector<DeviceBenchCase> results;
    for (std::size_t index = 0; index < cases.size(); ++index) {
        const auto middle = seconds[index].begin() + static_cast<std::ptrdiff_t>(seconds[index].size() / 2);
        std::nth_element(seconds[index].begin(), middle, seconds[index].end());
        results.push_back({cases[index].name, cases[index].key, cases[index].bytes, *middle});
    }
    return results;
}

} // namespace gmemfs
