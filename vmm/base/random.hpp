// Random: a seeded generator (SplitMix64, Steele et al. 2014), the same on every machine. For the simulator and tests.
#pragma once

#include <cstdint>

namespace gmemfs {

/// Not thread-safe; each thread has its own.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    /// A number below `bound`, which is not 0. The bias is below 2^-32 for the bounds used here.
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }

private:
    std::uint64_t state_;
};

} // namespace gmemfs
