#include "fuse/host/scrubber.hpp"

#include "fuse/host/log.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/trace.hpp"

#include <algorithm>
#include <utility>

namespace gmemfs {
namespace {

constexpr std::uint64_t kRange = 64 * MiB;
constexpr std::chrono::seconds kLookInterval(1); // at the load, and for files where there were none to scrub
// Busy means more bytes, or more requests, between two looks than a user makes that only looks around.
constexpr std::uint64_t kBusyBytes = 256 * MiB;
constexpr std::uint64_t kBusyRequests = 2000;
constexpr double kWaitMax = 1e6; // seconds between two ranges: at a byte a second a clock's ticks would run over

void tell(InodeId id, const Result<BlockReport> &report) {
    const std::string file = "inode " + std::to_string(id);
    if (!report) return log(LogLevel::warning, "scrub", report.error(), file);
    if (report->blocks_mended > 0)
        log(LogLevel::warning, "scrub", file + ": " + std::to_string(report->blocks_mended) + " blocks repaired");
    if (!report->left_wrong.empty())
        log(LogLevel::error, "scrub",
            file + ": " + std::to_string(report->left_wrong.size()) +
                " blocks are damaged beyond repair, the first from byte " +
                std::to_string(report->left_wrong.front() * kBlockSize) + " on");
}

} // namespace

Scrubber::Scrubber(Volume &volume, const Stats &stats, std::uint64_t bytes_per_second, std::chrono::seconds interval)
    : volume_(volume), stats_(stats), bytes_per_second_(bytes_per_second), interval_(interval) {
    GMEMFS_ASSERT(bytes_per_second > 0);
    thread_ = std::thread([this] { run(); }); // the last thing: all else is there
}

Scrubber::~Scrubber() {
    {
        const std::lock_guard<std::mutex> hold(mutex_);
        ends_ = true;
    }
    ended_.notify_all();
    thread_.join();
}

Scrubber::Counts Scrubber::counts() const {
    const std::lock_guard<std::mutex> hold(mutex_);
    return counts_;
}

void Scrubber::run() {
    Clock::time_point next_range = Clock::now(), next_look = next_range + kLookInterval;
    bool waits = false; // for the mount to be less busy
    while (wait_until(waits ? next_look : std::min(next_look, next_range))) {
        const Clock::time_point now = Clock::now();
        if (now >= next_look) {
            waits = is_busy();
            next_look = now + kLookInterval;
        }
        if (waits || now < next_range) continue;
        const std::uint64_t bytes = scrub_next();
        next_range = now + (bytes > 0 ? time_for(bytes) : Clock::duration(kLookInterval));
    }
}

// False: the scrubber is to end.
bool Scrubber::wait_until(Clock::time_point when) {
    std::unique_lock<std::mutex> hold(mutex_);
    return !ended_.wait_until(hold, when, [&] { return ends_; });
}

// Since the last look.
bool Scrubber::is_busy() {
    const std::uint64_t requests = stats_.requests(Op::read) + stats_.requests(Op::write);
    const std::uint64_t bytes = stats_.bytes_read() + stats_.bytes_written();
    return requests - std::exchange(requests_before_, requests) > kBusyRequests ||
           bytes - std::exchange(bytes_before_, bytes) > kBusyBytes;
}

// Scrubs a range, and returns its bytes; 0: there is nothing to scrub now. The file is found anew for each range,
// because holding it would keep the memory of a file that was unlinked meanwhile.
std::uint64_t Scrubber::scrub_next() {
    if (!begin_pass()) return 0;
    while (!files_.empty()) {
        const Result<InodeRef> found = volume_.names().find(files_.back());
        // What is on a device that is lost is told once, and not for each range.
        const std::uint64_t size = found && !(*found)->file()->is_lost() ? (*found)->file()->size() : 0;
        if (offset_ >= size) {
            files_.pop_back();
            offset_ = 0;
            continue;
        }
        const std::uint64_t bytes = std::min(kRange, size - offset_);
        const std::uint64_t offset = std::exchange(offset_, offset_ + bytes);
        const Trace trace("gmemfs scrub");
        Result<BlockReport> report = (*found)->file()->check_parity(ParityMode::repair, offset, bytes);
        if (!report && report.error().code == EBUSY) report = BlockReport{}; // a peer writes
        tell((*found)->id(), report);
        count(report);
        return bytes; // also after a failure, so that a device that fails isn't asked as fast as it can refuse
    }
    is_under_way_ = false;
    const std::lock_guard<std::mutex> hold(mutex_);
    ++counts_.passes;
    return 0;
}

// Whether a pass is under way, or begins now.
bool Scrubber::begin_pass() {
    if (is_under_way_) return true;
    const auto now = Clock::now();
    if (now < next_pass_ || volume_.storage().parity_use().held == 0) return false;
    next_pass_ = now + interval_;
    files_ = volume_.names().files_with_parity();
    std::reverse(files_.begin(), files_.end());
    offset_ = 0;
    return is_under_way_ = true;
}

void Scrubber::count(const Result<BlockReport> &report) {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (!report) {
        ++counts_.failed;
        return;
    }
    counts_.scrubbed += report->blocks;
    counts_.repaired += report->blocks_mended;
    counts_.damaged += report->left_wrong.size();
}

Scrubber::Clock::duration Scrubber::time_for(std::uint64_t bytes) const {
    const double seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second_);
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(std::min(seconds, kWaitMax)));
}

} // namespace gmemfs
