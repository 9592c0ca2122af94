#include "fuse/core/file/placement_record.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>

namespace gmemfs {

VolumeState::Place place_of(const Placement &placement) {
    VolumeState::Place place;
    if (placement.home != nullptr) place.home = placement.home->info().uuid;
    for (const Device *const other : placement.others) place.others.push_back(other->info().uuid);
    place.unit = placement.unit;
    place.is_automatic = placement.is_automatic;
    return place;
}

Placement find_placement(const Storage &storage, const VolumeState::Place &place) {
    Placement placement(storage.find(place.home));
    for (const VolumeState::Uuid &uuid : place.others)
        if (Device *const other = storage.find(uuid))
            placement.home == nullptr ? void(placement.home = other) : placement.others.push_back(other);
    constexpr std::uint64_t kUnitMax = 1024 * TiB; // a record may say anything
    if (placement.is_wide()) placement.unit = round_up(std::min(place.unit, kUnitMax), Placement::kUnitMin);
    placement.is_automatic = place.is_automatic;
    return placement;
}

} // namespace gmemfs
