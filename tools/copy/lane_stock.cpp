#include "tools/copy/lane_stock.hpp"

#include <utility>

namespace gmemfs {

std::optional<cpu_set_t> LaneStock::near(Device &device) {
    const Hold hold(mutex_);
    const auto [known, is_new] = near_.try_emplace(&device);
    if (is_new)
        if (const std::optional<int> node = node_of(device.driver(), device.info(), kPciFolder))
            known->second = processors_near(*node, node_folder_);
    return known->second;
}

std::optional<Lane> LaneStock::take_kept(Device *device) {
    const Hold hold(mutex_);
    std::vector<Lane> &kept = lanes_[device];
    if (kept.empty()) return std::nullopt;
    std::optional<Lane> lane(std::move(kept.back()));
    kept.pop_back();
    return lane;
}

Result<Lane> LaneStock::take(Device *device, unsigned count) {
    const std::optional<cpu_set_t> there = device == nullptr ? std::nullopt : near(*device);
    const bool may_stay = there && static_cast<unsigned>(CPU_COUNT(&*there)) >= count;
    if (may_stay) stay_near(there);
    if (std::optional<Lane> kept = take_kept(device)) {
        if (device != nullptr) TRY(device->make_current());
        return *std::move(kept);
    }
    cpu_set_t anywhere;
    const bool moves = there && !may_stay && ::sched_getaffinity(0, sizeof anywhere, &anywhere) == 0;
    Lane lane = TRY(Lane::create(device));
    if (!moves) return lane;
    stay_near(there);
    const Result<void> made = lane.make_buffers();
    stay_near(anywhere); // more lanes than processors there: they read on all
    if (!made) return Error(made.error());
    return lane;
}

void LaneStock::give(Lane lane) {
    GMEMFS_ASSERT(lane.is_idle());
    const Hold hold(mutex_);
    lanes_[lane.device()].push_back(std::move(lane));
}

} // namespace gmemfs
