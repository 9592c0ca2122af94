// Placing: where a file goes that nobody has placed: to the first device with room, the roomiest, or a near one.
#pragma once

#include "vmm/device/device.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace gmemfs {

enum class PlaceBy {
    first, ///< the first device, in the mount's order, that has room
    free,  ///< the one with the most free memory
    near,  ///< one that is near to the process which writes; else as `free`
};
constexpr const char *word_of(PlaceBy by) {
    switch (by) {
    case PlaceBy::first: return "first";
    case PlaceBy::free: return "free";
    case PlaceBy::near: return "near";
    }
    return "";
}
constexpr std::optional<PlaceBy> place_by_of(std::string_view word) {
    for (const PlaceBy by : {PlaceBy::first, PlaceBy::free, PlaceBy::near})
        if (word == word_of(by)) return by;
    return {};
}

/// Knows which devices are near to a process; Storage, which has no /proc and no /sys, asks. Thread-safe.
class Neighbours {
public:
    /// Groups of a mount's devices, the nearest group first, as seen by the process whose request the calling thread
    /// serves. What is in no group is far. Empty: nothing is known.
    virtual std::vector<std::vector<Device *>> near() const = 0;

protected:
    ~Neighbours() = default;
};

/// A view.
struct Placing {
    PlaceBy by = PlaceBy::free;
    const Neighbours *neighbours = nullptr; ///< for PlaceBy::near alone
};

} // namespace gmemfs
