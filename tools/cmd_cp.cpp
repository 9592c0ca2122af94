// cp: copies files into a mount, out of it and within it, at the speed of the bus.
#include "fuse/json_text.hpp"
#include "tools/command.hpp"
#include "tools/copy_file.hpp"
#include "vmm/base/fd.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace gmemfs {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kLanesMost = 12; // that many reach 93 % of the bus (H200), and more no more

struct Settings : CopySettings {
    bool recursive = false, json = false;
};

struct Task {
    std::string source, target;
    fs::file_type type;
};

// What is to be done, in order: a folder before what is in it.
Result<void> plan(const Settings &settings, const fs::path &source, const fs::path &target, std::vector<Task> &tasks) {
    std::error_code error;
    const fs::file_type type = fs::symlink_status(source, error).type();
    if (type == fs::file_type::not_found) return Error{ENOENT, 0, "copy", source.string()};
    const bool is_top = tasks.empty();
    if (type == fs::file_type::symlink && is_top) { // what the user named is meant itself
        tasks.push_back({source, target, fs::status(source, error).type()});
        return {};
    }
    if (type == fs::file_type::directory && !settings.recursive)
        return Error{EISDIR, 0, "copy", source.string() + ": use -r to copy folders"};
    tasks.push_back({source, target, type});
    if (type != fs::file_type::directory) return {};
    const fs::path whole = fs::weakly_canonical(target, error);
    const fs::path from = fs::canonical(source, error);
    if (std::mismatch(from.begin(), from.end(), whole.begin(), whole.end()).first == from.end())
        return Error{EINVAL, 0, "copy", source.string() + ": into itself, " + target.string()};
    fs::directory_iterator entry(source, error);
    if (error) return Error{error.value(), 0, "read folder", source.string()};
    std::vector<fs::path> names;
    for (const fs::directory_iterator end; entry != end; entry.increment(error)) {
        names.push_back(entry->path().filename());
        if (error) return Error{error.value(), 0, "read folder", source.string()};
    }
    for (const fs::path &name : names) TRY(plan(settings, source / name, target / name, tasks));
    return {};
}

Result<void> make_folder(const Task &task) {
    struct stat status = {};
    if (::stat(task.source.c_str(), &status) != 0) return Error{errno, 0, "stat", task.source};
    if (::mkdir(task.target.c_str(), status.st_mode & 0777) == 0 || errno == EEXIST) return {};
    return Error{errno, 0, "make folder", task.target};
}

Result<void> copy_link(const Task &task) {
    std::error_code error;
    const fs::path points_to = fs::read_symlink(task.source, error);
    if (!error) {
        std::error_code none;
        fs::remove(task.target, none);
        fs::create_symlink(points_to, task.target, error);
    }
    if (error) return Error{error.value(), 0, "copy symbolic link", task.source + " to " + task.target};
    return {};
}

Result<void> run_task(const Settings &settings, CopyDevices &devices, const Task &task, Progress &progress) {
    if (task.type == fs::file_type::directory) return make_folder(task);
    if (task.type == fs::file_type::symlink) return copy_link(task);
    return copy_file(settings, devices, task.source, task.target, progress);
}

// Folders get their times after all that is in them, and what they hand down.
Result<void> preserve_folders(const std::vector<Task> &tasks) {
    for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {
        struct stat status = {};
        if (task->type != fs::file_type::directory || ::stat(task->source.c_str(), &status) != 0) continue;
        const Fd source(::open(task->source.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const Fd target(::open(task->target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const Result<void> copied = source && target ? copy_acls(source.get(), target.get()) : Result<void>();
        if (!copied) return Error{copied.error().code, 0, copied.error().doing, task->target};
        const timespec times[] = {status.st_atim, status.st_mtim};
        (void)::utimensat(AT_FDCWD, task->target.c_str(), times, 0);
    }
    return {};
}

std::uint64_t size_of(const std::vector<Task> &tasks) {
    std::uint64_t total = 0;
    for (const Task &task : tasks) {
        struct stat status = {};
        if (task.type == fs::file_type::regular && ::stat(task.source.c_str(), &status) == 0)
            total += static_cast<std::uint64_t>(status.st_size);
    }
    return total;
}

// For scripts: bytes, and the seconds of moving them and of everything.
void print_json(const Progress &progress, double all_seconds) {
    const double seconds = progress.seconds();
    const nlohmann::json told = {{"bytes", progress.done()}, {"seconds", seconds}, {"all_seconds", all_seconds},
        {"gb_per_second", seconds > 0 ? static_cast<double>(progress.done()) / 1e9 / seconds : 0},
        {"files_verified_by_digests", progress.verified_by_digests()},
        {"files_verified_by_bytes", progress.verified_by_bytes()}};
    std::printf("%s\n", json_text(told, -1).c_str());
}

Result<void> copy_all(const Settings &settings, const std::vector<std::string> &parameters, Progress::Display display) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point began = Clock::now();
    const std::string &target = parameters.back();
    std::error_code error;
    if (parameters.size() == 2 && (parameters[0] == "-" || target == "-")) {
        Progress progress(display, 0);
        Result<void> copied = copy_stream(parameters[0], target, progress);
        progress.finish();
        return copied;
    }
    const bool is_folder = fs::is_directory(target, error);
    if (parameters.size() > 2 && !is_folder) return Error{ENOTDIR, 0, "copy several files", target};
    std::vector<Task> tasks;
    for (std::size_t index = 0; index + 1 < parameters.size(); ++index) {
        const fs::path source = fs::path(parameters[index]);
        const fs::path name = source.has_filename() ? source.filename() : source.parent_path().filename();
        std::vector<Task> some;
        TRY(plan(settings, source, is_folder ? fs::path(target) / name : fs::path(target), some));
        tasks.insert(tasks.end(), some.begin(), some.end());
    }
    CopyDevices devices;
    Progress progress(display, size_of(tasks));
    Result<void> result;
    for (const Task &task : tasks) {
        result = run_task(settings, devices, task, progress);
        if (!result) break;
    }
    progress.finish();
    if (result && settings.preserve) result = preserve_folders(tasks);
    if (result && settings.json) print_json(progress, std::chrono::duration<double>(Clock::now() - began).count());
    return result;
}

} // namespace

int run_cp(int argc, char **argv) {
    gboolean recursive = FALSE, preserve = FALSE, buffered = FALSE, verify = FALSE, quiet = FALSE, json = FALSE;
    gint lanes = 0;
    const std::vector<GOptionEntry> options = {
        {"recursive", 'r', 0, G_OPTION_ARG_NONE, &recursive, "Copy folders with all that is in them", nullptr},
        {"preserve", 'p', 0, G_OPTION_ARG_NONE, &preserve, "Keep mode, ACL, times, and owner where that is allowed",
            nullptr},
        {"verify", 0, 0, G_OPTION_ARG_NONE, &verify,
            "Read both again afterwards, and compare their digests, which devices make", nullptr},
        {"buffered", 0, 0, G_OPTION_ARG_NONE, &buffered,
            "Read a disk through the page cache, so that the source is in it afterwards", nullptr},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "Show no progress", nullptr},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print bytes and seconds as one JSON object, and no progress",
            nullptr},
        {"threads", 0, 0, G_OPTION_ARG_INT, &lanes, "How many copy side by side (by the cores, 12 at the most)", "N"},
    };
    const Synopsis synopsis = {"SOURCE... TARGET",
        "Copies files into a gmemfs mount, out of it, or within it, past FUSE: straight into the mapped device memory.",
        "- stands for standard input or output. A file is whole under its name or isn't there: it is written under "
        "another one first.",
        2, 1000};
    const CommandLine line = parse_command_line(argc, argv, synopsis, options);
    if (line.exit_status) return *line.exit_status;
    Settings settings;
    settings.recursive = recursive != FALSE;
    settings.preserve = preserve != FALSE;
    settings.buffered = buffered != FALSE;
    settings.verify = verify != FALSE;
    settings.json = json != FALSE;
    settings.lanes = lanes > 0 ? std::min(64U, static_cast<unsigned>(lanes))
                               : std::clamp(std::thread::hardware_concurrency(), 1U, kLanesMost);
    catch_interruptions();
    const bool shows = quiet == FALSE && json == FALSE && ::isatty(STDERR_FILENO) != 0;
    const Result<void> result =
        copy_all(settings, line.parameters, shows ? Progress::Display::line : Progress::Display::none);
    if (result) return 0;
    return fail_or_interrupted(result.error());
}

} // namespace gmemfs
