// BackendChooser: which back end a batch goes to, where its caller leaves that open.
#pragma once

#include "ecc/batch/measure.hpp"
#include "vmm/base/lock.hpp"

#include <optional>
#include <string>

namespace gmemfs {

/// Thread-safe: a ring's slots share one.
class BackendChooser {
public:
    struct Chosen {
        Backend backend = Backend::cpu;
        Choice choice = Choice::only;
        std::uint64_t predicted_ns = 0;
        std::uint64_t measuring_ns = 0;
    };
    /// `model`: the file's path; nothing: model_path(); "": none. `threads`: of the ring.
    BackendChooser(std::optional<std::string> model, unsigned threads) : path_(std::move(model)), threads_(threads) {}

    /// The sooner one, by the file's model, else by what was measured here, else by what is measured now on `slot`,
    /// while other slots that need a measurement wait. A file that is damaged or of another machine counts as none.
    Result<Chosen> choose(BatchSlot &slot, const BatchWork &work) EXCLUDES(mutex_);

    /// The sooner one by this model; nothing where it doesn't know both. Of `kind` the back end doesn't matter.
    static std::optional<Chosen> compare(const CostModel &model, CostKind kind, std::uint64_t page_count);

private:
    void read_file(const BatchDevice &device) REQUIRES(mutex_);

    const std::optional<std::string> path_;
    const unsigned threads_;
    Mutex mutex_;
    bool has_read_ GUARDED_BY(mutex_) = false;
    CostModel kept_ GUARDED_BY(mutex_);     // the file's
    CostModel measured_ GUARDED_BY(mutex_); // on this ring
};

} // namespace gmemfs
