// Times: how long many calls took, for a benchmark's JSON.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace gmemfs {

/// Not thread-safe.
class Times {
public:
    void add(std::chrono::steady_clock::duration took) { all_.push_back(std::chrono::nanoseconds(took).count()); }
    /// "name": {...}, in nanoseconds, and the share of calls that took less than a microsecond.
    void print(const char *name) {
        std::sort(all_.begin(), all_.end());
        const auto at = [&](double share) { return all_[static_cast<std::size_t>(share * double(all_.size() - 1))]; };
        const auto quick = std::lower_bound(all_.begin(), all_.end(), 1000) - all_.begin();
        std::printf("\"%s\": {\"median\": %jd, \"99\": %jd, \"99.9\": %jd, \"most\": %jd, \"under_us\": %.6f}", name,
            std::intmax_t(at(0.5)), std::intmax_t(at(0.99)), std::intmax_t(at(0.999)), std::intmax_t(all_.back()),
            double(quick) / double(all_.size()));
    }

private:
    std::vector<std::int64_t> all_;
};

} // namespace gmemfs
