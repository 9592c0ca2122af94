// Gmemfs: the C interface over Session and Range: checks arguments, keeps the last error, and hands out objects.
#include "client/gmemfs.h"

#include "client/range.hpp"
#include "vmm/base/lock.hpp"

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

/// Immutable after gmemfs_map, and so thread-safe.
struct gmemfs_mapping {
    std::shared_ptr<gmemfs_file> file; // first: its driver is the last to go
    gmemfs::client::Session session;
    std::uint64_t lease;
    std::optional<gmemfs::client::Range> range;
    gmemfs_mapping_info info;
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

// gmemfs_file is shared with its mappings; what the caller holds is the address of a share.
using Share = std::shared_ptr<gmemfs_file>;
Share *share_of(gmemfs_file *file) { return reinterpret_cast<Share *>(file); }

Error on(const std::string &path, Error error) {
    error.detail = path + (error.detail.empty() ? "" : ": " + error.detail);
    return error;
}

Result<Share> open(const char *path, const gmemfs_open_options &options) {
    constexpr int kKnown = GMEMFS_CREATE | GMEMFS_EXCLUSIVE | GMEMFS_TRUNCATE;
    if (path == nullptr || (options.flags & ~kKnown) != 0)
        return Error{EINVAL, 0, "open file", path == nullptr ? "no path" : "unknown flags"};
    const int flags = O_RDWR | O_CLOEXEC | ((options.flags & GMEMFS_CREATE) != 0 ? O_CREAT : 0) |
                      ((options.flags & GMEMFS_EXCLUSIVE) != 0 ? O_EXCL : 0) |
                      ((options.flags & GMEMFS_TRUNCATE) != 0 ? O_TRUNC : 0);
    auto file = std::make_shared<gmemfs_file>();
    file->path = path;
    file->fd = Fd(::open(path, flags, options.mode == 0 ? 0600 : options.mode));
    if (!file->fd) return Error{errno, 0, "open file", path};
    const Result<std::string> socket = read_attribute(file->fd, protocol::kSocketAttribute);
    if (!socket && (socket.error().code == ENODATA || socket.error().code == ENOTSUP))
        return Error{ENOTTY, 0, "open file", file->path + ": it is on no gmemfs mount, or on one without a broker"};
    struct stat status = {};
    if (::fstat(file->fd.get(), &status) != 0) return Error{errno, 0, "stat file", path};
    const bool is_resize = options.size != 0 && options.size != static_cast<std::uint64_t>(status.st_size);
    if (is_resize && ::ftruncate(file->fd.get(), static_cast<off_t>(options.size)) != 0)
        return Error{errno, 0, "allocate device memory", file->path + ": " + format_size(options.size)};
    file->driver = TRY(Driver::open(driver_library(options.driver)));
    file->devices = TRY(query_devices(*file->driver));
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

Result<std::unique_ptr<gmemfs_mapping>> map_by(
    const Share &file, const gmemfs_map_options &options, std::uint32_t handle_types) {
    const std::uint32_t lease = (options.access == GMEMFS_READ ? 0 : protocol::kWriteLease) |
                                (options.sharing == GMEMFS_ALONE ? protocol::kExclusiveLease : 0);
    Session session = TRY(Session::connect(file->fd, file->path));
    Attached attached = TRY(session.attach(file->fd, handle_types, lease));
    Result<Range> range = Range::create(*file->driver, file->devices, attached,
        options.access == GMEMFS_READ ? Access::read : Access::write, options.address);
    if (!range) {
        (void)session.release(attached.lease); // or it would last as long as this process
        return on(file->path, range.error());
    }
    const protocol::ExtentRecord &first = attached.extents.front();
    const gmemfs_mapping_info info = {sizeof info, range->address(), range->size(), attached.size,
        ordinal_of(*file, first.device), options.access,
        first.handle_type == protocol::kFabric ? GMEMFS_HANDLES_FABRIC : GMEMFS_HANDLES_FD,
        static_cast<unsigned>(attached.extents.size())};
    return std::unique_ptr<gmemfs_mapping>(
        new gmemfs_mapping{file, std::move(session), attached.lease, *std::move(range), info});
}

Result<std::unique_ptr<gmemfs_mapping>> map(const Share &file, const gmemfs_map_options &options) {
    const bool is_known = (options.access == GMEMFS_READ_WRITE || options.access == GMEMFS_READ) &&
                          (options.sharing == GMEMFS_SHARED || options.sharing == GMEMFS_ALONE) &&
                          options.handles >= GMEMFS_HANDLES_ANY && options.handles <= GMEMFS_HANDLES_FD;
    if (!is_known) return Error{EINVAL, 0, "map file", file->path + ": unknown options"};
    if (options.handles == GMEMFS_HANDLES_FABRIC) return map_by(file, options, protocol::kFabric);
    if (options.handles == GMEMFS_HANDLES_FD) return map_by(file, options, protocol::kDescriptor);
    // The server may have fabric handles and this process none (no IMEX channel in its container, another device
    // plugin): then the driver's error can be any, and descriptors work all the same.
    Result<std::unique_ptr<gmemfs_mapping>> mapping = map_by(file, options, protocol::kFabric | protocol::kDescriptor);
    if (mapping || mapping.error().driver == 0) return mapping;
    return map_by(file, options, protocol::kDescriptor);
}

Result<int> export_dma_buf(const gmemfs_mapping &mapping, std::uint64_t offset, std::uint64_t length) {
    const Range &range = *mapping.range;
    const Driver &driver = *mapping.file->driver;
    const std::string &path = mapping.file->path;
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
    Result<std::unique_ptr<gmemfs_mapping>> made = map(*share_of(file), *read);
    if (!made) return fail(made.error());
    *mapping = made->release();
    return 0;
}

int gmemfs_get_info(gmemfs_mapping *mapping, gmemfs_mapping_info *info) {
    const std::size_t size = info->struct_size;
    if (size < sizeof(std::size_t) || size > 4096)
        return fail(Error{EINVAL, 0, "describe mapping", "struct_size isn't set to the struct's size"});
    std::memset(info, 0, size);
    std::memcpy(info, &mapping->info, std::min(size, sizeof mapping->info));
    info->struct_size = size;
    return 0;
}

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
    return finish(last->session.release(last->lease));
}

const char *gmemfs_last_error(void) { return last_error.text.c_str(); }
int gmemfs_last_driver_error(void) { return last_error.driver; }
const char *gmemfs_get_version(void) { return GMEMFS_VERSION; }
