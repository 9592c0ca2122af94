#include "tools/copy_file.hpp"

#include "client/gmemfs.h"
#include "fuse/core/acl.hpp"
#include "tools/copy_verify.hpp"
#include "tools/direct_source.hpp"
#include "tools/mounts.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/limits.hpp"
#include "vmm/base/units.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

// A smaller file goes by read(2) and write(2): mapping it would take it out of the extent that it shares.
constexpr std::uint64_t kMapMin = 4 * MiB;
constexpr std::size_t kStreamBuffer = 1 * MiB;

Error at(const std::string &path, Error error) {
    error.detail = path + (error.detail.empty() ? "" : ": " + error.detail);
    return error;
}

// A file in a mount, mapped by libgmemfs. Owner.
class DeviceFile {
public:
    static Result<std::unique_ptr<DeviceFile>> open(const std::string &path, const std::string &library) {
        auto file = std::make_unique<DeviceFile>();
        gmemfs_open_options options = {};
        options.struct_size = sizeof options;
        options.driver = library.c_str();
        int code = gmemfs_open(path.c_str(), &options, &file->file_);
        if (code == 0) code = gmemfs_map(file->file_, nullptr, &file->mapping_);
        file->info_.struct_size = sizeof file->info_;
        if (code == 0) code = gmemfs_get_info(file->mapping_, &file->info_);
        if (code != 0) return Error{code, gmemfs_last_driver_error(), "map file", gmemfs_last_error()};
        return file;
    }
    DeviceFile() = default;
    DeviceFile(const DeviceFile &) = delete;
    DeviceFile &operator=(const DeviceFile &) = delete;
    ~DeviceFile() {
        (void)gmemfs_unmap(mapping_);
        gmemfs_close(file_);
    }
    const gmemfs_mapping_info &info() const { return info_; }

private:
    gmemfs_file *file_ = nullptr;
    gmemfs_mapping *mapping_ = nullptr;
    gmemfs_mapping_info info_ = {};
};

// The target's memory as the host sees it: null where it can't be had, and then pwrite(2) does it. A full disk shall be
// an errno, and no SIGBUS: so it is allocated before it is touched, by each lane what it copies, or all of it at first
// where the kernel can't do that (before Linux 5.14).
class HostMapping {
public:
    HostMapping(int fd, std::uint64_t size) : size_(size) {
        void *const address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (address == MAP_FAILED) return;
        is_lazy_ = ::madvise(address, 1, MADV_POPULATE_WRITE) == 0;
        if (is_lazy_ || ::fallocate(fd, 0, 0, static_cast<off_t>(size)) == 0)
            address_ = address;
        else
            ::munmap(address, size);
    }
    HostMapping(const HostMapping &) = delete;
    HostMapping &operator=(const HostMapping &) = delete;
    ~HostMapping() {
        if (address_ != nullptr) ::munmap(address_, size_);
    }
    std::byte *bytes() const { return static_cast<std::byte *>(address_); }
    bool is_lazy() const { return is_lazy_; } ///< who copies into it allocates: CopyEnd::is_lazy

private:
    std::uint64_t size_;
    bool is_lazy_ = false;
    void *address_ = nullptr;
};

// The new file under its temporary name, removed unless it was published. Owner.
class NewFile {
public:
    /// With `mode` as open(2) makes it here, by the umask or the folder's default ACL, once set_mode() was called.
    static Result<std::unique_ptr<NewFile>> create(const std::string &target, mode_t mode) {
        auto file = std::make_unique<NewFile>();
        const std::size_t slash = target.rfind('/');
        const std::size_t start = slash == std::string::npos ? 0 : slash + 1;
        file->name_ = target.substr(0, start) + ".gmemfs-cp." + std::to_string(::getpid()) + "." +
                      target.substr(start, kNameMax / 2);
        file->fd_ = Fd(::open(file->name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
        struct stat made = {};
        if (file->fd_ && ::fstat(file->fd(), &made) == 0 && ::fchmod(file->fd(), 0600) == 0) {
            file->mode_ = made.st_mode & 0777;
            return file;
        }
        const int code = errno;
        if (file->fd_) ::unlink(file->name_.c_str());
        file->name_.clear();
        return Error{code, 0, "create file", target};
    }
    NewFile() = default;
    NewFile(const NewFile &) = delete;
    NewFile &operator=(const NewFile &) = delete;
    ~NewFile() {
        if (!name_.empty()) ::unlink(name_.c_str());
    }
    const std::string &name() const { return name_; }
    int fd() const { return fd_.get(); }
    Result<void> set_mode() const {
        if (::fchmod(fd_.get(), mode_) != 0) return Error{errno, 0, "set mode", name_};
        return {};
    }
    Result<void> publish(const std::string &target) {
        if (::rename(name_.c_str(), target.c_str()) != 0) return Error{errno, 0, "rename to", target};
        name_.clear();
        return {};
    }

private:
    std::string name_;
    Fd fd_;
    mode_t mode_ = 0;
};

Result<void> preserve_attributes(int source_fd, const NewFile &file, const struct stat &source) {
    const mode_t mode = source.st_mode & 07777;
    const int refused = ::fchown(file.fd(), source.st_uid, source.st_gid); // root alone may, as with cp -p
    TRY(copy_acls(source_fd, file.fd()));
    const mode_t kept = refused == 0 ? mode : mode & 0777;
    if (::fchmod(file.fd(), kept) != 0) return Error{errno, 0, "set mode"};
    const timespec times[] = {source.st_atim, source.st_mtim};
    if (::futimens(file.fd(), times) != 0) return Error{errno, 0, "set times"};
    return {};
}

// Within one filesystem, which may copy by itself: gmemfs does it on the device. False where it can't.
Result<bool> copy_within(int source, int target, std::uint64_t size, Progress &progress) {
    for (std::uint64_t done = 0; done < size;) {
        if (is_interrupted()) return Error{EINTR, 0, "copy"};
        const std::size_t part = std::min<std::uint64_t>(GiB, size - done);
        const ssize_t count = ::copy_file_range(source, nullptr, target, nullptr, part, 0);
        if (count < 0 && done == 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS))
            return false;
        if (count < 0) return Error{errno, 0, "copy"};
        if (count == 0) return Error{EIO, 0, "read file", "it has become shorter meanwhile"};
        done += static_cast<std::uint64_t>(count);
        progress.add(static_cast<std::uint64_t>(count));
    }
    return true;
}

struct Ends {
    CopyEnd source, target;
    Device *device = nullptr;
    std::unique_ptr<DeviceFile> mapped; // whichever of both lies in a mount
};

// Maps the one that lies in a mount. What can't be mapped here (no GPU in this container, a file that may only be
// read) is copied through the filesystem all the same.
Ends find_ends(CopyDevices &devices, const std::string &source, int source_fd, const NewFile &file) {
    Ends ends = {{source_fd}, {file.fd()}, nullptr, nullptr};
    const std::string target_library = devices.library_for(file.name());
    const std::string source_library = target_library.empty() ? devices.library_for(source) : "";
    const std::string &library = target_library.empty() ? source_library : target_library;
    if (library.empty()) return ends;
    Result<std::unique_ptr<DeviceFile>> mapped =
        DeviceFile::open(target_library.empty() ? source : file.name(), library);
    if (!mapped) return ends;
    Result<Device *> device = devices.open(library, (*mapped)->info().device);
    if (!device) return ends;
    ends.device = *device;
    ends.mapped = *std::move(mapped);
    (target_library.empty() ? ends.source : ends.target).address = ends.mapped->info().address;
    return ends;
}

Result<void> copy_contents(const CopySettings &settings, CopyDevices &devices, const std::string &source, int source_fd,
    const struct stat &status, const NewFile &file, Progress &progress) {
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size == 0) return {};
    struct stat made = {};
    if (::fstat(file.fd(), &made) != 0) return Error{errno, 0, "stat", file.name()};
    bool is_done = false;
    if (made.st_dev == status.st_dev) is_done = TRY(copy_within(source_fd, file.fd(), size, progress));
    if (!is_done && ::ftruncate(file.fd(), static_cast<off_t>(size)) != 0)
        return Error{errno, 0, "allocate", format_size(size)};
    Ends ends;
    if (size >= kMapMin && !is_done)
        ends = find_ends(devices, source, source_fd, file);
    else
        ends = {{source_fd}, {file.fd()}, nullptr, nullptr};
    if (!is_done) {
        std::unique_ptr<DirectSource> direct;
        if (ends.target.is_device() && !settings.buffered) direct = DirectSource::open(source_fd, size);
        ends.source.direct = direct.get();
        std::optional<HostMapping> mapping;
        if (ends.source.is_device()) mapping.emplace(file.fd(), size);
        if (mapping) ends.target.mapped = mapping->bytes(), ends.target.is_lazy = mapping->is_lazy();
        TRY(copy_bytes(ends.device, ends.source, ends.target, size, settings.lanes, progress));
        ends.target.mapped = nullptr;
        ends.source.direct = nullptr;
    }
    if (settings.verify) {
        const bool is_from_mount = !devices.library_for(source).empty();
        const bool is_to_mount = !devices.library_for(file.name()).empty();
        const VerifiedBy way = TRY(
            verify_copy(ends.device, {ends.source, is_from_mount}, {ends.target, is_to_mount}, size, settings.lanes));
        progress.add_verified(way == VerifiedBy::digests);
    }
    // What was written past the filesystem's back is sealed; for a host file this is what makes ENOSPC and EIO known.
    if (ends.target.is_device() && ::fsync(file.fd()) != 0) return Error{errno, 0, "seal file"};
    return {};
}

// What CopyDevices::library_for says, found out.
std::string find_library(const std::string &path) {
    const Result<Mount> mount = find_mount_of(path);
    if (!mount) return {};
    const Result<nlohmann::json> stats = read_stats(mount->path);
    if (!stats) return {};
    if (stats->value("simulated", false)) // a machine of the mount's own, unless the environment names another one
        ::setenv("GMEMFS_SIM_MACHINE", ("mount-" + std::to_string(stats->value("server_pid", 0))).c_str(), 0);
    return stats->value("driver", nlohmann::json::object()).value("library", std::string());
}

} // namespace

Result<void> copy_acls(int source, int target) {
    std::vector<char> value(64 * KiB);
    for (const std::string_view name : {kAccessAcl, kDefaultAcl}) {
        const ssize_t size = ::fgetxattr(source, name.data(), value.data(), value.size());
        if (size < 0 && errno != ENODATA && errno != EOPNOTSUPP) return Error{errno, 0, "read access control list"};
        if (size < 0)
            (void)::fremovexattr(target, name.data()); // what its folder handed down
        else if (::fsetxattr(target, name.data(), value.data(), static_cast<std::size_t>(size), 0) != 0)
            return Error{errno, 0, "set access control list"};
    }
    return {};
}

std::string CopyDevices::library_for(const std::string &path) {
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) return {};
    const auto [known, is_new] = libraries_.try_emplace(status.st_dev);
    if (is_new) known->second = find_library(path);
    return known->second;
}

Result<Device *> CopyDevices::open(const std::string &library, int ordinal) {
    std::unique_ptr<Driver> &driver = drivers_[library];
    if (!driver) driver = TRY(Driver::open(library));
    std::unique_ptr<Device> &device = devices_[{library, ordinal}];
    if (!device) {
        const DeviceInfo info = TRY(DeviceInfo::query(*driver, ordinal));
        device = TRY(Device::open(*driver, info));
    }
    return device.get();
}

Result<void> copy_file(const CopySettings &settings, CopyDevices &devices, const std::string &source,
    const std::string &target, Progress &progress) {
    progress.start_file(source);
    const Fd fd(::open(source.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return Error{errno, 0, "open file", source};
    struct stat status = {};
    if (::fstat(fd.get(), &status) != 0) return Error{errno, 0, "stat", source};
    if (!S_ISREG(status.st_mode)) return Error{EINVAL, 0, "copy", source + ": it is no regular file"};
    struct stat there = {};
    if (::stat(target.c_str(), &there) == 0 && there.st_dev == status.st_dev && there.st_ino == status.st_ino)
        return Error{EINVAL, 0, "copy", source + " and " + target + " are the same file"};
    const std::unique_ptr<NewFile> file = TRY(NewFile::create(target, status.st_mode & 0777));
    const Result<void> copied = copy_contents(settings, devices, source, fd.get(), status, *file, progress);
    if (!copied) return at(source + " to " + target, copied.error());
    const Result<void> set = settings.preserve ? preserve_attributes(fd.get(), *file, status) : file->set_mode();
    if (!set) return at(target, set.error());
    return file->publish(target);
}

Result<void> copy_stream(const std::string &source, const std::string &target, Progress &progress) {
    std::unique_ptr<NewFile> file;
    if (target != "-") file = TRY(NewFile::create(target, 0666));
    const Fd opened(source == "-" ? ::dup(STDIN_FILENO) : ::open(source.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened) return Error{errno, 0, "open file", source};
    progress.start_file(source == "-" ? "standard input" : source);
    const int out = file ? file->fd() : STDOUT_FILENO;
    std::vector<std::byte> buffer(kStreamBuffer);
    for (;;) {
        if (is_interrupted()) return Error{EINTR, 0, "copy", source};
        const ssize_t count = ::read(opened.get(), buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error{errno, 0, "read", source};
        if (count == 0) break;
        for (ssize_t done = 0; done < count;) {
            const ssize_t part = ::write(out, buffer.data() + done, static_cast<std::size_t>(count - done));
            if (part < 0 && errno == EINTR && !is_interrupted()) continue;
            if (part < 0) return Error{errno, 0, "write", target};
            done += part;
        }
        progress.add(static_cast<std::uint64_t>(count));
    }
    if (!file) return {};
    TRY(file->set_mode());
    return file->publish(target);
}

} // namespace gmemfs
