// Device rates: times of work on a device, by its own clock, for benches.
#pragma once

#include "vmm/device/device.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gmemfs::test {

inline double now_ms() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double, std::milli>(now).count();
}

/// Times what is queued between start() and stop_ms(), by events that the driver's list doesn't have the reading of; by
/// the host's clock where there is none (the simulator).
class Stopwatch {
public:
    static Result<Stopwatch> create(Device &device, CUstream stream) {
        const Driver &driver = device.driver();
        Stopwatch watch(device, stream);
        watch.elapsed_ = reinterpret_cast<Elapsed>(driver.find("cuEventElapsedTime", 2000));
        for (CUevent &event : watch.events_) TRY(device.check(driver.cuEventCreate(&event, 0), "make event"));
        return watch;
    }
    Result<void> start() {
        TRY(device_.check(device_.driver().cuStreamSynchronize(stream_), "wait"));
        began_ = now_ms();
        return device_.check(device_.driver().cuEventRecord(events_[0], stream_), "record event");
    }
    Result<double> stop_ms() {
        TRY(device_.check(device_.driver().cuEventRecord(events_[1], stream_), "record event"));
        TRY(device_.check(device_.driver().cuEventSynchronize(events_[1]), "wait for event"));
        float ms = static_cast<float>(now_ms() - began_);
        if (elapsed_ != nullptr) TRY(device_.check(elapsed_(&ms, events_[0], events_[1]), "read events"));
        return double(ms);
    }

private:
    using Elapsed = CUresult (*)(float *, CUevent, CUevent);
    Stopwatch(Device &device, CUstream stream) : device_(device), stream_(stream) {}

    Device &device_;
    CUstream stream_;
    CUevent events_[2] = {};
    Elapsed elapsed_ = nullptr;
    double began_ = 0;
};

struct Case {
    std::string name;
    std::uint64_t bytes; ///< that it has to move; 0: its time is what counts
    std::function<Result<void>()> queue;
    std::function<Result<void>()> before = [] { return Result<void>(); }; ///< not timed
    std::function<Result<void>()> after = [] { return Result<void>(); };  ///< not timed; checks
    std::vector<double> ms = {};

    double median_ms() {
        std::nth_element(ms.begin(), ms.begin() + std::ptrdiff_t(ms.size() / 2), ms.end());
        return ms[ms.size() / 2];
    }
    double rate() { return double(bytes) / 1e6 / median_ms(); }
};

/// Runs each case once a round, so that all see the same clocks, after one round to warm up.
inline Result<void> measure(std::vector<Case> &cases, Device &device, CUstream stream, unsigned rounds) {
    Stopwatch watch = TRY(Stopwatch::create(device, stream));
    for (unsigned round = 0; round <= rounds; ++round)
        for (Case &each : cases) {
            TRY(each.before());
            TRY(watch.start());
            TRY(each.queue());
            const double ms = TRY(watch.stop_ms());
            TRY(each.after());
            if (round > 0) each.ms.push_back(ms);
        }
    return {};
}

} // namespace gmemfs::test
