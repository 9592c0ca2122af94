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
    for (CutExtent &cut : extents_) {
        const auto room = std::ranges::find_if(cut.free, [=](const auto &hole) { return hole.second >= whole; });
        if (room == cut.free.end()) continue;
        const auto [offset, length] = *room;
        cut.free.erase(room);
        if (length > whole) cut.free.emplace(offset + whole, length - whole);
        return PoolPiece(*this, cut.extent.get(), offset, whole);
    }
    CutExtent cut {
        TRY(Extent::create(keeper_, device_, whole))
        , {}
    };
    Extent *const extent = cut.extent.get();
    if (extent->size() > whole) cut.free.emplace(whole, extent->size() - whole);
    extents_.push_back(std::move(cut));
    return PoolPiece(*this, extent, 0, whole);
}

std::uint64_t Pool::held() const {
    const Hold hold(mutex_);
    std::uint64_t bytes = 0;
    for (const CutExtent &cut : extents_) bytes += cut.extent->size();
    return bytes;
}

void Pool::give_back(const PoolPiece &piece) {
    std::shared_ptr<Extent> last; // unmapping takes a while: after the lock is given back
    const Hold hold(mutex_);
    const auto cut = std::ranges::find_if(
        extents_, [&](const CutExtent &candidate) { return candidate.extent.get() == piece.extent_; });
    GMEMFS_ASSERT(cut != extents_.end());
    auto hole = cut->free.emplace(piece.offset_, piece.size_).first;
    if (const auto next = std::next(hole); next != cut->free.end() && hole->first + hole->second == next->first) {
        hole->second += next->second;
        cut->free.erase(next);
    }
    if (hole != cut->free.begin()) {
        const auto previous = std::prev(hole);
        if (previous->first + previous->second == hole->first) {
            previous->second += hole->second;
            cut->free.erase(hole);
            hole = previous;
        }
    }
    if (hole->second != cut->extent->size()) return;
    last = std::move(cut->extent);
    extents_.erase(cut);
}

} // namespace gmemfs
