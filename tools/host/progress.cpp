#include "tools/host/progress.hpp"

#include "tools/host/command.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <sys/ioctl.h>

namespace gmemfs {
namespace {

constexpr std::size_t kNameWidth = 30; // bytes
constexpr std::int64_t kPeriodMs = 100;

// As ls shows names on a terminal: nothing in them moves the cursor.
std::string shown(const std::string &name) {
    std::string text = name;
    std::replace_if(
        text.begin(), text.end(), [](unsigned char byte) { return byte < ' ' || byte == 0x7f; }, '?');
    return text;
}

// No character of UTF-8 is cut in two.
void cut(std::string &text, std::size_t size) {
    if (text.size() <= size) return;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) --size;
    text.resize(size);
}

double clock_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace

Progress::Progress(Display display, std::uint64_t total)
    : display_(display), total_(total), started_(clock_seconds()) {}

void Progress::start_file(const std::string &name) {
    const Hold hold(mutex_);
    name_ = shown(name);
    cut(name_, kNameWidth);
}

void Progress::add(std::uint64_t bytes) {
    const std::uint64_t done = done_.fetch_add(bytes) + bytes;
    if (display_ == Display::none) return;
    const double seconds = clock_seconds() - started_;
    std::int64_t shown = shown_ms_.load();
    const auto now_ms = static_cast<std::int64_t>(seconds * 1000);
    if (now_ms - shown < kPeriodMs || !shown_ms_.compare_exchange_strong(shown, now_ms)) return;
    show(done, seconds);
}

void Progress::show(std::uint64_t done, double seconds) {
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    const Hold hold(mutex_);
    std::string line = name_ + "  " + format_size(done);
    char text[64];
    if (total_ != 0) {
        const double left = rate > 0 && total_ > done ? static_cast<double>(total_ - done) / rate : 0;
        std::snprintf(text, sizeof text, ", %3.0f %%, %d:%02d left",
            100.0 * static_cast<double>(done) / static_cast<double>(total_), static_cast<int>(left) / 60,
            static_cast<int>(left) % 60);
        line += " of " + format_size(total_) + text;
    }
    std::snprintf(text, sizeof text, ", %.2f GB/s", rate / 1e9);
    line += text;
    // A longer one would go on in the next line, and stay there.
    winsize terminal = {};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &terminal) == 0 && terminal.ws_col > 0) cut(line, terminal.ws_col - 1U);
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    std::fflush(stderr);
}

void Progress::begin_moving() {
    const Hold hold(mutex_);
    if (moving_++ == 0) moving_since_ = clock_seconds();
}

void Progress::end_moving() {
    const Hold hold(mutex_);
    if (--moving_ == 0) seconds_ += clock_seconds() - moving_since_;
}

double Progress::seconds() const {
    const Hold hold(mutex_);
    return seconds_;
}

void Progress::finish() {
    if (display_ == Display::line) std::fputs("\r\033[K", stderr);
}

int fail_or_interrupted(const Error &error) {
    const int failure = fail(error);
    return error.code == EINTR && is_interrupted() ? kInterrupted : failure;
}

} // namespace gmemfs
