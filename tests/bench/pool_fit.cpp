// Pool fit bench: what finding a place for a block takes, and giving it back, by how many others there are.
//
//     pool_fit        JSON: for each number of blocks the median, 99 % and 99.9 % of take() and give() in ns, and more
//
// Of 140 GiB, sizes as they are in programs: as many in each doubling. The clock's own 20 ns or so are in it.
#include "pool/fit/fit.hpp"
#include "tests/bench/times.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

namespace {

using gmemfs::Times;
using gmemfs::pool::Fit;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kUnits = (std::uint64_t(140) << 30) / gmemfs::pool::kUnit;
constexpr int kSteps = 400'000;

// 512 bytes to 4 MiB: 60,000 of them fit.
std::uint64_t random_length(std::mt19937_64 &random) {
    const unsigned bits = static_cast<unsigned>(random() % 13);
    return (std::uint64_t(1) << bits) + random() % (std::uint64_t(1) << bits);
}

void measure(std::size_t count) {
    std::mt19937_64 random(1);
    Fit fit;
    fit.add(0, kUnits);
    std::vector<Fit::Node> live;
    while (live.size() < count) live.push_back(fit.take(random_length(random))->node);
    Times taken, given;
    for (int step = 0; step < kSteps; ++step) {
        Fit::Node &node = live[random() % count];
        const std::uint64_t length = random_length(random);
        const Clock::time_point began = Clock::now();
        fit.give(node);
        const Clock::time_point gave = Clock::now();
        node = fit.take(length)->node;
        taken.add(Clock::now() - gave);
        given.add(gave - began);
    }
    std::printf("{\"blocks\": %zu, ", count);
    taken.print("take");
    std::printf(", ");
    given.print("give");
    std::printf("}");
}

} // namespace

int main() {
    std::printf("[");
    for (const std::size_t count : {1'000U, 10'000U, 60'000U}) {
        if (count != 1'000U) std::printf(", ");
        measure(count);
    }
    std::printf("]\n");
    return 0;
}
