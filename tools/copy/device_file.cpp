#include "tools/copy/device_file.hpp"

#include <cerrno>

namespace gmemfs {

Result<std::unique_ptr<DeviceFile>> DeviceFile::open(
    const std::string &path, const std::string &library, int access, int reach) {
    std::unique_ptr<DeviceFile> file(new DeviceFile);
    gmemfs_open_options options = {};
    options.struct_size = sizeof options;
    options.driver = library.c_str();
    int code = gmemfs_open(path.c_str(), &options, &file->file_);
    if (code == 0) code = file->map(access, reach);
    file->info_.struct_size = sizeof file->info_;
    if (code == 0) code = gmemfs_get_info(file->mapping_, &file->info_);
    if (code != 0) return Error{code, gmemfs_last_driver_error(), "map file", gmemfs_last_error()};
    return file;
}

DeviceFile::~DeviceFile() {
    (void)gmemfs_unmap(mapping_);
    gmemfs_close(file_);
}

int DeviceFile::map(int access, int reach) {
    gmemfs_map_options options = {};
    options.struct_size = sizeof options;
    options.access = access;
    options.reach = reach;
    const int code = gmemfs_map(file_, &options, &mapping_);
    options.reach = GMEMFS_REACH_ALL;
    return code == ENODEV ? gmemfs_map(file_, &options, &mapping_) : code; // it may lie in host memory
}

} // namespace gmemfs
