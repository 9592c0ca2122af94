#include "client/lib/attaching.hpp"

#include <algorithm>

namespace gmemfs::client {
namespace {

using OwnMapping = std::shared_ptr<FileMapping>;

std::uint32_t lease_of(const gmemfs_map_options &options) {
    return (options.access == GMEMFS_READ ? 0 : protocol::kWriteLease) |
           (options.sharing == GMEMFS_ALONE ? protocol::kExclusiveLease : 0);
}

Result<OwnMapping> make_mapping(const OpenedPath &file, const std::string &path,
    const std::shared_ptr<Connection> &connection, Attached &attached, const gmemfs_map_options &options,
    std::shared_ptr<const Addresses> addresses) {
    Result<OwnMapping> mapping =
        FileMapping::create(file.devices, path, connection, attached, options, std::move(addresses));
    if (!mapping) return name_driver(file.fd, file.devices->driver->library, mapping.error());
    return mapping;
}

Result<OwnMapping> map_by(const OpenedPath &file, const gmemfs_map_options &options, std::uint32_t handle_types,
    const std::shared_ptr<const Addresses> &addresses) {
    return on_connection(file.fd, file.path, [&](const std::shared_ptr<Connection> &connection) -> Result<OwnMapping> {
        Attached attached = TRY(connection->use([&](BrokerSession &session) {
            if (options.near == nullptr) return session.attach(file.fd, file.path, handle_types, lease_of(options));
            const auto &device = file.devices->all[static_cast<std::size_t>(*options.near)].uuid;
            return session.attach_near(file.fd, file.path, handle_types, lease_of(options), device);
        }));
        Result<OwnMapping> mapping = make_mapping(file, file.path, connection, attached, options, addresses);
        if (!mapping) (void)connection->release(attached.lease, file.path); // or it would last as long as this process
        return mapping;
    });
}

Result<void> check_options(const gmemfs_map_options &options, const OpenedPath &file) {
    const std::string &path = file.path;
    if (options.near != nullptr && options.access != GMEMFS_READ)
        return Error{EINVAL, 0, "map file", path + ": a copy on another device can be mapped for reading alone"};
    const std::size_t count = file.devices->all.size();
    if (options.near != nullptr && (*options.near < 0 || static_cast<std::size_t>(*options.near) >= count))
        return Error{ENODEV, 0, "map file", path + ": this process has no device " + std::to_string(*options.near)};
    const bool is_known =
        (options.access == GMEMFS_READ_WRITE || options.access == GMEMFS_READ) &&
        (options.sharing == GMEMFS_SHARED || options.sharing == GMEMFS_ALONE) &&
        options.handles >= GMEMFS_HANDLES_ANY && options.handles <= GMEMFS_HANDLES_FD &&
        options.device_count <= (options.devices == nullptr ? 0 : kDevicesMax) &&
        (options.reach == GMEMFS_REACH_ALL || (options.reach == GMEMFS_REACH_OWN && options.device_count == 0));
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

// What has been mapped when the request as a whole fails is unmapped with `entries`.
Result<MappedEntries> map_directory_by(
    const OpenedPath &directory, const gmemfs_map_options &options, std::uint32_t handle_types) {
    return on_connection(
        directory.fd, directory.path, [&](const std::shared_ptr<Connection> &connection) -> Result<MappedEntries> {
            MappedEntries entries;
            const auto take = [&](AttachedEntry &attached) {
                const std::string path = directory.path + "/" + attached.name;
                Result<OwnMapping> mapping = Error{attached.code, 0, "map file", path + ": " + attached.text};
                if (attached.code == 0)
                    mapping = make_mapping(directory, path, connection, attached.attached, options, nullptr);
                const bool is_mapped = mapping.has_value();
                if (is_mapped)
                    entries.push_back({attached.name, *std::move(mapping), std::nullopt});
                else
                    entries.push_back({attached.name, nullptr, mapping.error()});
                return is_mapped;
            };
            const Result<void> attached = connection->use([&](BrokerSession &session) {
                return session.attach_directory(directory.fd, directory.path, handle_types, lease_of(options), take);
            });
            if (!attached) return Error(attached.error());
            return entries;
        });
}

} // namespace

Result<OwnMapping> map_file(const OpenedPath &file, const gmemfs_map_options &options) {
    return map_file_at(file, options, nullptr);
}

Result<OwnMapping> map_file_at(
    const OpenedPath &file, const gmemfs_map_options &options, std::shared_ptr<const Addresses> addresses) {
    TRY(check_options(options, file));
    return map_by_handles(
        options.handles, [&](std::uint32_t handle_types) { return map_by(file, options, handle_types, addresses); },
        [](const Result<OwnMapping> &made) { return !made && made.error().driver != 0; });
}

Result<MappedEntries> map_directory(const OpenedPath &directory, const gmemfs_map_options &options) {
    TRY(check_options(options, directory));
    if (options.near != nullptr) return Error{EINVAL, 0, "map directory", "its files may have copies elsewhere"};
    if (options.address != 0) return Error{EINVAL, 0, "map directory", "its files can't all have one address"};
    const auto is_drivers = [](const MappedEntry &entry) { return entry.error && entry.error->driver != 0; };
    return map_by_handles(
        options.handles, [&](std::uint32_t handle_types) { return map_directory_by(directory, options, handle_types); },
        [&](Result<MappedEntries> &made) {
            if (!made || std::none_of(made->begin(), made->end(), is_drivers)) return false;
            made->clear(); // all of it once more, by descriptors
            return true;
        });
}

} // namespace gmemfs::client
