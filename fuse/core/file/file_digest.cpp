// File, digest: computes the digest of a file's bytes, and keeps it until they change.
#include "fuse/core/file/file.hpp"

#include <algorithm>
#include <vector>

namespace gmemfs {

Result<Digest> File::digest(Copiers &copiers) {
    for (;;) { // once more where another thread has packed the file meanwhile
        {
            const HoldShared hold(layout_);
            if (residence_ == Residence::plain || knows_digest_) return digest_locked();
        }
        TRY(wake(copiers));
    }
}

Result<Digest> File::digest_locked() {
    const std::uint64_t length = size();
    const RangeLock::HeldRange range = ranges_.share(0, length);
    if (knows_digest_) {
        const Hold known(digest_mutex_);
        if (digest_ && digest_->size == length) return digest_->digest;
    }
    if (length == 0 && extents_.empty()) return empty_digest();
    GMEMFS_ASSERT(residence_ == Residence::plain);
    const std::vector<Slice> slices = extents_.slices(0, length);
    std::vector<Digester *> digesters; // of each slice: that of its device
    for (const Slice &slice : slices) digesters.push_back(TRY(storage_.digester_of(slice.extent->device())));
    const Digest digest = TRY(Digester::compute(digesters, slices));
    if (extents_.any_exported()) return digest;
    const Hold known(digest_mutex_);
    digest_ = {digest, length};
    knows_digest_ = true;
    return digest;
}

// Stores only where that changes something, because workers that write to one file would fight for its cache line.
void File::forget_digest() {
    if (knows_digest_.load(std::memory_order_relaxed)) knows_digest_ = false;
}

} // namespace gmemfs
