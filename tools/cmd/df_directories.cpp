#include "tools/cmd/df_directories.hpp"

#include "fuse/host/json_text.hpp"
#include "tools/host/command.hpp"
#include "tools/host/file_walk.hpp"
#include "tools/host/interruption.hpp"
#include "tools/host/mounts.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <sys/stat.h>
#include <system_error>
#include <utility>
#include <vector>

namespace gmemfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// What files have, in bytes.
struct Use {
    std::uint64_t files = 0, host = 0;
    std::map<std::string, std::uint64_t> on_device; // by UUID
    std::uint64_t packed_files = 0, packed_held = 0, packed_plain = 0;

    void add(const Use &other) {
        files += other.files, host += other.host;
        for (const auto &[device, bytes] : other.on_device) on_device[device] += bytes;
        packed_files += other.packed_files, packed_held += other.packed_held, packed_plain += other.packed_plain;
    }
};

json to_json(const std::string &path, const Use &use, const json &devices) {
    json on_device = json::object();
    for (const json &device : devices) on_device[device["uuid"].get<std::string>()] = 0;
    std::uint64_t sum = 0;
    for (const auto &[device, bytes] : use.on_device) on_device[device] = bytes, sum += bytes;
    return {{"path", path}, {"files", use.files}, {"devices", std::move(on_device)}, {"device_memory", sum},
        {"host_memory", use.host},
        {"packed", {{"files", use.packed_files}, {"held", use.packed_held}, {"plain", use.packed_plain}}}};
}

// A file with more extents than an attribute can tell is taken for one that is where it lives.
Result<json> extents_of(const std::string &path, std::uint64_t allocated) {
    const Result<std::string> text = read_attribute(path, "user.gmemfs.extents");
    if (!text && text.error().code != E2BIG && text.error().code != ERANGE) return text.error();
    json extents = text ? json_of(*text) : json();
    if (extents.is_array()) return extents;
    const std::string device = TRY(read_attribute(path, "user.gmemfs.device"));
    return json::array({{{"device", device}, {"length", allocated}}});
}

Result<Use> use_of(const std::string &path, const struct stat &status) {
    Use use;
    use.files = 1;
    if (status.st_blocks == 0) return use;
    bool is_packed = false;
    std::uint64_t held = 0;
    const json extents = TRY(extents_of(path, static_cast<std::uint64_t>(status.st_blocks) * 512));
    for (const json &extent : extents) {
        const std::uint64_t length = extent.value("length", std::uint64_t(0));
        const std::string device = extent.value("device", "");
        (device == "host" ? use.host : use.on_device[device]) += length;
        held += length;
        is_packed = is_packed || extent.value("packed", false);
    }
    if (!is_packed) return use;
    const std::string text = TRY(read_attribute(path, "user.gmemfs.residence"));
    const json residence = json_of(text);
    use.packed_files = 1;
    use.packed_held = held;
    use.packed_plain = residence.is_object() ? residence.value("plain", held) : held;
    return use;
}

// A row for each directory directly in `path`, and "." for the files there.
Result<std::map<std::string, Use>> rows_for(const std::string &path) {
    std::error_code error;
    std::map<std::string, Use> rows = {{".", {}}};
    fs::directory_iterator entry(path, error);
    for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
        std::error_code gone;
        if (entry->is_directory(gone) && !entry->is_symlink(gone)) rows[entry->path().filename()];
    }
    if (error) return Error{error.value(), 0, "read directory", path + advice_for(error.value())};
    return rows;
}

// Number and UUID of each.
Result<json> devices_of(const std::string &path) {
    const Mount mount = TRY(find_mount_of(path));
    const json stats = TRY(read_stats(mount.path));
    json devices = json::array();
    for (const json &device : stats.value("devices", json::array()))
        devices.push_back({{"ordinal", device.value("ordinal", 0)}, {"uuid", device.value("uuid", "")}});
    return devices;
}

std::string size_text(std::uint64_t bytes) { return bytes == 0 ? "-" : format_size(bytes); }

} // namespace

Result<MeasuredDirectories> measure_directories(const std::string &path) {
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) return Error{errno, 0, "look at directory", path + advice_for(errno)};
    if (!S_ISDIR(status.st_mode)) return Error{ENOTDIR, 0, "look at directory", path};
    const json devices = TRY(devices_of(path));
    const std::vector<FoundFile> found = TRY(find_files(path, Folders::searched));
    std::map<std::string, Use> rows = TRY(rows_for(path));
    std::set<ino_t> seen; // of files with several names: the first one counts, as for du(1)
    MeasuredDirectories measured;
    for (const FoundFile &file : found) {
        if (is_interrupted()) return Error{EINTR, 0, "look at files", path + ": interrupted"};
        if (file.error == 0 && ::lstat(file.path.c_str(), &status) != 0) continue; // it went meanwhile
        if (file.error == 0 && status.st_nlink > 1 && !seen.insert(status.st_ino).second) continue;
        const Result<Use> use =
            file.error == 0 ? use_of(file.path, status) : Error{file.error, 0, "read directory", file.path};
        if (!use && use.error().code == ENOENT) continue;
        if (!use) {
            (void)fail(use.error());
            ++measured.failures;
            continue;
        }
        const std::string below = fs::path(file.path).lexically_relative(path);
        const std::size_t slash = below.find('/');
        rows[slash == std::string::npos ? "." : below.substr(0, slash)].add(*use);
    }
    Use total;
    json list = json::array();
    for (const auto &[name, use] : rows) {
        list.push_back(to_json(name, use, devices));
        total.add(use);
    }
    measured.told = {{"path", path}, {"devices", devices}, {"directories", std::move(list)},
        {"total", to_json("total", total, devices)}};
    return measured;
}

void print_directories(const json &told) {
    std::printf("%s\n%-24s %8s", told["path"].get<std::string>().c_str(), "directory", "files");
    for (const json &device : told["devices"])
        std::printf(" %10s", ("device " + std::to_string(device["ordinal"].get<int>())).c_str());
    std::printf(" %11s %10s %10s\n", "host memory", "packed", "awake");
    const auto print = [&](const json &row) {
        std::printf("%-24s %8ju", row["path"].get<std::string>().c_str(), uintmax_t(row["files"].get<std::uint64_t>()));
        for (const json &device : told["devices"])
            std::printf(
                " %10s", size_text(row["devices"][device["uuid"].get<std::string>()].get<std::uint64_t>()).c_str());
        std::printf(" %11s %10s %10s\n", size_text(row["host_memory"].get<std::uint64_t>()).c_str(),
            size_text(row["packed"]["held"].get<std::uint64_t>()).c_str(),
            size_text(row["packed"]["plain"].get<std::uint64_t>()).c_str());
    };
    for (const json &row : told["directories"]) print(row);
    print(told["total"]);
}

} // namespace gmemfs
