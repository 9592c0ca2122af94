#include "tools/snapshot/source.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>

namespace gmemfs {
namespace {

constexpr std::uint64_t kImageMin = 1 * MiB; // a smaller file shares its extent, or would save less than it costs

bool is_no_room(const Error &error) { return error.code == ENOSPC || error.code == EDQUOT; }

} // namespace

// An image that is dealt out. Its end is noticed by whoever waits for room.
struct SnapshotSource::Reading {
    Reading(SnapshotSource &of, std::unique_ptr<SavedImage> opened) : source(of), image(std::move(opened)) {
        const std::lock_guard<std::mutex> hold(source.alive_mutex_);
        ++source.alive_;
    }
    Reading(const Reading &) = delete;
    Reading &operator=(const Reading &) = delete;
    ~Reading() {
        image = nullptr;
        const std::lock_guard<std::mutex> hold(source.alive_mutex_);
        --source.alive_;
        source.died_.notify_all();
    }
    SnapshotSource &source;
    std::unique_ptr<SavedImage> image;
};

void SnapshotSource::count(const Error &error) {
    switch (error.code) {
    case ENODATA: ++outcome_.saving_nothing; break;
    case EBUSY: ++outcome_.busy; break;
    case ENOSPC:
    case EDQUOT: ++outcome_.without_room; break;
    default: ++outcome_.others;
    }
}

// Where there is no room for one more image that has to be made, the images before are waited for.
Result<std::unique_ptr<SavedImage>> SnapshotSource::open_image(std::uint32_t entry) {
    const auto open_file = [this, entry] { return tree_.open_file(entry, O_DIRECT); };
    for (;;) {
        std::unique_lock<std::mutex> hold(alive_mutex_);
        const unsigned alive = alive_;
        hold.unlock();
        Result<std::unique_ptr<SavedImage>> image = SavedImage::open(open_file);
        if (image || !is_no_room(image.error()) || alive == 0) return image;
        hold.lock();
        died_.wait(hold, [&] { return alive_ < alive; });
    }
}

Result<void> SnapshotSource::begin_file() {
    const SnapshotEntry &entry = tree_.entries()[index_];
    const auto number = static_cast<std::uint32_t>(index_);
    has_begun_ = true;
    size_ = entry.size;
    if (!makes_images_ || !entry.is_file() || entry.size < kImageMin) return {};
    Result<std::unique_ptr<SavedImage>> opened = open_image(number);
    if (!opened && (opened.error().code == EIO || opened.error().code == EINTR))
        return about(tree_.path_of(number), opened.error());
    if (!opened) return count(opened.error()), Result<void>();
    const image_control::ImageState &state = (*opened)->state();
    // A file that has become longer or shorter since it was listed is saved as any file that changes.
    if (state.plain != entry.size || state.size >= entry.size) return ++outcome_.others, Result<void>();
    SnapshotImage record = {number, state.size, state.was_packed != 0, {}};
    if (state.has_digest != 0) std::memcpy(record.digest.emplace().data(), state.digest, sizeof state.digest);
    TRY(writer_.put_image(record));
    const auto reading = std::make_shared<Reading>(*this, *std::move(opened));
    image_ = std::shared_ptr<SavedImage>(reading, reading->image.get());
    size_ = record.size;
    ++outcome_.images;
    outcome_.plain_bytes += entry.size;
    outcome_.image_bytes += record.size;
    return {};
}

Result<std::optional<SnapshotSource::Part>> SnapshotSource::next() {
    const std::lock_guard<std::mutex> hold(mutex_);
    for (; index_ < tree_.entries().size(); ++index_, has_begun_ = false, offset_ = 0, image_ = nullptr) {
        if (!has_begun_) TRY(begin_file());
        if (offset_ < size_) break;
    }
    if (index_ == tree_.entries().size()) return std::optional<Part>();
    Part part = {{}, image_, 0};
    part.chunk.entry = static_cast<std::uint32_t>(index_);
    part.chunk.offset = offset_;
    part.chunk.size = static_cast<std::uint32_t>(std::min(kSnapshotChunk, size_ - offset_));
    offset_ += kSnapshotChunk;
    part.plain = plain_part(part.chunk, size_, tree_.entries()[index_].size);
    return std::optional<Part>(std::move(part));
}

} // namespace gmemfs
