// Gmemfs: the C interface: checks arguments, finds what handles stand for, and keeps the last error.
//
// In a copy of the process (origin.hpp) what ends an object does nothing, and everything else is ECHILD; both
// before any lock is taken, which another thread may have held when the process was copied.
#include "client/lib/gmemfs.h"

#include "client/lib/attaching.hpp"
#include "client/lib/device_wait.hpp"
#include "client/lib/dlpack.hpp"
#include "client/lib/handle_table.hpp"
#include "client/lib/last_error.hpp"
#include "client/lib/options.hpp"
#include "client/lib/origin.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <cstddef>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs::client {
namespace {

/// Immutable, and so thread-safe.
struct MappedDirectory {
    struct File {
        std::string name;
        gmemfs_mapping *mapping; // the caller's
        int code;
        std::string text;
    };
    std::vector<File> files;
};

struct Tables {
    HandleTable<gmemfs_file, OpenedPath> files;
    HandleTable<gmemfs_mapping, FileMapping> mappings;
    HandleTable<gmemfs_directory, MappedDirectory> directories;
};

Tables &tables() {
    static auto *const only = new Tables; // never destroyed: static objects and threads unmap when main has ended
    return *only;
}

Error closed(const char *doing) { return Error{EBADF, 0, doing, "it is closed, or never was one"}; }

Result<std::shared_ptr<OpenedPath>> find(const gmemfs_file *handle) {
    TRY(check_origin());
    std::shared_ptr<OpenedPath> file = tables().files.find(handle);
    if (!file) return closed("use file");
    return file;
}

Result<std::shared_ptr<FileMapping>> find(const gmemfs_mapping *handle) {
    TRY(check_origin());
    std::shared_ptr<FileMapping> mapping = tables().mappings.find(handle);
    if (!mapping) return closed("use mapping");
    return mapping;
}

Result<std::shared_ptr<MappedDirectory>> find(const gmemfs_directory *handle) {
    TRY(check_origin());
    std::shared_ptr<MappedDirectory> directory = tables().directories.find(handle);
    if (!directory) return closed("use directory");
    return directory;
}

Result<gmemfs_file *> open(const char *path, const gmemfs_open_options *options) {
    TRY(check_origin());
    const gmemfs_open_options read = TRY(read_options(options));
    return tables().files.add(TRY(open_file(path, read)));
}

Result<std::uint64_t> size_of(const gmemfs_file *handle) {
    const std::shared_ptr<OpenedPath> file = TRY(find(handle));
    struct stat status = {};
    if (::fstat(file->fd.get(), &status) != 0) return Error{errno, 0, "stat file", file->path};
    return static_cast<std::uint64_t>(status.st_size);
}

Result<void> resize(const gmemfs_file *handle, std::uint64_t size) {
    const std::shared_ptr<OpenedPath> file = TRY(find(handle));
    const bool is_size = static_cast<off_t>(size) >= 0;
    if (is_size && ::ftruncate(file->fd.get(), static_cast<off_t>(size)) == 0) return {};
    return Error{is_size ? errno : EFBIG, 0, "allocate device memory", file->path + ": " + format_size(size)};
}

// Of a file over several devices, the one that byte 0 lives on.
Result<std::string> first_device(const Fd &file) {
    constexpr std::string_view kBefore = "\"device\":\"";
    const std::string extents = TRY(read_attribute(file, "user.gmemfs.extents"));
    const std::size_t at = extents.find(kBefore);
    if (at == std::string::npos) return Error{ENODATA, 0, "find device", "it has no memory yet, on any of its devices"};
    const std::size_t start = at + kBefore.size();
    return extents.substr(start, extents.find('"', start) - start);
}

Result<int> device_of(const gmemfs_file *handle) {
    const std::shared_ptr<OpenedPath> file = TRY(find(handle));
    Result<std::string> uuid = read_attribute(file->fd, "user.gmemfs.device");
    if (!uuid) return about(file->path, uuid.error());
    if (uuid->find(':') != std::string::npos) uuid = first_device(file->fd);
    if (!uuid) return about(file->path, uuid.error());
    if (*uuid == "host") return -1;
    for (const DeviceInfo &device : file->devices->all)
        if (device.uuid_text() == *uuid) return device.ordinal;
    return Error{ENODEV, 0, "find device",
        file->path + ": " + *uuid + " isn't one that this process sees: mind CUDA_VISIBLE_DEVICES"};
}

Result<void> seal(const gmemfs_file *handle) {
    const std::shared_ptr<OpenedPath> file = TRY(find(handle));
    if (::fsync(file->fd.get()) == 0) return {};
    return Error{errno, 0, "seal file", file->path};
}

Result<gmemfs_mapping *> map(const gmemfs_file *handle, const gmemfs_map_options *options) {
    const std::shared_ptr<OpenedPath> file = TRY(find(handle));
    const gmemfs_map_options read = TRY(read_options(options));
    return tables().mappings.add(TRY(map_file(*file, read)));
}

Result<int> export_dma_buf(const gmemfs_mapping *handle, std::uint64_t offset, std::uint64_t length) {
    const std::shared_ptr<FileMapping> mapping = TRY(find(handle));
    return mapping->export_dma_buf(offset, length);
}

Result<void> unmap(const gmemfs_mapping *handle) {
    const std::shared_ptr<FileMapping> mapping = tables().mappings.take(handle);
    if (!mapping) return closed("unmap");
    return mapping->unmap();
}

Result<gmemfs_directory *> map_all(const char *path, const gmemfs_map_options *options, const char *library) {
    TRY(check_origin());
    const gmemfs_map_options read = TRY(read_options(options));
    const std::shared_ptr<OpenedPath> directory = TRY(open_directory(path, library));
    MappedEntries entries = TRY(map_directory(*directory, read));
    auto listed = std::make_shared<MappedDirectory>();
    for (MappedEntry &entry : entries) {
        gmemfs_mapping *const mapping = entry.mapping ? tables().mappings.add(std::move(entry.mapping)) : nullptr;
        listed->files.push_back({std::move(entry.name), mapping, entry.error ? entry.error->code : 0,
            entry.error ? entry.error->text() : std::string()});
    }
    return tables().directories.add(std::move(listed));
}

Result<void> wait_for(const gmemfs_wait_options *options) {
    TRY(check_origin());
    const gmemfs_wait_options read = TRY(read_options(options));
    if (read.device_count > (read.devices == nullptr ? 0 : kDevicesMax))
        return Error{EINVAL, 0, "wait for the devices", "device_count isn't that of devices"};
    const std::shared_ptr<const Devices> devices = TRY(open_devices(driver_library(read.driver)));
    std::vector<CUdevice> chosen;
    if (read.devices == nullptr)
        for (const DeviceInfo &device : devices->all) chosen.push_back(device.handle);
    for (std::size_t index = 0; index < read.device_count; ++index)
        chosen.push_back(TRY(devices->find(read.devices[index])));
    const RelaxedCapture relaxed(*devices->driver);
    return wait_for_devices(*devices->driver, chosen);
}

Result<void *> tensor_of(const gmemfs_mapping *handle, const gmemfs_tensor_options *options) {
    const gmemfs_tensor_options read = TRY(read_options(options));
    std::shared_ptr<FileMapping> mapping = handle == nullptr ? nullptr : TRY(find(handle));
    return make_tensor(std::move(mapping), read);
}

} // namespace
} // namespace gmemfs::client

using namespace gmemfs::client;
using gmemfs::Error;
using gmemfs::Result;

int gmemfs_open(const char *path, const gmemfs_open_options *options, gmemfs_file **file) {
    return hand_over(open(path, options), file);
}

void gmemfs_close(gmemfs_file *file) {
    if (file != nullptr && !is_copy()) tables().files.take(file);
}

int gmemfs_get_size(gmemfs_file *file, uint64_t *size) { return hand_over(size_of(file), size); }
int gmemfs_set_size(gmemfs_file *file, uint64_t size) { return finish(resize(file, size)); }

int gmemfs_get_fd(gmemfs_file *file) {
    const Result<std::shared_ptr<OpenedPath>> found = find(file);
    if (found) return (*found)->fd.get();
    fail(found.error());
    return -1;
}

int gmemfs_get_device(gmemfs_file *file, int *ordinal) { return hand_over(device_of(file), ordinal); }
int gmemfs_seal(gmemfs_file *file) { return finish(seal(file)); }

int gmemfs_map(gmemfs_file *file, const gmemfs_map_options *options, gmemfs_mapping **mapping) {
    return hand_over(map(file, options), mapping);
}

int gmemfs_get_info(gmemfs_mapping *mapping, gmemfs_mapping_info *info) {
    const Result<std::shared_ptr<FileMapping>> found = find(mapping);
    return found ? hand_out((*found)->info(), info) : fail(found.error());
}

int gmemfs_get_dma_buf(gmemfs_mapping *mapping, uint64_t offset, uint64_t length, int *fd) {
    return hand_over(export_dma_buf(mapping, offset, length), fd);
}

int gmemfs_unmap(gmemfs_mapping *mapping) { return mapping == nullptr || is_copy() ? 0 : finish(unmap(mapping)); }

void gmemfs_release(gmemfs_mapping *mapping) {
    if (mapping != nullptr && !is_copy()) tables().mappings.take(mapping); // its destructor unmaps
}

int gmemfs_wait(const gmemfs_wait_options *options) { return finish(wait_for(options)); }

int gmemfs_make_tensor(gmemfs_mapping *mapping, const gmemfs_tensor_options *options, void **tensor) {
    return hand_over(tensor_of(mapping, options), tensor);
}

int gmemfs_map_directory(
    const char *path, const gmemfs_map_options *options, const char *driver, gmemfs_directory **directory) {
    return hand_over(map_all(path, options, driver), directory);
}

size_t gmemfs_get_entry_count(gmemfs_directory *directory) {
    const Result<std::shared_ptr<MappedDirectory>> found = find(directory);
    return found ? (*found)->files.size() : 0;
}

int gmemfs_get_entry(gmemfs_directory *directory, size_t index, gmemfs_entry *entry) {
    const Result<std::shared_ptr<MappedDirectory>> found = find(directory);
    if (!found) return fail(found.error());
    if (index >= (*found)->files.size()) return fail(Error{EINVAL, 0, "describe entry", "there aren't so many"});
    const MappedDirectory::File &file = (*found)->files[index];
    return hand_out(gmemfs_entry{sizeof *entry, file.name.c_str(), file.mapping, file.code, file.text.c_str()}, entry);
}

void gmemfs_free_directory(gmemfs_directory *directory) {
    if (directory != nullptr && !is_copy()) tables().directories.take(directory);
}

void *gmemfs_make_capsule(gmemfs_mapping *mapping, const gmemfs_tensor_options *options, int *code) {
    const Result<void *> tensor = tensor_of(mapping, options);
    *code = tensor ? 0 : fail(tensor.error());
    return tensor ? make_capsule(*tensor, options->flags) : nullptr;
}

const char *gmemfs_last_error(void) { return last_error_text(); }
int gmemfs_last_driver_error(void) { return last_error_driver(); }
const char *gmemfs_get_version(void) { return GMEMFS_VERSION; }
