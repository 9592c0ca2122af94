#include "tools/device/batch_bench.hpp"

#include "tools/host/interruption.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <memory>
#include <thread>

namespace gmemfs {
namespace {

constexpr std::size_t kSmall = 4 * KiB, kLarge = 64 * KiB, kBetween = 16 * KiB; // pages; the last for checks alone

std::uint64_t part(std::uint64_t count, std::uint64_t divisor) { return std::max<std::uint64_t>(1, count / divisor); }

// On a thread of its own, which has the context and the slot.
class Bench {
public:
    static Result<BatchBenchResult> run(const BatchBenchSettings &settings) {
        Bench bench(settings);
        Result<BatchBenchResult> result = bench.run_all();
        return result;
    }

private:
    explicit Bench(const BatchBenchSettings &settings) : settings_(settings), device_(settings.device) {}

    Result<BatchBenchResult> run_all() {
        processors_ = TRY(Processors::create(settings_.threads - 1));
        PageCodec codec = TRY(PageCodec::create());
        slot_ = std::make_unique<BatchSlot>(*processors_, std::move(codec), device_, SlotLimits());
        TRY(look_at_gpu());
        const std::uint64_t pages = settings_.pages;
        for (const Algorithm algorithm : kAlgorithms)
            for (const PageMemory memory : {PageMemory::host, PageMemory::device}) {
                if (memory == PageMemory::device && settings_.no_driver) continue;
                TRY(measure(algorithm, memory, kSmall,
                    {1, part(pages, 1000), part(pages, 100), part(pages, 10), part(pages, 3), pages}));
                TRY(measure(algorithm, memory, kLarge, {1, part(pages, 1600), part(pages, 160), part(pages, 16)}));
            }
        if (result_.no_gpu) {
            result_.model = CostModel();
            return std::move(result_);
        }
        for (const Algorithm algorithm : kAlgorithms)
            for (const PageMemory memory : {PageMemory::host, PageMemory::device}) {
                TRY(check(algorithm, memory, kSmall, {part(pages, 300), part(pages, 30), part(pages * 6, 10)}));
                TRY(check(algorithm, memory, kBetween, {part(pages, 80), part(pages, 4)}));
            }
        return std::move(result_);
    }

    Result<void> look_at_gpu() {
        if (settings_.no_driver) {
            result_.no_gpu = settings_.no_driver;
            return {};
        }
        const BatchDevice &device = *TRY(device_.get());
        result_.machine = describe_machine(device, settings_.threads);
        if (!device.can_compute()) result_.no_gpu = device.can_compute().error();
        return {};
    }

    Result<void> measure(
        Algorithm algorithm, PageMemory memory, std::size_t page_size, std::vector<std::uint64_t> counts) {
        counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
        return each(algorithm, memory, page_size, counts, [this](const BatchBenchCase &measured) {
            CostKind kind = measured.kind;
            kind.backend = Backend::cpu;
            result_.model.add(kind, {measured.page_count, measured.cpu.times.total_ns});
            kind.backend = Backend::gpu;
            if (measured.gpu) result_.model.add(kind, {measured.page_count, measured.gpu->times.total_ns});
            result_.cases.push_back(measured);
        });
    }

    Result<void> check(
        Algorithm algorithm, PageMemory memory, std::size_t page_size, std::vector<std::uint64_t> counts) {
        counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
        return each(algorithm, memory, page_size, counts, [this](const BatchBenchCase &measured) {
            CostKind kind = measured.kind;
            const std::uint64_t count = measured.page_count;
            kind.backend = Backend::cpu;
            const std::optional<double> cpu = result_.model.predict(kind, count);
            kind.backend = Backend::gpu;
            const std::optional<double> gpu = result_.model.predict(kind, count);
            const auto chosen = BackendChooser::compare(result_.model, kind, count);
            GMEMFS_ASSERT(cpu && gpu && chosen); // both sides of each check were measured
            result_.checks.push_back({measured, *cpu, *gpu, chosen->backend});
        });
    }

    template <typename Take>
    Result<void> each(Algorithm algorithm, PageMemory memory, std::size_t page_size,
        const std::vector<std::uint64_t> &counts, const Take &take) {
        const std::uint64_t most = *std::max_element(counts.begin(), counts.end());
        const auto measurement = TRY(Measurement::create(*slot_, algorithm, memory, page_size, most));
        for (const Direction direction : {Direction::pack, Direction::unpack}) {
            TRY(measurement->run(direction, Backend::cpu, most)); // makes the staging, and wakes the threads
            if (!result_.no_gpu) TRY(measurement->run(direction, Backend::gpu, most));
            for (const std::uint64_t count : counts) {
                if (is_interrupted()) return Error{EINTR, 0, "measure batches", "interrupted; no model was written"};
                BatchBenchCase measured = {{direction, algorithm, memory, Backend::cpu, page_size}, count, {}, {}};
                measured.cpu = TRY(measurement->median_of(settings_.rounds, direction, Backend::cpu, count));
                if (!result_.no_gpu)
                    measured.gpu = TRY(measurement->median_of(settings_.rounds, direction, Backend::gpu, count));
                take(measured);
            }
        }
        return {};
    }

    const BatchBenchSettings &settings_;
    BatchDeviceOnce device_;
    std::unique_ptr<Processors> processors_;
    std::unique_ptr<BatchSlot> slot_;
    BatchBenchResult result_;
};

} // namespace

double BatchBenchCheck::loss() const {
    if (is_right() || !measured.gpu) return 0;
    const auto cpu = static_cast<double>(measured.cpu.times.total_ns);
    const auto gpu = static_cast<double>(measured.gpu->times.total_ns);
    return std::max(cpu, gpu) / std::min(cpu, gpu) - 1;
}

Result<BatchBenchResult> bench_batches(const BatchBenchSettings &settings) {
    std::optional<Result<BatchBenchResult>> result;
    std::thread([&] { result.emplace(Bench::run(settings)); }).join();
    return std::move(*result);
}

} // namespace gmemfs
