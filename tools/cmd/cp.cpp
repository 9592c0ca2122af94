// cp: copies files into a mount, out of it and within it, at the speed of the bus.
#include "fuse/host/json_text.hpp"
#include "tools/copy/tree.hpp"
#include "tools/host/command.hpp"
#include "tools/host/side_by_side.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <unistd.h>

namespace gmemfs {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kLanesMost = 12; // that many reach 93 % of the bus (H200), and more no more

struct Settings : TreeSettings {
    Progress::Display display = Progress::Display::none;
    bool json = false;
};

// For scripts: bytes, and the seconds of moving them and of everything.
void print_json(const Progress &progress, double all_seconds) {
    const double seconds = progress.seconds();
    const nlohmann::json told = {{"bytes", progress.done()}, {"seconds", seconds}, {"all_seconds", all_seconds},
        {"gb_per_second", seconds > 0 ? static_cast<double>(progress.done()) / 1e9 / seconds : 0},
        {"files_verified_by_digests", progress.verified_by_digests()},
        {"files_verified_by_bytes", progress.verified_by_bytes()}};
    std::printf("%s\n", json_text(told, -1).c_str());
}

// Where one of the sources goes that are copied into a folder: under its own name.
std::string target_in(const std::string &folder, const std::string &source) {
    const fs::path path = source;
    const fs::path name = path.has_filename() ? path.filename() : path.parent_path().filename();
    return folder + (folder.ends_with('/') ? "" : "/") + (name == ".." ? "." : name.string());
}

// How many failed, each of which was said.
Result<std::size_t> copy_all(const Settings &settings, std::vector<std::string> sources) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point began = Clock::now();
    const std::string target = std::move(sources.back());
    sources.pop_back();
    std::error_code error;
    const bool is_folder = fs::is_directory(target, error);
    if (sources.size() > 1 && !is_folder) return Error{ENOTDIR, 0, "copy several files", target};
    CopyTree tree(settings);
    const bool is_stream = sources.front() == "-" || target == "-";
    for (const std::string &source : sources)
        if (!is_stream) TRY(tree.plan(source, is_folder ? target_in(target, source) : target));
    Progress progress(settings.display, tree.size());
    CopyDevices devices;
    const Result<void> done =
        is_stream ? copy_file(settings, devices, sources.front(), target, progress) : tree.run(progress);
    progress.finish();
    if (!done) return Error(done.error());
    if (settings.json) print_json(progress, std::chrono::duration<double>(Clock::now() - began).count());
    return tree.failures();
}

// What the command line says.
struct Flags {
    gboolean recursive = FALSE, preserve = FALSE, archive = FALSE, force = FALSE, no_clobber = FALSE, verbose = FALSE;
    gboolean atomic = FALSE, buffered = FALSE, verify = FALSE, quiet = FALSE, json = FALSE;
    gchar *threads = nullptr;

    std::vector<GOptionEntry> entries() {
        return {
            {"recursive", 'r', 0, G_OPTION_ARG_NONE, &recursive,
                "Copy folders with all that is in them; links, fifos and devices are made", nullptr},
            {"R", 'R', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &recursive, "As -r", nullptr},
            {"preserve", 'p', 0, G_OPTION_ARG_NONE, &preserve, "Keep mode, ACL, times, and owner where that is allowed",
                nullptr},
            {"archive", 'a', 0, G_OPTION_ARG_NONE, &archive, "-rp, hard links and extended attributes", nullptr},
            {"force", 'f', 0, G_OPTION_ARG_NONE, &force, "Remove a file that can't be opened, and make a new one",
                nullptr},
            {"no-clobber", 'n', 0, G_OPTION_ARG_NONE, &no_clobber, "Leave what is there as it is", nullptr},
            {"atomic", 0, 0, G_OPTION_ARG_NONE, &atomic,
                "Replace a file that is there at once, when the new one is whole; owner and mode stay", nullptr},
            {"verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "Print a line a name", nullptr},
            {"verify", 0, 0, G_OPTION_ARG_NONE, &verify,
                "Read both again afterwards, and compare their digests, which devices make", nullptr},
            {"buffered", 0, 0, G_OPTION_ARG_NONE, &buffered,
                "Read a disk through the page cache, so that the source is in it afterwards", nullptr},
            {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "Show no progress", nullptr},
            {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print bytes and seconds as one JSON object, and no progress",
                nullptr},
            {"threads", 0, 0, G_OPTION_ARG_STRING, &threads,
                "How many copy side by side (by the cores, 12 at the most)", "N"},
        };
    }
    // EINVAL: they contradict each other.
    Result<Settings> read() const {
        Settings settings;
        settings.lanes = TRY(parse_threads(threads, std::clamp(std::thread::hardware_concurrency(), 1U, kLanesMost)));
        settings.recursive = recursive != FALSE || archive != FALSE;
        settings.keep_links = archive != FALSE;
        if (preserve != FALSE) settings.preserve = Preserve::attributes;
        if (archive != FALSE) settings.preserve = Preserve::all;
        if (atomic != FALSE && force != FALSE)
            return Error{EINVAL, 0, "--atomic and --force", "they say two things about a file that is there"};
        if (force != FALSE) settings.existing = Existing::force;
        if (atomic != FALSE) settings.existing = Existing::replace;
        settings.no_clobber = no_clobber != FALSE;
        settings.verbose = verbose != FALSE;
        if (buffered != FALSE) settings.reads = ReadsDisk::through_cache;
        settings.verify = verify != FALSE;
        settings.json = json != FALSE;
        const bool shows = quiet == FALSE && json == FALSE && ::isatty(STDERR_FILENO) != 0;
        if (shows) settings.display = Progress::Display::line;
        return settings;
    }
};

} // namespace

int run_cp(int argc, char **argv) {
    Flags flags;
    const Synopsis synopsis = {"SOURCE... TARGET",
        "Copies files into a gmemfs mount, out of it, or within it, past FUSE: straight into the mapped device memory.",
        "- stands for standard input or output. A new file is whole under its name or isn't there. One that is there "
        "is\n"
        "written into, as by cp: it keeps owner, mode and links.",
        2, SIZE_MAX};
    const CommandLine line = parse_command_line(argc, argv, synopsis, flags.entries());
    const std::unique_ptr<gchar, decltype(&g_free)> threads(flags.threads, g_free);
    if (line.exit_status) return *line.exit_status;
    const Result<Settings> settings = flags.read();
    if (!settings) return fail_usage("cp", settings.error().text());
    catch_interruptions();
    const Result<std::size_t> failures = copy_all(*settings, line.parameters);
    if (!failures) return fail_or_interrupted(failures.error());
    return *failures == 0 ? 0 : kFailure;
}

} // namespace gmemfs
