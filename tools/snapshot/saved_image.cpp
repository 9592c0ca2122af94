#include "tools/snapshot/saved_image.hpp"

#include "tools/host/interruption.hpp"
#include "vmm/base/all_bytes.hpp"

#include <cstring>
#include <sys/ioctl.h>
#include <utility>

namespace gmemfs {
namespace {

using image_control::ImageState;

constexpr int kServersMost = 5; // in the time of one read

Result<std::size_t> read_some(const Fd &file, std::span<std::byte> bytes, std::uint64_t at) {
    return read_until_end(file.get(), bytes, image_control::kStart + at, is_interrupted);
}

} // namespace

Result<std::unique_ptr<SavedImage>> SavedImage::open(OpenFile open_file) {
    std::unique_ptr<SavedImage> made(new SavedImage(std::move(open_file)));
    Opened opened = TRY(made->open_once());
    made->state_ = opened.state;
    made->file_ = std::make_shared<const Fd>(std::move(opened.file));
    const Result<void> read = made->read(made->head_, 0);
    if (!read) return Error(read.error());
    return made;
}

SavedImage::~SavedImage() {
    // Asking for an image drops the one before, and this one isn't made. A release comes later than close(2) returns.
    ImageState state = {};
    if (file_ != nullptr && state_.was_packed != 1) (void)::ioctl(file_->get(), image_control::kOpen, &state);
}

Result<SavedImage::Opened> SavedImage::open_once() const {
    for (int server = 1;; ++server) {
        Opened opened = { TRY(open_file_()), {} };
        opened.state.may_make = 1;
        if (::ioctl(opened.file.get(), image_control::kOpen, &opened.state) == 0) return opened;
        // ESTALE: a server opened the file, and another one was asked. EIO: see read().
        const bool is_another = errno == ESTALE || (errno == EIO && server == 1);
        if (!is_another || server == kServersMost) return Error{errno, 0, "open image", {}};
    }
}

// An image depends on the file's bytes alone, so that of a file that is as it was is the same one.
Result<std::shared_ptr<const Fd>> SavedImage::open_again(const std::shared_ptr<const Fd> &failed) {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (file_ != failed) return std::shared_ptr<const Fd>(file_); // another thread has
    Opened opened = TRY(open_once());
    std::byte head[sizeof head_] = {};
    const bool is_same = opened.state.size == state_.size && TRY(read_some(opened.file, head, 0))
    == sizeof head &&std::memcmp(head, head_, sizeof head) == 0;
    if (!is_same)
        return Error{ESTALE, 0, "read image", "another server has taken over, and the file has changed: save again"};
    file_ = std::make_shared<const Fd>(std::move(opened.file));
    return std::shared_ptr<const Fd>(file_);
}

Result<void> SavedImage::read(std::span<std::byte> bytes, std::uint64_t at) {
    std::shared_ptr<const Fd> file;
    {
        const std::lock_guard<std::mutex> hold(mutex_);
        file = file_;
    }
    for (int server = 1;; ++server) {
        const Result<std::size_t> count = read_some(*file, bytes, at);
        if (count && *count == bytes.size()) return {};
        // EIO is what the kernel says of a request that was being answered when its server was killed.
        if ((!count && count.error().code != EIO) || server == kServersMost)
            return count ? Error{ESTALE, 0, "read image", "its end is missing: save again"} : Error(count.error());
        file = TRY(open_again(file));
    }
}

} // namespace gmemfs
