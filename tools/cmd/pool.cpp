// pool: what the programs have that `gmemfs run` has started: `gmemfs pool stat DIR`, `gmemfs pool stat --blocks FILE`.
#include "client/lib/pool_reader.hpp"
#include "client/wire/process_folder.hpp"
#include "fuse/host/json_text.hpp"
#include "tools/host/command.hpp"
#include "tools/host/mounts.hpp"
#include "tools/pool/blocks.hpp"
#include "tools/pool/stat_row.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <sys/stat.h>
#include <system_error>

namespace gmemfs {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// Of a directory that a process has, or had: its files, and where it still runs what it says.
json look_at(const fs::path &directory, pid_t pid, const Escaped &escaped) {
    std::uint64_t files = 0, bytes = 0;
    std::error_code error;
    for (const fs::directory_entry &entry : fs::directory_iterator(directory, error)) {
        if (!entry.is_regular_file(error)) continue;
        ++files;
        bytes += entry.file_size(error);
    }
    json row = {{"directory", directory.string()}, {"pid", pid}, {"files", files}, {"bytes", bytes}, {"runs", false}};
    struct stat status = {};
    const Result<ReadPoolFigures> said = client::read_pool_figures(pid);
    const bool is_its = said && ::stat(directory.c_str(), &status) == 0 && said->folder == status.st_ino;
    if (!said && said.error().code == EACCES) row["runs"] = nullptr; // another user's
    if (!is_its) return row;
    row["runs"] = true;
    add_figures(row, pid, *said, escaped);
    return row;
}

Result<json> look_into(const std::string &directory, Escaped::Contexts contexts) {
    TRY(find_mount_of(directory));
    const Escaped escaped(TRY(read_attribute(directory, "user.gmemfs.driver")), contexts);
    json rows = json::array();
    if (const pid_t pid = process_of(fs::path(directory).filename().string()); pid != 0) {
        rows.push_back(look_at(directory, pid, escaped));
        return rows;
    }
    std::error_code error;
    for (const fs::directory_entry &entry : fs::directory_iterator(directory, error))
        if (const pid_t pid = process_of(entry.path().filename().string()); pid != 0 && entry.is_directory())
            rows.push_back(look_at(entry.path(), pid, escaped));
    if (error) return Error{error.value(), 0, "read directory", directory};
    return rows;
}

std::string size_of(const json &row, const char *key) {
    return row.contains(key) ? format_size(row[key].get<std::uint64_t>()) : "-";
}

void print_table(const json &rows) {
    std::printf("%-28s %6s %10s %10s %10s %10s %9s\n", "process", "files", "size", "used", "idle", "peak", "blocks");
    for (const json &row : rows)
        std::printf("%-28s %6ju %10s %10s %10s %10s %9s\n",
            fs::path(row["directory"].get<std::string>()).filename().c_str(),
            uintmax_t(row["files"].get<std::uint64_t>()), size_of(row, "bytes").c_str(), size_of(row, "used").c_str(),
            size_of(row, "idle").c_str(), size_of(row, "peak").c_str(),
            row.contains("blocks") ? std::to_string(row["blocks"].get<std::uint64_t>()).c_str() : "-");
    for (const json &row : rows) print_details(row);
}

} // namespace

int run_pool(int argc, char **argv) {
    gboolean as_json = FALSE, has_blocks = FALSE, has_context = FALSE;
    const Synopsis synopsis = {"stat DIR|FILE", "Shows what programs have that `gmemfs run` has started.",
        "A process that has ended shows the size of what it left alone: files that were to be kept.", 2, 2};
    const CommandLine line = parse_command_line(argc, argv, synopsis,
        {{"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print JSON", nullptr},
            {"blocks", 0, 0, G_OPTION_ARG_NONE, &has_blocks, "List the blocks of one file", nullptr},
            {"context", 0, 0, G_OPTION_ARG_NONE, &has_context,
                "Measure what an empty context takes, by making one (0.5 GB of a device for a moment)", nullptr}});
    if (line.exit_status) return *line.exit_status;
    if (line.parameters[0] != "stat") return fail_usage("pool", line.parameters[0] + ": it knows stat alone");
    const Escaped::Contexts contexts = has_context ? Escaped::Contexts::measured : Escaped::Contexts::unknown;
    const Result<json> rows = has_blocks ? list_blocks(line.parameters[1]) : look_into(line.parameters[1], contexts);
    if (!rows) return fail(rows.error());
    if (has_blocks && !as_json)
        print_blocks(*rows);
    else if (as_json)
        std::printf("%s\n", json_text(*rows, 2).c_str());
    else if (rows->empty())
        std::printf(
            "no process has memory here; `gmemfs run --pool %s PROGRAM` runs one\n", line.parameters[1].c_str());
    else
        print_table(*rows);
    return 0;
}

} // namespace gmemfs
