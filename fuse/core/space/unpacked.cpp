#include "fuse/core/space/unpacked.hpp"

#include <algorithm>

namespace gmemfs {

Result<std::shared_ptr<UnpackedWindow>> UnpackedWindows::get(std::uint64_t generation, std::uint64_t index) {
    const Hold hold(mutex_);
    const auto known = std::find_if(entries_.begin(), entries_.end(),
        [&](const Entry &entry) { return entry.generation == generation && entry.index == index; });
    if (known != entries_.end()) {
        entries_.splice(entries_.begin(), entries_, known);
        return std::shared_ptr<UnpackedWindow>(known->window);
    }
    if (entries_.size() >= kMost) drop_one();
    Result<PoolPiece> piece = pool_.take(kSize);
    while (!piece && piece.error().code == ENOSPC && drop_one()) piece = pool_.take(kSize);
    if (!piece) return Error(piece.error());
    auto window = std::make_shared<UnpackedWindow>(*std::move(piece));
    entries_.push_front({generation, index, window});
    return window;
}

// The one that was used longest ago, and that nobody reads. The list alone holds it, so nobody else can begin to.
bool UnpackedWindows::drop_one() {
    const auto found = std::find_if(
        entries_.rbegin(), entries_.rend(), [](const Entry &entry) { return entry.window.use_count() == 1; });
    if (found == entries_.rend()) return false;
    entries_.erase(std::next(found).base());
    return true;
}

bool UnpackedWindows::drop_all() {
    const Hold hold(mutex_);
    return std::erase_if(entries_, [](const Entry &entry) { return entry.window.use_count() == 1; }) > 0;
}

} // namespace gmemfs
