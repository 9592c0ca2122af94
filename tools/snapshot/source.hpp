// SnapshotSource: deals out what is saved of all files, chunk by chunk, in order: each file's bytes, or its image.
#pragma once

#include "tools/snapshot/saved_image.hpp"
#include "tools/snapshot/tree.hpp"
#include "tools/snapshot/writer.hpp"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

namespace gmemfs {

/// Thread-safe. Outlives its parts.
class SnapshotSource {
public:
    /// `tree` and `writer` outlive it. `images`: some: of each file that has one, or of which one can be made, the
    /// image.
    SnapshotSource(const SnapshotTree &tree, SnapshotWriter &writer, SnapshotWriter::Images images)
        : tree_(tree), writer_(writer),
          makes_images_(images == SnapshotWriter::Images::some && tree.may_have_images()) {}

    /// One chunk, and the image that it is of; null: it is of the file's bytes.
    struct Part {
        SnapshotChunk chunk;
        std::shared_ptr<SavedImage> image;
        std::uint64_t plain = 0; ///< how many bytes of the file it stands for
    };
    /// Nothing: that was all. Writes an image's record before its first chunk is dealt out. EIO: an image is damaged,
    /// or the device failed. Else the writer's errors.
    Result<std::optional<Part>> next();

    /// What has become of the files that are large enough to have an image.
    struct Outcome {
        std::size_t images = 0;
        std::uint64_t plain_bytes = 0, image_bytes = 0;                         ///< of those
        std::size_t saving_nothing = 0, busy = 0, without_room = 0, others = 0; ///< saved as plain bytes
    };
    Outcome outcome() const {
        const std::lock_guard<std::mutex> hold(mutex_);
        return outcome_;
    }

private:
    struct Reading;
    Result<void> begin_file();
    Result<std::unique_ptr<SavedImage>> open_image(std::uint32_t entry);
    void count(const Error &error);

    const SnapshotTree &tree_;
    SnapshotWriter &writer_;
    const bool makes_images_;
    mutable std::mutex mutex_; // of what follows
    std::size_t index_ = 0;
    std::uint64_t offset_ = 0, size_ = 0; // of the present file, or of its image
    bool has_begun_ = false;              // the present file
    std::shared_ptr<SavedImage> image_;   // of the present file; null: it has none
    Outcome outcome_;
    std::mutex alive_mutex_;
    std::condition_variable died_;
    unsigned alive_ = 0; // images that are still being read; guarded by alive_mutex_
};

} // namespace gmemfs
