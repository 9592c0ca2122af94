#include "ecc/parity/pool.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

constexpr std::uint64_t kPieceAlignment = 256; // bytes; kernels need 16

} // namespace

PoolPiece::~PoolPiece() {
    if (pool_ != nullptr) pool_->give_back(*this);
}

Result<PoolPiece> Pool::take(std::uint64_t size) {
    GMEMFS_ASSERT(size > 0);
    const std::uint64_t whole = round_up(size, kPieceAlignment);
    const Hold hold(mutex_);
    for (Slab &slab : slabs_) {
        const auto room = std::ranges::find_if(slab.free, [=](const auto &hole) { return hole.second >= whole; });
        if (room == slab.free.end()) continue;
        const auto [offset, length] = *room;
        slab.free.erase(room);
        if (length > whole) slab.free.emplace(offset + whole, length - whole);
        return PoolPiece(*this, slab.extent.get(), offset, whole);
    }
    Slab slab {
        TRY(Extent::create(keeper_, device_, whole))
        , {}
    };
    Extent *const extent = slab.extent.get();
    if (extent->size() > whole) slab.free.emplace(whole, extent->size() - whole);
    slabs_.push_back(std::move(slab));
    return PoolPiece(*this, extent, 0, whole);
}

std::uint64_t Pool::held() const {
    const Hold hold(mutex_);
    std::uint64_t bytes = 0;
    for (const Slab &slab : slabs_) bytes += slab.extent->size();
    return bytes;
}

void Pool::give_back(const PoolPiece &piece) {
    std::shared_ptr<Extent> last; // unmapping takes a while: after the lock is given back
    const Hold hold(mutex_);
    const auto slab =
        std::ranges::find_if(slabs_, [&](const Slab &candidate) { return candidate.extent.get() == piece.extent_; });
    GMEMFS_ASSERT(slab != slabs_.end());
    auto hole = slab->free.emplace(piece.offset_, piece.size_).first;
    if (const auto next = std::next(hole); next != slab->free.end() && hole->first + hole->second == next->first) {
        hole->second += next->second;
        slab->free.erase(next);
    }
    if (hole != slab->free.begin()) {
        const auto previous = std::prev(hole);
        if (previous->first + previous->second == hole->first) {
            previous->second += hole->second;
            slab->free.erase(hole);
            hole = previous;
        }
    }
    if (hole->second != slab->extent->size()) return;
    last = std::move(slab->extent);
    slabs_.erase(slab);
}

} // namespace gmemfs
