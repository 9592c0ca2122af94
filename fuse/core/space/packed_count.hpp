// PackedCount: how many files are packed, and how much memory they take and would take.
#pragma once

#include <atomic>
#include <cstdint>

namespace gmemfs {

/// Thread-safe. Outlives its members.
class PackedCount {
public:
    struct Sums {
        std::uint64_t files;
        std::uint64_t plain; ///< bytes of device memory that they would take awake
        std::uint64_t held;  ///< bytes of device memory that they take
    };
    Sums sums() const { return {files_.load(), plain_.load(), held_.load()}; }

    /// One packed file, counted as long as this lives.
    class Member {
    public:
        Member(PackedCount &count, std::uint64_t plain, std::uint64_t held)
            : count_(count), plain_(plain), held_(held) {
            count_.files_ += 1;
            count_.plain_ += plain_;
            count_.held_ += held_;
        }
        Member(const Member &) = delete;
        Member &operator=(const Member &) = delete;
        ~Member() {
            count_.files_ -= 1;
            count_.plain_ -= plain_;
            count_.held_ -= held_;
        }

    private:
        PackedCount &count_;
        const std::uint64_t plain_, held_;
    };

private:
    std::atomic<std::uint64_t> files_ = 0, plain_ = 0, held_ = 0;
};

} // namespace gmemfs
