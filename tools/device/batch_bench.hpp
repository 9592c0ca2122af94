// BatchBench: packs and unpacks batches of pages by processors and GPU, side by side; makes the model that rings use.
#pragma once

#include "ecc/batch/chooser.hpp"
#include "ecc/batch/measure.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

struct BatchBenchSettings {
    BatchDevice::Settings device;
    std::optional<Error> no_driver; ///< why there is none: the processors are measured alone
    unsigned threads = 1;
    unsigned rounds = 5;
    std::uint64_t pages = 10'000; ///< of the largest batch, in pages of 4 KiB
};

/// One batch, measured on each back end: medians.
struct BatchBenchCase {
    CostKind kind; ///< its back end doesn't matter
    std::uint64_t page_count;
    BatchReport cpu;
    std::optional<BatchReport> gpu;

    bool is_gpu_sooner() const { return gpu && gpu->times.total_ns < cpu.times.total_ns; }
};

/// A batch of a size that the model hasn't seen.
struct BatchBenchCheck {
    BatchBenchCase measured;
    double cpu_ns, gpu_ns; ///< predicted
    Backend chosen;

    bool is_right() const { return (chosen == Backend::gpu) == measured.is_gpu_sooner(); }
    /// Of a prediction, in parts of what was measured: 0.1 is ten percent too long.
    double cpu_error() const { return cpu_ns / static_cast<double>(measured.cpu.times.total_ns) - 1; }
    double gpu_error() const { return gpu_ns / static_cast<double>(measured.gpu->times.total_ns) - 1; }
    /// How much longer the batch takes where it is sent than where it would be soonest; 0 where the choice is right.
    double loss() const;
};

struct BatchBenchResult {
    std::string machine;
    std::optional<Error> no_gpu; ///< why the GPU's back end wasn't measured
    std::vector<BatchBenchCase> cases;
    std::vector<BatchBenchCheck> checks; ///< none without the GPU's back end
    CostModel model;                     ///< of both back ends; empty without the GPU's
};

/// Both directions, both algorithms, pages of the host and of the device, of 4 KiB and of 64 KiB, in several batches.
/// EINTR: the user has interrupted.
Result<BatchBenchResult> bench_batches(const BatchBenchSettings &settings);

} // namespace gmemfs
