#include "fuse/host/scrub_walk.hpp"

#include "fuse/host/log.hpp"
#include "vmm/base/units.hpp"

#include <glib.h>

#include <algorithm>

namespace gmemfs {
namespace {

constexpr std::uint64_t kJob = 64 * MiB;
// Busy means more bytes, or more requests, in a second than a user makes that only looks around.
constexpr std::uint64_t kBusyBytes = 256 * MiB;
constexpr std::uint64_t kBusyRequests = 2000;

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

ScrubWalk::ScrubWalk(Volume &volume, const Stats &stats, std::uint64_t bytes_per_second, std::chrono::seconds interval)
    : volume_(volume), stats_(stats), interval_(interval) {
    scrubber_ = std::make_unique<Scrubber>(bytes_per_second, [this] { return next(); });
    timer_ = g_timeout_add_seconds(
        1,
        [](gpointer walk) -> gboolean {
            static_cast<ScrubWalk *>(walk)->tick();
            return G_SOURCE_CONTINUE;
        },
        this);
}

ScrubWalk::~ScrubWalk() {
    g_source_remove(timer_);
    scrubber_.reset();
}

void ScrubWalk::tick() {
    const std::uint64_t requests = stats_.requests(Op::read) + stats_.requests(Op::write);
    const std::uint64_t bytes = stats_.bytes_read() + stats_.bytes_written();
    const bool is_busy = requests - requests_before_ > kBusyRequests || bytes - bytes_before_ > kBusyBytes;
    requests_before_ = requests;
    bytes_before_ = bytes;
    if (is_busy)
        scrubber_->pause();
    else
        scrubber_->resume();
    scrubber_->wake();
}

// The file is found anew for each job, because holding it would keep the memory of a file that was unlinked meanwhile.
std::optional<Scrubber::Job> ScrubWalk::next() {
    while (begin_pass()) {
        if (files_.empty()) {
            is_under_way_ = false;
            passes_.fetch_add(1, std::memory_order_relaxed);
            return std::nullopt;
        }
        const Result<InodeRef> found = volume_.names().find(files_.back());
        const std::uint64_t size = found ? (*found)->file()->size() : 0;
        if (offset_ >= size) {
            files_.pop_back();
            offset_ = 0;
            continue;
        }
        const std::uint64_t bytes = std::min(kJob, size - offset_);
        const std::uint64_t offset = std::exchange(offset_, offset_ + bytes);
        return Scrubber::Job{bytes, [inode = *found, offset, bytes]() -> Result<BlockReport> {
                                 Result<BlockReport> report =
                                     inode->file()->check_parity(ParityMode::repair, offset, bytes);
                                 if (!report && report.error().code == EBUSY) return BlockReport{}; // a peer writes
                                 tell(inode->id(), report);
                                 return report;
                             }};
    }
    return std::nullopt;
}

// Whether a pass is under way, or begins now.
bool ScrubWalk::begin_pass() {
    if (is_under_way_) return true;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_pass_ || volume_.storage().parity_use().held == 0) return false;
    next_pass_ = now + interval_;
    files_ = volume_.names().files_with_parity();
    std::reverse(files_.begin(), files_.end());
    offset_ = 0;
    return is_under_way_ = true;
}

} // namespace gmemfs
