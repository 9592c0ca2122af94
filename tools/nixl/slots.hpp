// NixlSlots: host memory that is registered with NIXL, pinned for GPUs where there are any, and cut into slots.
#pragma once

#include "tools/nixl/agent.hpp"
#include "vmm/device/staging.hpp"

#include <optional>
#include <span>
#include <vector>

namespace gmemfs {

struct NixlSlotShape {
    std::uint64_t size = 0; ///< of a slot
    std::uint32_t count = 0;
};

/// Owner. It says which slots are taken; their bytes are for whoever has taken them. Not thread-safe.
class NixlSlots {
public:
    /// `device` null: not pinned, for host files alone. ENOMEM, and NixlAgent::add()'s.
    static Result<std::unique_ptr<NixlSlots>> create(NixlAgent &agent, Device *device, NixlSlotShape shape);
    NixlSlots(const NixlSlots &) = delete;
    NixlSlots &operator=(const NixlSlots &) = delete;
    ~NixlSlots();

    const NixlSlotShape &shape() const { return shape_; }
    bool is_pinned() const { return pinned_.has_value(); }
    std::uint64_t address() const { return reinterpret_cast<std::uintptr_t>(bytes_.data()); }
    std::span<std::byte> bytes(std::uint32_t slot, std::uint64_t length) const;
    NixlPiece piece(std::uint32_t slot, std::uint64_t length) const;

private:
    NixlSlots(NixlSlotShape shape) : shape_(shape) {}

    const NixlSlotShape shape_;
    std::optional<PinnedBuffer> pinned_;
    std::span<std::byte> plain_; // mapped; empty where it is pinned
    std::span<std::byte> bytes_;
    std::optional<NixlRegion> region_; // ends before the memory
};

/// Which numbers below a count are taken. Not thread-safe.
class NixlSlotTable {
public:
    explicit NixlSlotTable(std::uint32_t count) : taken_(count, false) {}
    std::optional<std::uint32_t> take() {
        for (std::uint32_t slot = 0; slot < taken_.size(); ++slot)
            if (!taken_[slot]) return taken_[slot] = true, slot;
        return {};
    }
    /// Whether it was free until now, and is one.
    bool take(std::uint32_t slot) { return slot < taken_.size() && !taken_[slot] && (taken_[slot] = true); }
    /// Whether it was taken until now, and is one.
    bool give(std::uint32_t slot) {
        const bool was_taken = slot < taken_.size() && taken_[slot];
        if (was_taken) taken_[slot] = false;
        return was_taken;
    }
    bool has_free() const {
        for (const bool is_taken : taken_)
            if (!is_taken) return true;
        return false;
    }

private:
    std::vector<bool> taken_;
};

} // namespace gmemfs
