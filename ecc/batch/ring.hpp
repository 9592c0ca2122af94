// BatchRing: slots that batches go through side by side, each on a thread of its own.
#pragma once

#include "ecc/batch/chooser.hpp"
#include "vmm/base/lock.hpp"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace gmemfs {

struct RingSettings {
    static constexpr unsigned kSlotsMax = 16, kThreadsMax = 64;
    static constexpr std::size_t kStagingMax = std::size_t{1} << 30;

    unsigned slots = 4;
    unsigned threads = 0; ///< of the processors' back end; 0: default_threads()
    SlotLimits limits;
    BatchDevice::Settings device;
    std::optional<std::string> model = {}; ///< the model's file; nothing: the user's; "": none
};

/// Thread-safe. The destructor waits for what runs; what wasn't collected is lost.
class BatchRing {
public:
    /// EAGAIN, ENOMEM: no threads, no memory.
    static Result<std::unique_ptr<BatchRing>> create(const RingSettings &settings);
    ~BatchRing();
    BatchRing(const BatchRing &) = delete;
    BatchRing &operator=(const BatchRing &) = delete;

    /// Queues a batch; its ticket. EAGAIN: every slot is taken. EINVAL: see BatchWork::check().
    Result<std::uint64_t> submit(const BatchWork &work) EXCLUDES(mutex_);
    /// The batch's result, once; its slot is free then. EINPROGRESS: it hasn't ended in `timeout_ms` (-1: without end).
    /// EINVAL: no such ticket, or it was collected. Else what went wrong with the batch.
    Result<BatchReport> collect(std::uint64_t ticket, int timeout_ms) EXCLUDES(mutex_);

    /// As many as the machine has processors, at most 16.
    static unsigned default_threads();

private:
    enum class State { idle, queued, done };
    struct Slot {
        State state = State::idle;
        std::uint64_t ticket = 0;
        BatchWork work;
        std::optional<Result<BatchReport>> result;
    };
    BatchRing(const RingSettings &settings, unsigned threads);
    void serve(std::size_t index, PageCodec codec) EXCLUDES(mutex_);
    Result<BatchReport> run(BatchSlot &slot, const BatchWork &work);
    Slot *find(std::uint64_t ticket) REQUIRES(mutex_);

    const RingSettings settings_;
    const unsigned threads_;
    std::unique_ptr<Processors> processors_;
    std::unique_ptr<BatchDeviceOnce> device_;
    BackendChooser chooser_;
    Mutex mutex_;
    std::condition_variable_any changed_; // a slot's state, or the end has come
    std::vector<Slot> slots_ GUARDED_BY(mutex_);
    std::uint64_t last_ticket_ GUARDED_BY(mutex_) = 0;
    bool is_over_ GUARDED_BY(mutex_) = false;
    std::vector<std::thread> servers_; // last: they use all of the above
};

} // namespace gmemfs
