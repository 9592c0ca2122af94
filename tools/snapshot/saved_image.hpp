// SavedImage: the image of a file in a mount, open for reading, also when another server takes the mount over.
#pragma once

#include "client/wire/file_control.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/result.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>

namespace gmemfs {

/// Thread-safe.
class SavedImage {
public:
    /// Opens the file anew, so that its image can be read by it.
    using OpenFile = std::function<Result<Fd>()>;
    /// Errors: image_control::kOpen's; ENOTTY: the filesystem is none that has images. `open_file`'s.
    static Result<std::unique_ptr<SavedImage>> open(OpenFile open_file);
    SavedImage(const SavedImage &) = delete;
    SavedImage &operator=(const SavedImage &) = delete;
    ~SavedImage(); ///< gives the memory of an image that was made for this back at once

    std::uint64_t size() const { return state_.size; }
    const image_control::ImageState &state() const { return state_; }
    /// All of `bytes`, from the image's byte `at` on. ESTALE: another server has taken over, and the file has changed
    /// since the image was opened. EIO: the device.
    Result<void> read(std::span<std::byte> bytes, std::uint64_t at);

private:
    struct Opened {
        Fd file;
        image_control::ImageState state;
    };
    explicit SavedImage(OpenFile open_file) : open_file_(std::move(open_file)) {}
    Result<Opened> open_once() const;
    Result<std::shared_ptr<const Fd>> open_again(const std::shared_ptr<const Fd> &failed);

    const OpenFile open_file_;
    image_control::ImageState state_;
    std::byte head_[64] = {}; // the image's header: it has the checksum of the table, and the table those of the chunks
    std::mutex mutex_;
    std::shared_ptr<const Fd> file_; // guarded by it
};

} // namespace gmemfs
