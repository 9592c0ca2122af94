#include "block/disk/thin_folder.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs::block {
namespace {

constexpr const char *kSizeName = "size";
constexpr std::size_t kDigits = 6;
constexpr std::chrono::seconds kPatience(10); // for a mount that has gone
constexpr int kPauseMs = 50;

std::string name_of(std::uint32_t index) {
    std::array<char, 16> name = {};
    std::snprintf(name.data(), name.size(), "%06u", index);
    return name.data();
}

std::optional<std::uint32_t> index_of(const std::string &name) {
    if (name.size() != kDigits || name.find_first_not_of("0123456789") != std::string::npos) return {};
    return static_cast<std::uint32_t>(std::strtoul(name.c_str(), nullptr, 10));
}

Result<std::vector<std::string>> names_in(const Fd &folder, const std::string &path) {
    const std::unique_ptr<DIR, int (*)(DIR *)> listing(
        ::fdopendir(::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), ::closedir);
    if (!listing) return Error{errno, 0, "list the thin disk", path};
    std::vector<std::string> names;
    errno = 0;
    while (const dirent *const entry = ::readdir(listing.get())) // NOLINT(concurrency-mt-unsafe): a stream of our own
        if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    if (errno != 0) return Error{errno, 0, "list the thin disk", path};
    std::sort(names.begin(), names.end());
    return names;
}

// Nothing: the directory has no size yet. What was torn while it was made is none.
Result<std::optional<std::uint64_t>> size_in(const Fd &folder, const std::string &path) {
    const Fd file(::openat(folder.get(), kSizeName, O_RDONLY | O_CLOEXEC));
    if (!file && errno == ENOENT) return std::optional<std::uint64_t>();
    std::array<char, 64> text = {};
    const ssize_t length = file ? ::read(file.get(), text.data(), text.size()) : -1;
    if (length < 0) return Error{errno, 0, "read the thin disk's size", path};
    std::string_view said(text.data(), static_cast<std::size_t>(length));
    while (!said.empty() && (said.back() == '\n' || said.back() == ' ')) said.remove_suffix(1);
    if (said.empty()) return std::optional<std::uint64_t>();
    const Result<std::uint64_t> size = parse_size(said);
    if (size) return std::optional(*size);
    return Error{EINVAL, 0, "read the thin disk's size", path + ": " + std::string(said) + " is none"};
}

Result<void> check_size(std::uint64_t size, const std::string &path) {
    if (size != 0 && size % kCheckedSize == 0 && size <= ThinFolder::kSizeMax) return {};
    return Error{EINVAL, 0, "make a thin disk",
        path + ": its size is a multiple of 4 KiB, and at most " + format_size(ThinFolder::kSizeMax)};
}

// EIO is what Linux says of a request that a server took and died with (docs/keeper.md).
bool is_away(int code) {
    return code == ENOTCONN || code == ECONNABORTED || code == ECONNREFUSED || code == EAGAIN || code == EIO;
}

} // namespace

Result<std::uint64_t> thin_size(const std::string &path) {
    const Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return Error{errno, 0, "open the thin disk", path};
    const std::optional<std::uint64_t> size = TRY(size_in(folder, path));
    if (!size)
        return Error{ENODATA, 0, "serve the thin disk",
            path + ": it is a directory without a size: gmemfs block --thin --size 8G makes it a thin disk"};
    TRY(check_size(*size, path));
    return *size;
}

Result<ThinFolder> ThinFolder::open(const std::string &path, Mode mode) {
    ThinFolder made(path, mode);
    made.folder_ = Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!made.folder_) return Error{errno, 0, "open the thin disk", path};
    made.size_ = TRY(thin_size(path));
    made.session_.emplace(TRY(client::BrokerSession::connect(made.folder_, path)));
    made.driver_ = TRY(client::read_attribute(made.folder_, "user.gmemfs.driver"));
    if (Result<std::string> device = client::read_attribute(made.folder_, "user.gmemfs.device"))
        made.device_ = *std::move(device);
    return made;
}

Result<void> lock_thin_folder(const Fd &folder, const std::string &path) {
    if (::flock(folder.get(), LOCK_EX | LOCK_NB) == 0) return {};
    return Error{errno == EWOULDBLOCK ? EBUSY : errno, 0, "serve the thin disk",
        path + ": it is a block device already: gmemfs block --list"};
}

Result<void> ThinFolder::lock() { return lock_thin_folder(folder_, path_); }

std::string ThinFolder::path_of(std::uint32_t index) const { return path_ + "/" + name_of(index); }

Result<std::vector<std::uint32_t>> ThinFolder::list() {
    std::vector<std::uint32_t> found;
    for (const std::string &name : TRY(names_in(folder_, path_))) {
        const std::optional<std::uint32_t> index = index_of(name);
        struct stat status = {};
        if (!index || ::fstatat(folder_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (status.st_size == 0) { // whoever made it has died, or it is another disk's
            if (mode_ == Mode::read_write) ::unlinkat(folder_.get(), name.c_str(), 0);
            continue;
        }
        const std::string path = path_of(*index);
        if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) != kPartSize)
            return Error{EINVAL, 0, "serve the thin disk",
                path + ": a part is a file of 64 MiB; this one was copied in part, or is something else"};
        if (*index >= part_count())
            return Error{ERANGE, 0, "serve the thin disk",
                path + ": it lies past the disk's end, " + format_size(size_) + ": mind its file `size`"};
        found.push_back(*index);
    }
    return found;
}

Result<client::Attached> ThinFolder::attach(std::uint32_t index) {
    const std::string path = path_of(index);
    const Fd file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC)); // a lease takes both, also one to read
    if (!file) return Error{errno, 0, "open a part", path};
    return attach_file(file, index);
}

Result<client::Attached> ThinFolder::attach_file(const Fd &file, std::uint32_t index) {
    const std::uint32_t lease = mode_ == Mode::read_only ? 0 : protocol::kWriteLease;
    client::Attached attached = TRY(session_->attach(file, path_of(index), protocol::kDescriptor, lease));
    leases_[index] = attached.lease;
    if (attached.allocated >= kPartSize) return attached;
    return Error{EPROTO, 0, "attach a part", path_of(index) + ": it has less memory than its size"};
}

// By its path, because a mount that was made anew is another one.
Result<Fd> ThinFolder::open_again() const {
    Fd folder(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder && client::read_attribute(folder, "user.gmemfs.driver")) return folder;
    return Error{ENOTCONN, 0, "open the thin disk", path_ + ": its mount has gone"};
}

Result<client::Attached> ThinFolder::make(std::uint32_t index) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        Result<client::Attached> made = make_once(index);
        const bool was_reachable = is_reachable_;
        const bool is_reachable = made || !is_away(made.error().code);
        if (is_reachable || !was_reachable || std::chrono::steady_clock::now() >= end) {
            is_reachable_ = is_reachable;
            return made;
        }
        (void)::poll(nullptr, 0, kPauseMs); // nothing tells of a mount that is there again
    }
}

// A file of that name is of somebody who has died before he told of it, or is about to go: its part is a hole.
Result<client::Attached> ThinFolder::make_once(std::uint32_t index) {
    const Fd folder = TRY(open_again());
    const std::string name = name_of(index), path = path_of(index);
    if (::unlinkat(folder.get(), name.c_str(), 0) != 0 && errno != ENOENT) return Error{errno, 0, "make a part", path};
    const Fd file(::openat(folder.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return Error{errno, 0, "make a part", path};
    Result<client::Attached> made = ::ftruncate(file.get(), static_cast<off_t>(kPartSize)) == 0
                                        ? attach_file(file, index)
                                        : Error{errno, 0, "take memory for a part", path};
    if (!made) ::unlinkat(folder.get(), name.c_str(), 0);
    return made;
}

// First the name, so that nobody encodes parity of what goes.
Result<void> ThinFolder::remove(std::uint32_t index) {
    const int code = ::unlink(path_of(index).c_str()) == 0 || errno == ENOENT ? 0 : errno;
    const auto lease = leases_.find(index);
    Result<void> released;
    if (lease != leases_.end()) {
        released = session_->release(lease->second, path_of(index));
        leases_.erase(lease);
    }
    if (code != 0) return Error{code, 0, "remove a part", path_of(index)};
    return released;
}

Result<void> make_thin_folder(const std::string &path, std::uint64_t size) {
    TRY(check_size(size, path));
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Error{errno, 0, "make a thin disk", path};
    const Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return Error{errno == ENOTDIR ? EEXIST : errno, 0, "make a thin disk", path + ": it is a file"};
    if (const std::optional<std::uint64_t> there = TRY(size_in(folder, path))) {
        if (*there == size) return {};
        return Error{EEXIST, 0, "make a thin disk",
            path + ": it is there, with " + format_size(*there) + ": leave --size out, or name another"};
    }
    const std::vector<std::string> names = TRY(names_in(folder, path));
    const auto other = std::find_if(
        names.begin(), names.end(), [](const std::string &name) { return !index_of(name) && name != kSizeName; });
    if (other != names.end()) return Error{EEXIST, 0, "make a thin disk", path + ": it has other files: " + *other};
    const Fd file(::openat(folder.get(), kSizeName, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::string text = std::to_string(size) + "\n";
    if (file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return {};
    return Error{errno, 0, "make a thin disk", path};
}

int refusal_of(const Error &error) { return error.code == ENOSPC || error.code == EDQUOT ? ENOSPC : EIO; }

Result<void> fulfil(ThinFolder &folder, const Parts::Order &order, Disk &disk) {
    if (order.kind == Parts::Order::Kind::remove) return folder.remove(order.index);
    if (order.kind != Parts::Order::Kind::make || disk.parts()->has(order.index)) return {};
    Result<client::Attached> made = folder.make(order.index);
    Result<void> added = made ? disk.add_part(order.index, *made) : Result<void>(made.error());
    if (!added) disk.parts()->refuse(order.index, refusal_of(added.error()));
    return added;
}

} // namespace gmemfs::block
