#include "tools/copy_progress.hpp"

#include "tools/command.hpp"
#include "vmm/base/units.hpp"

#include <csignal>
#include <cstdio>

namespace gmemfs {
namespace {

volatile std::sig_atomic_t interrupted = 0;

constexpr int kNameWidth = 30;
constexpr std::int64_t kPeriodMs = 100;

} // namespace

void Progress::start_file(const std::string &name) {
    const std::lock_guard<std::mutex> hold(mutex_);
    name_ = name;
}

void Progress::add(std::uint64_t bytes) {
    const std::uint64_t done = done_.fetch_add(bytes) + bytes;
    if (display_ == Display::none) return;
    const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
    std::int64_t shown = shown_ms_.load();
    const auto now_ms = static_cast<std::int64_t>(seconds * 1000);
    if (now_ms - shown < kPeriodMs || !shown_ms_.compare_exchange_strong(shown, now_ms)) return;
    show(done, seconds);
}

void Progress::show(std::uint64_t done, double seconds) {
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    const std::lock_guard<std::mutex> hold(mutex_);
    std::fprintf(stderr, "\r\033[K%.*s  %s", kNameWidth, name_.c_str(), format_size(done).c_str());
    if (total_ != 0) {
        const double left = rate > 0 && total_ > done ? static_cast<double>(total_ - done) / rate : 0;
        std::fprintf(stderr, " of %s, %3.0f %%, %d:%02d left", format_size(total_).c_str(),
            100.0 * static_cast<double>(done) / static_cast<double>(total_), static_cast<int>(left) / 60,
            static_cast<int>(left) % 60);
    }
    std::fprintf(stderr, ", %.2f GB/s", rate / 1e9);
    std::fflush(stderr);
}

void Progress::finish() {
    if (display_ == Display::line) std::fputs("\r\033[K", stderr);
}

void catch_interruptions() {
    struct sigaction action = {};
    action.sa_handler = [](int) { interrupted = 1; };
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
}

bool is_interrupted() { return interrupted != 0; }

int fail_or_interrupted(const Error &error) {
    const int failure = fail(error);
    return error.code == EINTR && is_interrupted() ? kInterrupted : failure;
}

} // namespace gmemfs
