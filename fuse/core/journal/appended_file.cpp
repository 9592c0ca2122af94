#include "fuse/core/journal/appended_file.hpp"

#include "vmm/base/limits.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace gmemfs {
namespace {

constexpr std::uint64_t kPage = 4 * KiB;   // or a divisor of what the machine has
constexpr std::uint64_t kStep = 256 * KiB; // what is allocated and mapped at a time: some 1,500 records of a journal

} // namespace

AppendedFile::~AppendedFile() {
    if (!window_.empty() && ::ftruncate(file_.get(), static_cast<off_t>(end_)) != 0) {} // then zeros follow the end
    unmap();
}

AppendedFile::AppendedFile(AppendedFile &&other) noexcept
    : file_(std::move(other.file_)), end_(other.end_), window_(std::exchange(other.window_, {})),
      window_at_(other.window_at_) {}

AppendedFile &AppendedFile::operator=(AppendedFile &&other) noexcept {
    unmap(); // and the old file stays as it is: what takes its place has taken its name
    file_ = std::move(other.file_);
    end_ = other.end_;
    window_ = std::exchange(other.window_, {});
    window_at_ = other.window_at_;
    return *this;
}

void AppendedFile::unmap() {
    if (!window_.empty()) ::munmap(window_.data(), window_.size());
    window_ = {};
}

Result<void> AppendedFile::map(std::uint64_t reserved) {
    const int status = ::posix_fallocate(file_.get(), static_cast<off_t>(end_), static_cast<off_t>(reserved - end_));
    if (status != 0) return Error{status, 0, "make room in file"};
    const std::uint64_t page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::uint64_t at = end_ / page * page;
    void *const mapped = ::mmap(
        nullptr, reserved - at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_.get(), static_cast<off_t>(at));
    if (mapped == MAP_FAILED) return Error{errno, 0, "map file"};
    unmap();
    window_ = {static_cast<std::byte *>(mapped), reserved - at};
    window_at_ = at;
    return {};
}

Result<void> AppendedFile::reserve(std::size_t size) {
    const std::uint64_t needed = end_ + size;
    if (needed <= window_at_ + window_.size()) return {};
    if (map(round_up(needed, kStep))) return {};
    return map(round_up(needed, kPage)); // a disk that is nearly full has this much, perhaps
}

void AppendedFile::append(std::uint64_t head, std::span<const std::byte> body) {
    GMEMFS_ASSERT(head != 0 && end_ >= window_at_);
    const std::uint64_t at = end_ - window_at_;
    GMEMFS_ASSERT(at + sizeof head + body.size() <= window_.size());
    std::memcpy(window_.data() + at + sizeof head, body.data(), body.size());
    // A process dies between two instructions: it is the compiler alone that mustn't exchange the stores.
    std::atomic_signal_fence(std::memory_order_release);
    std::memcpy(window_.data() + at, &head, sizeof head);
    std::atomic_signal_fence(std::memory_order_release);
    end_ += sizeof head + body.size();
}

} // namespace gmemfs
