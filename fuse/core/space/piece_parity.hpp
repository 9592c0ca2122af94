// PieceParity: owner of the parity of one piece of a file, and of that parity's share of the budget.
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
    /// The caller has reserved Parity::size_of() bytes in `budget`; the destructor releases them.
    PieceParity(ParityEngine &engine, std::unique_ptr<Parity> parity, Budget &budget)
        : engine_(engine), parity_(std::move(parity)), budget_(budget) {}
    /// Waits for kernels that still use the parity or the data.
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
