#include "client/lib/opening.hpp"

#include "client/lib/connection.hpp"
#include "vmm/base/units.hpp"

#include <cstdio>
#include <fcntl.h>
#include <limits>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace gmemfs::client {
namespace {

constexpr int kLinksMax = 40; // as Linux has it

Error failed(int code, const std::string &path) { return Error{code, 0, "open file", path}; }

// What is to be done with a file besides opening it.
enum class Intent { use, change };

// ENOTTY: it is anywhere else. Before a change by the filesystem's type as well: any file of one's own can have the
// attribute. Either costs a request to the server; what is only used needs none where a connection says it.
Result<void> check_mount(const Fd &file, const std::string &path, Intent intent) {
    if (intent == Intent::use && is_connected(file)) return {};
    struct statfs status = {};
    if (intent == Intent::change && ::fstatfs(file.get(), &status) != 0) return failed(errno, path);
    if (intent == Intent::use || status.f_type == FUSE_SUPER_MAGIC) {
        const Result<std::string> socket = read_attribute(file, protocol::kSocketAttribute);
        if (socket || socket.error().code == EAGAIN) return {}; // EAGAIN: a server that took over is about to listen
        if (socket.error().code != ENODATA && socket.error().code != ENOTSUP) return failed(socket.error().code, path);
    }
    return failed(ENOTTY, path + ": it is on no gmemfs mount, or on one without a broker");
}

// `at`: something on the mount, which knows its driver.
Result<std::shared_ptr<const Devices>> open_devices_at(const Fd &at, const char *chosen) {
    const std::string library = driver_library(chosen);
    Result<std::shared_ptr<const Devices>> devices = open_devices(library);
    if (!devices) return name_driver(at, library, devices.error());
    return devices;
}

// Where a file is, or would be made: no link any more, and on a mount.
struct Place {
    Fd file;   // with O_PATH, where there is one
    Fd folder; // with O_PATH, where there is none
    std::string name;
};

// Where open(2) would make the file: a symbolic link to nothing is followed.
Result<Place> find_folder(const char *path, int flags) {
    Place place;
    std::string rest = path;
    for (int links = 0; links <= kLinksMax; ++links) {
        const std::size_t slash = rest.rfind('/');
        const std::string folder = slash == std::string::npos ? "." : rest.substr(0, slash + 1);
        place.name = slash == std::string::npos ? rest : rest.substr(slash + 1);
        if (place.name.empty()) return failed(rest.empty() ? ENOENT : EISDIR, path);
        const int base = place.folder ? place.folder.get() : AT_FDCWD;
        Fd next(::openat(base, folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!next) return failed(errno, path);
        place.folder = std::move(next);
        std::string target(4096, '\0');
        const ssize_t length = ::readlinkat(place.folder.get(), place.name.c_str(), target.data(), target.size());
        if (length < 0 || (flags & GMEMFS_EXCLUSIVE) != 0) {
            TRY(check_mount(place.folder, path, Intent::change));
            return place;
        }
        rest = target.substr(0, static_cast<std::size_t>(length));
    }
    return failed(ELOOP, path);
}

Result<Place> find_place(const char *path, int flags, Intent intent) {
    Place place;
    place.file = Fd(::open(path, O_PATH | O_CLOEXEC));
    if (!place.file) {
        if (errno == ENOENT && (flags & GMEMFS_CREATE) != 0) return find_folder(path, flags);
        return failed(errno, path);
    }
    TRY(check_mount(place.file, path, intent));
    if ((flags & GMEMFS_CREATE) != 0 && (flags & GMEMFS_EXCLUSIVE) != 0) return failed(EEXIST, path);
    return place;
}

Result<Fd> open_place(const Place &place, const char *path, int flags, unsigned mode) {
    if (place.file) {
        char link[64];
        std::snprintf(link, sizeof link, "/proc/self/fd/%d", place.file.get());
        Fd file(::open(link, O_RDWR | O_CLOEXEC)); // the very file that was looked at
        if (!file) return failed(errno, path);
        return file;
    }
    const int exclusive = (flags & GMEMFS_EXCLUSIVE) != 0 ? O_EXCL : 0;
    Fd file(::openat(place.folder.get(), place.name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | exclusive,
        mode == 0 ? 0600 : mode));
    if (!file) return failed(errno, path);
    TRY(check_mount(file, path, Intent::change)); // another mount may have come to lie there
    return file;
}

Result<void> resize(const Fd &file, const std::string &path, std::uint64_t size) {
    if (::ftruncate(file.get(), static_cast<off_t>(size)) == 0) return {};
    return Error{errno, 0, "allocate device memory", path + ": " + format_size(size)};
}

} // namespace

Result<std::shared_ptr<OpenedPath>> open_file(const char *path, const gmemfs_open_options &options) {
    constexpr int kKnown = GMEMFS_CREATE | GMEMFS_EXCLUSIVE | GMEMFS_TRUNCATE;
    if (path == nullptr || (options.flags & ~kKnown) != 0)
        return Error{EINVAL, 0, "open file", path == nullptr ? "no path" : "unknown flags"};
    if (options.size > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()))
        return Error{EFBIG, 0, "open file", std::string(path) + ": no file can have that size"};
    const bool may_change = (options.flags & GMEMFS_TRUNCATE) != 0 || options.size != 0;
    const Place place = TRY(find_place(path, options.flags, may_change ? Intent::change : Intent::use));
    auto opened = std::make_shared<OpenedPath>();
    opened->path = path;
    opened->devices = TRY(open_devices_at(place.file ? place.file : place.folder, options.driver));
    opened->fd = TRY(open_place(place, path, options.flags, options.mode));
    if ((options.flags & GMEMFS_TRUNCATE) != 0) TRY(resize(opened->fd, opened->path, 0));
    struct stat status = {};
    if (::fstat(opened->fd.get(), &status) != 0) return Error{errno, 0, "stat file", path};
    if (options.size != 0 && options.size != static_cast<std::uint64_t>(status.st_size))
        TRY(resize(opened->fd, opened->path, options.size));
    return opened;
}

Result<std::shared_ptr<OpenedPath>> open_directory(const char *path, const char *library) {
    if (path == nullptr) return Error{EINVAL, 0, "map directory", "no path"};
    auto opened = std::make_shared<OpenedPath>();
    opened->path = path;
    opened->fd = Fd(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened->fd) return failed(errno, path);
    TRY(check_mount(opened->fd, opened->path, Intent::use));
    opened->devices = TRY(open_devices_at(opened->fd, library));
    return opened;
}

} // namespace gmemfs::client
