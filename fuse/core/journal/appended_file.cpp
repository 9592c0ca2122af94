#include "fuse/core/journal/appended_file.hpp"

#include "vmm/base/all_bytes.hpp"
#include "vmm/base/limits.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::uint64_t kPage = 4 * KiB;   // or a divisor of what the machine has
constexpr std::uint64_t kStep = 256 * KiB; // what is allocated and mapped at a time: some 1,500 records of a journal

} // namespace

AppendedFile::~AppendedFile() {
    if (!window_.empty() && ::ftruncate(file_.get(), static_cast<off_t>(end_)) != 0) {} // then zeros follow the end
    unmap();
}

Result<std::vector<std::byte>> AppendedFile::read() const {
    struct stat status = {};
    if (::fstat(file_.get(), &status) != 0) return Error{errno, 0, "read file"};
    std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
    bytes.resize(TRY(read_until_end(file_.get(), bytes, 0, never)));
    return bytes;
}

Result<void> AppendedFile::write(std::span<const std::byte> bytes) {
    GMEMFS_ASSERT(window_.empty());
    TRY(write_all(file_.get(), bytes, end_, never));
    end_ += bytes.size();
    return {};
}

Result<void> AppendedFile::cut(std::uint64_t end) {
    if (::ftruncate(file_.get(), static_cast<off_t>(end)) != 0) return Error{errno, 0, "cut file"};
    unmap();
    end_ = end;
    return {};
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
    // A process dies between two instructions, so only the compiler must be kept from exchanging the stores.
    std::atomic_signal_fence(std::memory_order_release);
    std::memcpy(window_.data() + at, &head, sizeof head);
    std::atomic_signal_fence(std::memory_order_release);
    end_ += sizeof head + body.size();
}

namespace {

class DiskFiles final : public RecordFiles {
public:
    Result<std::unique_ptr<RecordFile>> open(const std::string &path) const override {
        Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
        struct stat status = {};
        if (!file || ::fstat(file.get(), &status) != 0) return Error{errno, 0, "open file"};
        return std::unique_ptr<RecordFile>(new AppendedFile(std::move(file), std::uint64_t(status.st_size)));
    }
    Result<std::unique_ptr<RecordFile>> create(const std::string &path) const override {
        Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!file) return Error{errno, 0, "make file"};
        return std::unique_ptr<RecordFile>(new AppendedFile(std::move(file), 0));
    }
    Result<void> rename(const std::string &from, const std::string &to) const override {
        if (::rename(from.c_str(), to.c_str()) != 0) return Error{errno, 0, "rename file"};
        return {};
    }
    void remove(const std::string &path) const override { ::unlink(path.c_str()); }
};

} // namespace

const RecordFiles &RecordFiles::on_disk() {
    static const DiskFiles disk;
    return disk;
}

} // namespace gmemfs
