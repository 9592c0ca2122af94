#include "tools/copy/ends.hpp"

#include "client/lib/gmemfs.h"
#include "tools/copy/direct_source.hpp"
#include "tools/host/mounts.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs {
namespace {

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
    bool is_lazy() const { return is_lazy_; } ///< the copy allocates: see CopyEnd::is_lazy

private:
    std::uint64_t size_;
    bool is_lazy_ = false;
    void *address_ = nullptr;
};

struct Ends {
    CopyEnd source, target;
    Device *device = nullptr;
    std::unique_ptr<DeviceFile> mapped; // whichever of both lies in a mount
};

// Maps the one that lies in a mount.
Ends find_ends(CopyDevices &devices, const OpenedFile &source, const OpenedFile &target) {
    Ends ends = {{source.fd}, {target.fd}, nullptr, nullptr};
    const std::string target_library = devices.library_for(target.place);
    const std::string source_library = target_library.empty() ? devices.library_for(source.place) : "";
    const std::string &library = target_library.empty() ? source_library : target_library;
    // Mapping a packed file would wake it; by read(2) it stays as it is.
    if (library.empty() || (target_library.empty() && is_packed(source.fd))) return ends;
    Result<std::unique_ptr<DeviceFile>> mapped =
        DeviceFile::open(target_library.empty() ? source.path : target.path, library);
    if (!mapped) return ends;
    Result<Device *> device = devices.open(library, (*mapped)->info().device);
    if (!device) return ends;
    ends.device = *device;
    ends.mapped = *std::move(mapped);
    (target_library.empty() ? ends.source : ends.target).address = ends.mapped->info().address;
    return ends;
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

bool is_packed(int fd) {
    char value[4096] = {};
    if (::fgetxattr(fd, "user.gmemfs.residence", value, sizeof value - 1) < 0) return false;
    const nlohmann::json told = nlohmann::json::parse(value, nullptr, false);
    return told.is_object() && told.value("where", std::string()).ends_with("packed");
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

Result<std::uint64_t> copy_side_by_side(CopyDevices &devices, const OpenedFile &source, const OpenedFile &target,
    std::uint64_t size, unsigned lanes, ReadsDisk reads, Progress &progress) {
    Ends ends = find_ends(devices, source, target);
    std::unique_ptr<DirectSource> direct;
    if (ends.target.is_device() && reads == ReadsDisk::directly) direct = DirectSource::open(source.fd, size);
    ends.source.direct = direct.get();
    std::optional<HostMapping> mapping;
    if (ends.source.is_device()) mapping.emplace(target.fd, size);
    if (mapping) ends.target.mapped = mapping->bytes(), ends.target.is_lazy = mapping->is_lazy();
    const std::uint64_t copied = TRY(copy_bytes(ends.device, ends.source, ends.target, size, lanes, progress));
    // What was written past the filesystem's back is sealed.
    if (ends.target.is_device() && ::fsync(target.fd) != 0) return Error{errno, 0, "seal file", {}};
    return copied;
}

} // namespace gmemfs
