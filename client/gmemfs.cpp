// Gmemfs: the C interface over Session and Range: checks arguments, keeps the last error, and hands out objects.
#include "client/gmemfs.h"

#include "client/range.hpp"
#include "vmm/base/lock.hpp"

#include <algorithm>
#include <cstddef>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

/// Immutable after gmemfs_open, and so thread-safe. Mappings hold it too.
struct gmemfs_file {
    std::string path;
    gmemfs::Fd fd;
    std::unique_ptr<gmemfs::Driver> driver;
    std::vector<gmemfs::DeviceInfo> devices;
};

namespace gmemfs::client {

/// Thread-safe: a directory's mappings share one.
class Connection {
public:
    explicit Connection(Session session) : session_(std::move(session)) {}
    /// Calls `call(session)`, while nobody else uses it.
    template <typename Call>
    auto use(const Call &call) EXCLUDES(mutex_) {
        const Hold hold(mutex_);
        return call(session_);
    }
    Result<void> release(std::uint64_t lease) {
        return use([&](Session &session) { return session.release(lease); });
    }

private:
    Mutex mutex_;
    Session session_ GUARDED_BY(mutex_);
};

} // namespace gmemfs::client

/// Immutable after gmemfs_map, and so thread-safe.
struct gmemfs_mapping {
    std::shared_ptr<gmemfs_file> file; // first: its driver is the last to go; of a directory's mapping, the directory
    std::string path;
    std::shared_ptr<gmemfs::client::Connection> connection;
    std::uint64_t lease;
    std::optional<gmemfs::client::Range> range;
    gmemfs_mapping_info info;
};

/// Immutable after gmemfs_map_directory, and so thread-safe.
struct gmemfs_directory {
    struct File {
        std::string name;
        gmemfs_mapping *mapping; // the caller's
        int code;
        std::string text;
    };
    std::vector<File> files;
};

namespace gmemfs::client {
namespace {

struct LastError {
    std::string text;
    int driver = 0;
};
thread_local LastError last_error;

int fail(const Error &error) {
    last_error = {error.text(), error.driver};
    return error.code;
}

int finish(const Result<void> &result) { return result ? 0 : fail(result.error()); }

// An older caller's struct is shorter: what it lacks is 0. A newer one's is longer: what we don't know must be 0.
template <typename Options>
Result<Options> read_options(const Options *given) {
    Options options = {};
    if (given == nullptr) return options;
    const std::size_t size = given->struct_size;
    const auto *const bytes = reinterpret_cast<const unsigned char *>(given);
    if (size < sizeof(std::size_t) || size > 4096)
        return Error{EINVAL, 0, "read options", "struct_size isn't set to the struct's size"};
    for (std::size_t index = sizeof options; index < size; ++index)
        if (bytes[index] != 0)
            return Error{E2BIG, 0, "read options", "they ask for what this libgmemfs doesn't know: update it"};
    std::memcpy(&options, bytes, std::min(size, sizeof options));
    return options;
}

// What the caller's struct, older or newer, has room for.
template <typename Info>
int hand_out(const Info &known, Info *info) {
    const std::size_t size = info->struct_size;
    if (size < sizeof(std::size_t) || size > 4096)
        return fail(Error{EINVAL, 0, "describe", "struct_size isn't set to the struct's size"});
    std::memset(info, 0, size);
    std::memcpy(info, &known, std::min(size, sizeof known));
    info->struct_size = size;
    return 0;
}

// gmemfs_file is shared with its mappings; what the caller holds is the address of a share.
using Share = std::shared_ptr<gmemfs_file>;
Share *share_of(gmemfs_file *file) { return reinterpret_cast<Share *>(file); }

Error on(const std::string &path, Error error) {
    error.detail = path + (error.detail.empty() ? "" : ": " + error.detail);
    return error;
}

Result<Share> open_with(const char *path, int flags, unsigned mode) {
    auto file = std::make_shared<gmemfs_file>();
    file->path = path;
    file->fd = Fd(::open(path, flags, mode));
    if (!file->fd) return Error{errno, 0, "open file", path};
    const Result<std::string> socket = read_attribute(file->fd, protocol::kSocketAttribute);
    if (!socket && (socket.error().code == ENODATA || socket.error().code == ENOTSUP))
        return Error{ENOTTY, 0, "open file", file->path + ": it is on no gmemfs mount, or on one without a broker"};
    return file;
}

// A peer needs the driver that its mount uses; of a simulated mount that is the simulator.
Error name_driver(const gmemfs_file &file, const std::string &library, Error error) {
    const Result<std::string> used = read_attribute(file.fd, "user.gmemfs.driver");
    if (used && *used != library) error.detail += "; its mount uses another driver library: set GMEMFS_DRIVER=" + *used;
    return error;
}

Result<void> use_driver(gmemfs_file &file, const char *chosen) {
    const std::string library = driver_library(chosen);
    Result<std::unique_ptr<Driver>> driver = Driver::open(library);
    if (!driver) return name_driver(file, library, driver.error());
    file.driver = *std::move(driver);
    file.devices = TRY(query_devices(*file.driver));
    return {};
}

Result<Share> open(const char *path, const gmemfs_open_options &options) {
    constexpr int kKnown = GMEMFS_CREATE | GMEMFS_EXCLUSIVE | GMEMFS_TRUNCATE;
    if (path == nullptr || (options.flags & ~kKnown) != 0)
        return Error{EINVAL, 0, "open file", path == nullptr ? "no path" : "unknown flags"};
    const int flags = O_RDWR | O_CLOEXEC | ((options.flags & GMEMFS_CREATE) != 0 ? O_CREAT : 0) |
                      ((options.flags & GMEMFS_EXCLUSIVE) != 0 ? O_EXCL : 0) |
                      ((options.flags & GMEMFS_TRUNCATE) != 0 ? O_TRUNC : 0);
    const Share file = TRY(open_with(path, flags, options.mode == 0 ? 0600 : options.mode));
    struct stat status = {};
    if (::fstat(file->fd.get(), &status) != 0) return Error{errno, 0, "stat file", path};
    const bool is_resize = options.size != 0 && options.size != static_cast<std::uint64_t>(status.st_size);
    if (is_resize && ::ftruncate(file->fd.get(), static_cast<off_t>(options.size)) != 0)
        return Error{errno, 0, "allocate device memory", file->path + ": " + format_size(options.size)};
    TRY(use_driver(*file, options.driver));
    return file;
}

Result<int> find_device(const gmemfs_file &file, const std::string &uuid) {
    for (const DeviceInfo &device : file.devices)
        if (device.uuid_text() == uuid) return device.ordinal;
    return Error{ENODEV, 0, "find device", uuid + " isn't one that this process sees: mind CUDA_VISIBLE_DEVICES"};
}

int ordinal_of(const gmemfs_file &file, const std::array<std::uint8_t, 16> &uuid) {
    for (const DeviceInfo &device : file.devices)
        if (device.uuid == uuid) return device.ordinal;
    return -1; // not reached: Range::create has found it
}

std::uint32_t lease_of(const gmemfs_map_options &options) {
    return (options.access == GMEMFS_READ ? 0 : protocol::kWriteLease) |
           (options.sharing == GMEMFS_ALONE ? protocol::kExclusiveLease : 0);
}

using OwnMapping = std::unique_ptr<gmemfs_mapping>;

Result<OwnMapping> make_mapping(const Share &file, const std::string &path,
    const std::shared_ptr<Connection> &connection, Attached &attached, const gmemfs_map_options &options) {
    Result<Range> range = Range::create(*file->driver, file->devices, attached,
        options.access == GMEMFS_READ ? Access::read : Access::write, options.address);
    if (!range) return on(path, name_driver(*file, file->driver->library, range.error()));
    const protocol::ExtentRecord &first = attached.extents.front();
    const gmemfs_mapping_info info = {sizeof info, range->address(), range->size(), attached.size,
        ordinal_of(*file, first.device), options.access,
        first.handle_type == protocol::kFabric ? GMEMFS_HANDLES_FABRIC : GMEMFS_HANDLES_FD,
        static_cast<unsigned>(attached.extents.size())};
    return OwnMapping(new gmemfs_mapping{file, path, connection, attached.lease, *std::move(range), info});
}

Result<OwnMapping> map_by(const Share &file, const gmemfs_map_options &options, std::uint32_t handle_types) {
    const auto connection = std::make_shared<Connection>(TRY(Session::connect(file->fd, file->path)));
    Attached attached = TRY(
        connection->use([&](Session &session) { return session.attach(file->fd, handle_types, lease_of(options)); }));
    Result<OwnMapping> mapping = make_mapping(file, file->path, connection, attached, options);
    if (!mapping) (void)connection->release(attached.lease); // or it would last as long as this process
    return mapping;
}

Result<void> check_options(const gmemfs_map_options &options, const std::string &path) {
    const bool is_known = (options.access == GMEMFS_READ_WRITE || options.access == GMEMFS_READ) &&
                          (options.sharing == GMEMFS_SHARED || options.sharing == GMEMFS_ALONE) &&
                          options.handles >= GMEMFS_HANDLES_ANY && options.handles <= GMEMFS_HANDLES_FD;
    if (is_known) return {};
    return Error{EINVAL, 0, "map file", path + ": unknown options"};
}

// Calls `map_with(handle types)`. The server may have fabric handles and this process none (no IMEX channel in its
// container, another device plugin): then the driver's error can be any, and descriptors work all the same.
template <typename MapWith, typename IsFailure>
auto map_by_handles(int handles, const MapWith &map_with, const IsFailure &is_driver_failure) {
    if (handles == GMEMFS_HANDLES_FABRIC) return map_with(protocol::kFabric);
    if (handles == GMEMFS_HANDLES_FD) return map_with(protocol::kDescriptor);
    auto made = map_with(protocol::kFabric | protocol::kDescriptor);
    return is_driver_failure(made) ? map_with(protocol::kDescriptor) : std::move(made);
}

Result<OwnMapping> map(const Share &file, const gmemfs_map_options &options) {
    TRY(check_options(options, file->path));
    return map_by_handles(
        options.handles, [&](std::uint32_t handle_types) { return map_by(file, options, handle_types); },
        [](const Result<OwnMapping> &made) { return !made && made.error().driver != 0; });
}

struct Entry {
    std::string name;
    OwnMapping mapping;
    std::optional<Error> error;
};
using Entries = std::vector<Entry>;

void unmap_all(Entries &entries) {
    for (Entry &entry : entries) (void)gmemfs_unmap(entry.mapping.release());
}

Result<Entries> map_directory_by(
    const Share &directory, const gmemfs_map_options &options, std::uint32_t handle_types) {
    const auto connection = std::make_shared<Connection>(TRY(Session::connect(directory->fd, directory->path)));
    Entries entries;
    const auto take = [&](AttachedEntry &attached) {
        const std::string path = directory->path + "/" + attached.name;
        Result<OwnMapping> mapping = Error{attached.code, 0, "map file", path + ": " + attached.text};
        if (attached.code == 0) mapping = make_mapping(directory, path, connection, attached.attached, options);
        const bool is_mapped = mapping.has_value();
        if (is_mapped)
            entries.push_back({attached.name, *std::move(mapping), std::nullopt});
        else
            entries.push_back({attached.name, nullptr, mapping.error()});
        return is_mapped;
    };
    const Result<void> attached = connection->use([&](Session &session) {
        return session.attach_directory(directory->fd, handle_types, lease_of(options), take);
    });
    if (attached) return entries;
    unmap_all(entries);
    return Error(attached.error());
}

Result<Entries> map_directory(const char *path, const gmemfs_map_options &options, const char *library) {
    if (path == nullptr) return Error{EINVAL, 0, "map directory", "no path"};
    TRY(check_options(options, path));
    if (options.address != 0) return Error{EINVAL, 0, "map directory", "its files can't all have one address"};
    const Share directory = TRY(open_with(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
    TRY(use_driver(*directory, library));
    const auto is_drivers = [](const Entry &entry) { return entry.error && entry.error->driver != 0; };
    return map_by_handles(
        options.handles, [&](std::uint32_t handle_types) { return map_directory_by(directory, options, handle_types); },
        [&](Result<Entries> &made) {
            if (!made || std::none_of(made->begin(), made->end(), is_drivers)) return false;
            unmap_all(*made); // all of it once more, by descriptors
            return true;
        });
}

Result<int> export_dma_buf(const gmemfs_mapping &mapping, std::uint64_t offset, std::uint64_t length) {
    const Range &range = *mapping.range;
    const Driver &driver = *mapping.file->driver;
    const std::string &path = mapping.path;
    const bool is_within = length != 0 && offset < range.size() && length <= range.extent_end(offset) - offset;
    if (!is_within) return Error{EINVAL, 0, "make dma-buf", path + ": the part isn't within one extent of the mapping"};
    if (driver.cuMemGetHandleForAddressRange == nullptr)
        return Error{ENOTSUP, 0, "make dma-buf", path + ": the driver is too old: it takes CUDA 11.7"};
    int fd = -1;
    const Result<void> made = driver.check(driver.cuMemGetHandleForAddressRange(&fd, range.address() + offset, length,
                                               CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD, 0),
        "make dma-buf", {{CUDA_ERROR_INVALID_CONTEXT, EINVAL}});
    if (!made) return on(path, made.error());
    return fd;
}

} // namespace
} // namespace gmemfs::client

using namespace gmemfs::client;
using gmemfs::Error;
using gmemfs::Result;

int gmemfs_open(const char *path, const gmemfs_open_options *options, gmemfs_file **file) {
    const Result<gmemfs_open_options> read = read_options(options);
    if (!read) return fail(read.error());
    Result<Share> opened = open(path, *read);
    if (!opened) return fail(opened.error());
    *file = reinterpret_cast<gmemfs_file *>(std::make_unique<Share>(*std::move(opened)).release());
    return 0;
}

void gmemfs_close(gmemfs_file *file) { const std::unique_ptr<Share> last(share_of(file)); }

int gmemfs_get_size(gmemfs_file *file, uint64_t *size) {
    struct stat status = {};
    if (::fstat((*share_of(file))->fd.get(), &status) != 0)
        return fail(Error{errno, 0, "stat file", (*share_of(file))->path});
    *size = static_cast<uint64_t>(status.st_size);
    return 0;
}

int gmemfs_set_size(gmemfs_file *file, uint64_t size) {
    const Share &share = *share_of(file);
    if (::ftruncate(share->fd.get(), static_cast<off_t>(size)) == 0) return 0;
    return fail(Error{errno, 0, "allocate device memory", share->path + ": " + gmemfs::format_size(size)});
}

int gmemfs_get_fd(gmemfs_file *file) { return (*share_of(file))->fd.get(); }

int gmemfs_get_device(gmemfs_file *file, int *ordinal) {
    const Share &share = *share_of(file);
    const Result<std::string> uuid = read_attribute(share->fd, "user.gmemfs.device");
    if (!uuid) return fail(on(share->path, uuid.error()));
    const Result<int> found = find_device(*share, *uuid);
    if (!found) return fail(on(share->path, found.error()));
    *ordinal = *found;
    return 0;
}

int gmemfs_seal(gmemfs_file *file) {
    if (::fsync((*share_of(file))->fd.get()) == 0) return 0;
    return fail(Error{errno, 0, "seal file", (*share_of(file))->path});
}

int gmemfs_map(gmemfs_file *file, const gmemfs_map_options *options, gmemfs_mapping **mapping) {
    const Result<gmemfs_map_options> read = read_options(options);
    if (!read) return fail(read.error());
    Result<OwnMapping> made = map(*share_of(file), *read);
    if (!made) return fail(made.error());
    *mapping = made->release();
    return 0;
}

int gmemfs_get_info(gmemfs_mapping *mapping, gmemfs_mapping_info *info) { return hand_out(mapping->info, info); }

int gmemfs_get_dma_buf(gmemfs_mapping *mapping, uint64_t offset, uint64_t length, int *fd) {
    const Result<int> made = export_dma_buf(*mapping, offset, length);
    if (!made) return fail(made.error());
    *fd = *made;
    return 0;
}

int gmemfs_unmap(gmemfs_mapping *mapping) {
    const std::unique_ptr<gmemfs_mapping> last(mapping);
    if (!last) return 0;
    last->range.reset(); // before the broker may give the memory to others
    return finish(last->connection->release(last->lease));
}

int gmemfs_map_directory(
    const char *path, const gmemfs_map_options *options, const char *driver, gmemfs_directory **directory) {
    const Result<gmemfs_map_options> read = read_options(options);
    if (!read) return fail(read.error());
    Result<Entries> made = map_directory(path, *read, driver);
    if (!made) return fail(made.error());
    auto listed = std::make_unique<gmemfs_directory>();
    for (Entry &entry : *made)
        listed->files.push_back({std::move(entry.name), entry.mapping.release(), entry.error ? entry.error->code : 0,
            entry.error ? entry.error->text() : std::string()});
    *directory = listed.release();
    return 0;
}

size_t gmemfs_get_entry_count(gmemfs_directory *directory) { return directory->files.size(); }

int gmemfs_get_entry(gmemfs_directory *directory, size_t index, gmemfs_entry *entry) {
    if (index >= directory->files.size()) return fail(Error{EINVAL, 0, "describe entry", "there aren't so many"});
    const gmemfs_directory::File &file = directory->files[index];
    return hand_out(gmemfs_entry{sizeof *entry, file.name.c_str(), file.mapping, file.code, file.text.c_str()}, entry);
}

void gmemfs_free_directory(gmemfs_directory *directory) { const std::unique_ptr<gmemfs_directory> last(directory); }

const char *gmemfs_last_error(void) { return last_error.text.c_str(); }
int gmemfs_last_driver_error(void) { return last_error.driver; }
const char *gmemfs_get_version(void) { return GMEMFS_VERSION; }
