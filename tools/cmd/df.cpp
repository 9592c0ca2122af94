// df: how much device memory each gmemfs mount uses, and what its devices have left.
#include "fuse/host/json_text.hpp"
#include "tools/cmd/df_directories.hpp"
#include "tools/host/command.hpp"
#include "tools/host/in_time.hpp"
#include "tools/host/mounts.hpp"
#include "tools/host/progress.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <sys/statvfs.h>

namespace gmemfs {
namespace {

using nlohmann::json;

Result<json> measure(const Mount &mount) {
    struct statvfs space = {};
    if (::statvfs(mount.path.c_str(), &space) != 0)
        return Error{errno, 0, "ask for space", mount.path + advice_for(errno)};
    json row = {{"mount", mount.path}, {"source", mount.source}, {"size", space.f_blocks * space.f_frsize},
        {"used", (space.f_blocks - space.f_bfree) * space.f_frsize}, {"available", space.f_bavail * space.f_frsize},
        {"files", space.f_files - space.f_ffree}, {"devices", json::array()}};
    const Result<json> stats = read_stats(mount.path); // not readable for other users, perhaps: then without
    if (stats && stats->contains("devices")) row["devices"] = (*stats)["devices"];
    if (stats && stats->contains("host")) row["host"] = (*stats)["host"];
    if (stats && stats->contains("packed")) row["packed"] = (*stats)["packed"];
    return row;
}

std::string size_of(const json &row, const char *key) {
    const auto found = row.find(key);
    return found != row.end() && found->is_number() ? format_size(found->get<std::uint64_t>()) : "-";
}

void print_table(const json &rows) {
    std::printf("%-24s %10s %10s %10s %7s\n", "mount", "size", "used", "available", "files");
    for (const json &row : rows) {
        std::printf("%-24s %10s %10s %10s %7ju\n", row["mount"].get<std::string>().c_str(),
            size_of(row, "size").c_str(), size_of(row, "used").c_str(), size_of(row, "available").c_str(),
            uintmax_t(row["files"].get<std::uint64_t>()));
        for (const json &device : row["devices"]) {
            if (device.value("lost", false)) {
                std::printf("  device %d: %s is lost: %s of files there can't be reached\n", device.value("ordinal", 0),
                    device.value("uuid", "").c_str(), size_of(device, "used").c_str());
                continue;
            }
            std::printf("  device %d: %s %s, %s of %s free\n", device.value("ordinal", 0),
                device.value("name", "").c_str(), device.value("uuid", "").c_str(), size_of(device, "free").c_str(),
                size_of(device, "total").c_str());
        }
        if (const json host = row.value("host", json()); host.is_object() && host.value("used", std::uint64_t(0)) > 0)
            std::printf(
                "  host memory: %s of %s used\n", size_of(host, "used").c_str(), size_of(host, "capacity").c_str());
        if (const json packed = row.value("packed", json()); packed.is_object() && packed.value("files", 0U) > 0)
            std::printf("  packed: %u files, %s, awake %s\n", packed.value("files", 0U),
                size_of(packed, "held").c_str(), size_of(packed, "plain").c_str());
    }
}

// Each by itself: a mount whose server hangs must not hide the others.
std::vector<Result<json>> measure_all(const std::vector<std::string> &paths) {
    std::vector<Result<json>> rows;
    for (const std::string &path : paths)
        rows.push_back(ask_in_time(path, [&]() -> Result<json> { return measure(TRY(find_mount_of(path))); }));
    if (!paths.empty()) return rows;
    const Result<std::vector<Mount>> mounts = list_mounts(kFilesystemType);
    if (!mounts) rows.emplace_back(mounts.error());
    if (mounts)
        for (const Mount &mount : *mounts) rows.push_back(ask_in_time(mount.path, [&] { return measure(mount); }));
    return rows;
}

// Of each PATH, or of the root of every mount.
enum class Output { table, object };
int run_by_directory(std::vector<std::string> paths, Output output) {
    catch_interruptions();
    if (paths.empty()) {
        const Result<std::vector<Mount>> mounts = list_mounts(kFilesystemType);
        if (!mounts) return fail(mounts.error());
        for (const Mount &mount : *mounts) paths.push_back(mount.path);
    }
    int exit_status = 0;
    json all = json::array();
    for (const std::string &path : paths) {
        Result<MeasuredDirectories> measured = measure_directories(path);
        if (!measured && is_interrupted()) return fail_or_interrupted(measured.error());
        if (!measured || measured->failures != 0) exit_status = kFailure;
        if (!measured)
            (void)fail(measured.error());
        else if (output == Output::object)
            all.push_back(std::move(measured->told));
        else
            print_directories(measured->told);
    }
    if (output == Output::object) std::printf("%s\n", json_text(all, 2).c_str());
    return exit_status;
}

} // namespace

int run_df(int argc, char **argv) {
    gboolean as_json = FALSE, by_directory = FALSE;
    const Synopsis synopsis = {"[PATH...]", "Shows how much device memory each gmemfs mount uses.",
        "Without a PATH: of every gmemfs mount. What other programs hold on a device counts against `free`.", 0,
        SIZE_MAX};
    const CommandLine line = parse_command_line(argc, argv, synopsis,
        {{"by-directory", 0, 0, G_OPTION_ARG_NONE, &by_directory,
             "What the files below each directory in PATH have of each device, and in host memory", nullptr},
            {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print JSON", nullptr}});
    if (line.exit_status) return *line.exit_status;
    if (by_directory != FALSE)
        return run_by_directory(line.parameters, as_json == FALSE ? Output::table : Output::object);
    int exit_status = 0;
    json rows = json::array();
    for (Result<json> &row : measure_all(line.parameters)) {
        if (row)
            rows.push_back(std::move(*row));
        else
            exit_status = fail(row.error());
    }
    if (as_json)
        std::printf("%s\n", json_text(rows, 2).c_str());
    else if (!rows.empty())
        print_table(rows);
    else if (exit_status == 0)
        std::printf("no gmemfs mounts; `gmemfs mount MOUNTPOINT` makes one\n");
    return exit_status;
}

} // namespace gmemfs
