// cp: copies files into a mount, out of it and within it, at the speed of the bus.
#include "fuse/host/json_text.hpp"
#include "tools/copy/command.hpp"
#include "tools/copy/tree.hpp"
#include "tools/host/command.hpp"
#include "tools/host/side_by_side.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

struct Settings : TreeSettings {
    Progress::Display display = Progress::Display::none;
    bool json = false;
};

// From standard input, or to standard output.
Result<void> copy_stream(
    const Settings &settings, const std::string &source, const std::string &target, Progress &progress) {
    CopyDevices devices;
    std::vector<std::byte> buffer(kCopyBuffer);
    return copy_file(settings, devices, buffer, source, target, progress);
}

// How many failed, each of which was said.
Result<std::size_t> copy_all(const Settings &settings, std::vector<std::string> sources) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point began = Clock::now();
    const std::string target = std::move(sources.back());
    sources.pop_back();
    std::error_code error;
    const bool is_folder = std::filesystem::is_directory(target, error);
    if (sources.size() > 1 && !is_folder) return Error{ENOTDIR, 0, "copy several files", target};
    CopyTree tree(settings);
    const bool is_stream = sources.front() == "-" || target == "-";
    for (const std::string &source : sources)
        if (!is_stream) TRY(tree.plan(source, is_folder ? target_in(target, source) : target));
    Progress progress(settings.display, tree.size());
    const Result<void> done = is_stream ? copy_stream(settings, sources.front(), target, progress) : tree.run(progress);
    progress.finish();
    if (!done) return Error(done.error());
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    if (settings.json) std::printf("%s\n", json_text(summary_of(progress, seconds), -1).c_str());
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
                "How many copy side by side for each device (by the cores, 12 at the most)", "N"},
        };
    }
    // EINVAL: they contradict each other.
    Result<Settings> read() const {
        Settings settings;
        settings.lanes = TRY(parse_lanes(threads));
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
