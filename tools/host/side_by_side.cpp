#include "tools/host/side_by_side.hpp"

#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace gmemfs {

Result<unsigned> parse_threads(const char *text, unsigned otherwise) {
    if (text == nullptr) return otherwise;
    const std::string_view digits = text;
    unsigned count = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), count);
    if (error == std::errc::result_out_of_range) return kThreadsMost;
    if (error != std::errc() || end != digits.end() || count == 0)
        return Error{EINVAL, 0, "--threads", std::string(digits) + ": it is a number from 1"};
    return std::min(kThreadsMost, count);
}

Result<void> run_side_by_side(unsigned threads, const SideWork &work) {
    std::atomic<bool> has_failed = false;
    std::mutex mutex; // of first
    std::optional<Error> first;
    const auto must_end = [&] { return has_failed.load() || is_interrupted(); };
    const auto run = [&] {
        const Result<void> done = work(must_end);
        if (done) return;
        const std::lock_guard<std::mutex> hold(mutex);
        if (!has_failed.exchange(true)) first = done.error();
    };
    {
        std::vector<std::jthread> others;
        for (unsigned index = 1; index < threads; ++index) others.emplace_back(run);
        run();
    }
    if (is_interrupted()) return Error{EINTR, 0, "interrupted", "nothing was left"};
    if (first) return *std::move(first);
    return {};
}

} // namespace gmemfs
