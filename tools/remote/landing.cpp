#include "tools/remote/landing.hpp"

#include "tools/snapshot/entry_attributes.hpp"
#include "vmm/base/limits.hpp"
#include "vmm/base/units.hpp"

#include <cstdio>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace gmemfs {
namespace {

constexpr const char *kPartPrefix = ".gmemfs-part.";

std::string path_in(int folder, const std::string &name) {
    return "/proc/self/fd/" + std::to_string(folder) + "/" + name;
}

} // namespace

Result<std::unique_ptr<Landing>> Landing::create(Fd folder, const std::string &name, mode_t mode, Kind kind) {
    std::unique_ptr<Landing> made(new Landing(std::move(folder), name));
    const std::string part = kPartPrefix + name;
    if (kind == Kind::part && part.size() <= kNameMax) {
        made->part_name_ = part;
        const Result<void> opened = made->open_part(mode);
        if (!opened) return Error(opened.error());
        return made;
    }
    made->file_ = TRY(NewFile::create(path_in(made->folder_.get(), name), mode & 0777));
    return made;
}

Landing::~Landing() {
    if (part_ && !part_name_.empty() && size() == 0) (void)::unlinkat(folder_.get(), part_name_.c_str(), 0);
}

Result<void> Landing::open_part(mode_t mode) {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    mode_ = mode & 0777 & ~mask;
    part_ =
        Fd(::openat(folder_.get(), part_name_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    struct stat status = {};
    if (!part_ || ::fstat(part_.get(), &status) != 0) return Error{errno, 0, "create file", part_name_};
    if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid())
        return Error{EEXIST, 0, "resume", part_name_ + ": it is somebody else's; remove it"};
    if (::flock(part_.get(), LOCK_EX | LOCK_NB) != 0)
        return Error{EBUSY, 0, "resume", part_name_ + ": another pull is filling it"};
    return {};
}

OpenedFile Landing::opened() const {
    return {fd(), "/proc/self/fd/" + std::to_string(fd()), path_in(folder_.get(), "")};
}

std::uint64_t Landing::size() const {
    struct stat status = {};
    return ::fstat(fd(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

Result<void> Landing::allocate(std::uint64_t size) const {
    if (::ftruncate(fd(), static_cast<off_t>(size)) == 0) return {};
    return Error{errno, 0, "allocate", format_size(size) + (errno == ENOSPC ? ": `gmemfs df` tells what is free" : "")};
}

Result<std::unique_ptr<NewFile>> Landing::replace(mode_t mode) {
    GMEMFS_ASSERT(file_ != nullptr);
    std::unique_ptr<NewFile> made = TRY(NewFile::create(path_in(folder_.get(), name_), mode & 0777));
    return std::exchange(file_, std::move(made));
}

Result<void> Landing::copy_from(int other, const ByteRange &range) const {
    auto from = static_cast<off_t>(range.offset), to = from;
    for (std::uint64_t left = range.length; left > 0;) {
        const ssize_t count = ::copy_file_range(other, &from, fd(), &to, left, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return Error{count == 0 ? EIO : errno, 0, "copy", name_};
        left -= static_cast<std::uint64_t>(count);
    }
    return {};
}

Result<std::size_t> Landing::publish(const SnapshotEntry &entry, Attributes attributes) {
    std::size_t left_out = 0;
    if (attributes == Attributes::preserved)
        left_out = TRY(set_attributes(fd(), entry));
    else if (file_)
        TRY(file_->set_mode());
    else if (::fchmod(fd(), mode_) != 0)
        return Error{errno, 0, "set mode", name_};
    if (file_) {
        TRY(file_->publish(path_in(folder_.get(), name_)));
        return left_out;
    }
    if (::renameat(folder_.get(), part_name_.c_str(), folder_.get(), name_.c_str()) != 0)
        return Error{errno, 0, "rename to", name_};
    part_name_.clear();
    return left_out;
}

} // namespace gmemfs
