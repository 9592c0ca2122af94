// PieceParity: the parity of one piece of a file, with its place in the budget.
#pragma once

#include "ecc/parity/engine.hpp"
#include "fuse/core/space/budget.hpp"
#include "vmm/memory/extent_list.hpp"

#include <cstdint>
#include <memory>

namespace gmemfs {

/// Thread-safe as Parity is. Engine and budget outlive it.
class PieceParity final : public Companion {
public:
    /// Its Parity::size_of() bytes are reserved already.
    PieceParity(ParityEngine &engine, std::unique_ptr<Parity> parity, Budget &budget)
        : engine_(engine), parity_(std::move(parity)), budget_(budget) {}
    /// Waits for kernels that still use it, or the data: both may go now.
    ~PieceParity() override {
        (void)engine_.wait();
        const std::uint64_t bytes = parity_->block_count() * kBlockParitySize;
        parity_.reset();
        budget_.release(bytes);
    }

    ParityEngine &engine() const { return engine_; }
    Parity &parity() const { return *parity_; }

private:
    ParityEngine &engine_;
    std::unique_ptr<Parity> parity_;
    Budget &budget_;
};

} // namespace gmemfs
