// Timed: how long a call of the pool takes, for its figures. Quick calls are sampled, because the clock takes 20 ns.
#pragma once

#include "pool/memory/figures.hpp"

#include <cstdint>
#include <ctime>

namespace gmemfs::pool {

/// Not thread-safe; its destructor counts the call.
class Timed {
public:
    /// `sampled`: one call in kSample, which counts as so many, and those of which is_slow() is said.
    enum class When { sampled, always };
    static constexpr std::uint64_t kSample = 16;

    Timed(PoolFigures::Call call, When when) : call_(call) {
        if (when == When::always)
            is_slow();
        else if (count_of(call) % kSample == 0)
            began_ = now_ns(), weight_ = kSample;
    }
    ~Timed() {
        if (weight_ != 0) own_figures().add_time(call_, now_ns() - began_, weight_);
    }
    Timed(const Timed &) = delete;
    Timed &operator=(const Timed &) = delete;

    /// From here on the call takes longer than the clock does.
    void is_slow() {
        if (weight_ == 0) began_ = now_ns();
        weight_ = 1;
    }

    /// It wasn't a call of this pool's.
    void forget() { weight_ = 0; }

private:
    // Of calls before this one.
    static std::uint64_t count_of(PoolFigures::Call call) {
        const PoolFigures &figures = own_figures();
        return (call == PoolFigures::take ? figures.taken : figures.given).load(std::memory_order_relaxed);
    }
    static std::uint64_t now_ns() {
        timespec now = {};
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        return std::uint64_t(now.tv_sec) * 1'000'000'000 + std::uint64_t(now.tv_nsec);
    }
    const PoolFigures::Call call_;
    std::uint64_t began_ = 0, weight_ = 0; // 0: it isn't counted
};

} // namespace gmemfs::pool
