// Attaching: maps a file, or all files of a directory: takes leases from the broker, and imports the memory.
#pragma once

#include "client/lib/file_mapping.hpp"

#include <optional>
#include <string>
#include <vector>

namespace gmemfs::client {

/// What became of one file of a directory.
struct MappedEntry {
    std::string name;
    std::shared_ptr<FileMapping> mapping; ///< null where there is an error
    std::optional<Error> error;
};
using MappedEntries = std::vector<MappedEntry>;

/// Errors: see gmemfs_map and gmemfs_map_directory.
Result<std::shared_ptr<FileMapping>> map_file(const OpenedPath &file, const gmemfs_map_options &options);
/// The same at addresses that a mapping of the file had. EINVAL: its size is another one.
Result<std::shared_ptr<FileMapping>> map_file_at(
    const OpenedPath &file, const gmemfs_map_options &options, std::shared_ptr<const Addresses> addresses);
Result<MappedEntries> map_directory(const OpenedPath &directory, const gmemfs_map_options &options);

} // namespace gmemfs::client
