// BenchBatches: what `gmemfs bench --pack` prints, and the model that it leaves behind.
#pragma once

#include "tools/device/batch_bench.hpp"

namespace gmemfs {

enum class BenchFormat { table, json };

/// Measures, prints, and writes the model where one was made. Errors: see bench_batches(), write_model().
Result<void> run_bench_batches(const BatchBenchSettings &settings, BenchFormat format);

} // namespace gmemfs
