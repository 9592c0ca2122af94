#include "ecc/batch/ring.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>

namespace gmemfs {
unsigned BatchRing::default_threads() {
    constexpr unsigned kMost = 16;
    return std::clamp(std::thread::hardware_concurrency(), 1U, kMost);
}

BatchRing::BatchRing(const RingSettings &settings, unsigned threads)
    : settings_(settings), threads_(threads), device_(std::make_unique<BatchDeviceOnce>(settings.device)),
      chooser_(settings.model, threads), slots_(settings.slots) {}

Result<std::unique_ptr<BatchRing>> BatchRing::create(const RingSettings &settings) {
    GMEMFS_ASSERT(settings.slots > 0 && settings.slots <= RingSettings::kSlotsMax);
    GMEMFS_ASSERT(settings.threads <= RingSettings::kThreadsMax);
    std::unique_ptr<BatchRing> ring(
        new BatchRing(settings, settings.threads != 0 ? settings.threads : default_threads()));
    ring->processors_ = TRY(Processors::create(ring->threads_ - 1)); // a slot's own thread works, too
    for (std::size_t index = 0; index < settings.slots; ++index) {
        PageCodec codec = TRY(PageCodec::create());
        try {
            ring->servers_.emplace_back(
                [all = ring.get(), index](PageCodec own) { all->serve(index, std::move(own)); }, std::move(codec));
        } catch (const std::system_error &error) {
            return Error{EAGAIN, 0, "start thread", error.what()};
        }
    }
    return ring;
}

BatchRing::~BatchRing() {
    {
        const Hold hold(mutex_);
        is_over_ = true;
    }
    changed_.notify_all();
    for (std::thread &server : servers_) server.join();
    // On a thread of its own, because this one's context stays what it is.
    if (!servers_.empty()) std::thread([this] { device_.reset(); }).join();
}

Result<std::uint64_t> BatchRing::submit(const BatchWork &work) {
    TRY(work.check());
    const Hold hold(mutex_);
    const auto free =
        std::find_if(slots_.begin(), slots_.end(), [](const Slot &slot) { return slot.state == State::idle; });
    if (free == slots_.end())
        return Error{EAGAIN, 0, "submit batch",
            "all " + std::to_string(slots_.size()) + " slots are taken: collect a result first"};
    free->state = State::queued;
    free->work = work;
    free->ticket = ++last_ticket_;
    changed_.notify_all();
    return free->ticket;
}

Result<BatchReport> BatchRing::collect(std::uint64_t ticket, int timeout_ms) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    const Hold hold(mutex_);
    for (;;) {
        Slot *const slot = find(ticket);
        if (slot == nullptr)
            return Error{EINVAL, 0, "collect batch", "there is no such ticket, or its result was collected"};
        if (slot->state == State::done) {
            Result<BatchReport> result = std::move(*slot->result);
            slot->result.reset();
            slot->state = State::idle;
            return result;
        }
        if (timeout_ms < 0)
            changed_.wait(mutex_);
        else if (std::chrono::steady_clock::now() >= end)
            return Error{EINPROGRESS, 0, "collect batch", "it hasn't ended yet"};
        else
            changed_.wait_until(mutex_, end);
    }
}

BatchRing::Slot *BatchRing::find(std::uint64_t ticket) {
    for (Slot &slot : slots_)
        if (slot.state != State::idle && slot.ticket == ticket) return &slot;
    return nullptr;
}

void BatchRing::serve(std::size_t index, PageCodec codec) {
    BatchSlot slot(*processors_, std::move(codec), *device_, settings_.limits);
    const Hold hold(mutex_);
    for (;;) {
        Slot &own = slots_[index];
        if (own.state == State::queued) { // before the end: who submitted may rely on what was written
            const BatchWork work = own.work;
            mutex_.unlock();
            Result<BatchReport> result = run(slot, work);
            mutex_.lock();
            own.result.emplace(std::move(result));
            own.state = State::done;
            changed_.notify_all();
        } else if (is_over_) {
            return; // what the slot has on the device goes here, on its own thread
        } else {
            changed_.wait(mutex_);
        }
    }
}

Result<BatchReport> BatchRing::run(BatchSlot &slot, const BatchWork &work) {
    if (work.page_count == 0) return BatchReport();
    if (work.backend != Backend::automatic) return slot.run(work, work.backend);
    const BackendChooser::Chosen chosen = TRY(chooser_.choose(slot, work));
    Result<BatchReport> report = slot.run(work, chosen.backend);
    const bool is_full = !report && (report.error().code == ENOSPC || report.error().code == ENOMEM);
    const bool has_moved = is_full && chosen.backend == Backend::gpu;
    if (has_moved) {
        slot.release();
        report = slot.run(work, Backend::cpu);
    }
    if (!report) return report;
    report->choice = has_moved ? Choice::only : chosen.choice;
    report->predicted_ns = has_moved ? 0 : chosen.predicted_ns;
    report->measuring_ns = chosen.measuring_ns;
    return report;
}

} // namespace gmemfs
