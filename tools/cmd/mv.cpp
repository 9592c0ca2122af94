// mv: moves names as mv(1) does, and files to the device of the directory that they go to.
#include "fuse/host/json_text.hpp"
#include "tools/copy/command.hpp"
#include "tools/copy/move.hpp"
#include "tools/host/command.hpp"
#include "tools/host/side_by_side.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <unistd.h>

namespace gmemfs {
namespace {

struct Settings : MoveSettings {
    Progress::Display display = Progress::Display::none;
    bool json = false;
};

// How many failed, each of which was said.
Result<std::size_t> move_all(const Settings &settings, std::vector<std::string> sources) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point began = Clock::now();
    const std::string target = std::move(sources.back());
    sources.pop_back();
    std::error_code error;
    const bool is_folder = std::filesystem::is_directory(target, error);
    if (sources.size() > 1 && !is_folder) return Error{ENOTDIR, 0, "move several files", target};
    Move move(settings);
    for (const std::string &source : sources) TRY(move.plan(source, is_folder ? target_in(target, source) : target));
    Progress progress(settings.display, move.size());
    const Result<void> done = move.run(progress);
    progress.finish();
    if (!done) return Error(done.error());
    nlohmann::json told = summary_of(progress, std::chrono::duration<double>(Clock::now() - began).count());
    told["renamed"] = move.renamed();
    told["copied"] = move.copied();
    if (settings.json) std::printf("%s\n", json_text(told, -1).c_str());
    return move.failures();
}

} // namespace

int run_mv(int argc, char **argv) {
    gboolean force = FALSE, no_clobber = FALSE, verbose = FALSE, verify = FALSE, quiet = FALSE, json = FALSE;
    gchar *threads_text = nullptr;
    const Synopsis synopsis = {"SOURCE... TARGET",
        "Moves files and folders as mv does, and files to the device of the directory that they go to.",
        "What is on that device, or goes to a directory of no device in particular, is renamed. The rest is copied "
        "beside\nthe target, from device to device or through memory, replaces it at once, and then the source is "
        "removed. An error\nor an interruption leaves the source as it was.",
        2, SIZE_MAX};
    const CommandLine line = parse_command_line(argc, argv, synopsis,
        {{"force", 'f', 0, G_OPTION_ARG_NONE, &force, "For mv's sake: nothing is ever asked", nullptr},
            {"no-clobber", 'n', 0, G_OPTION_ARG_NONE, &no_clobber, "Leave what is there as it is, and the source",
                nullptr},
            {"verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "Print a line a source", nullptr},
            {"verify", 0, 0, G_OPTION_ARG_NONE, &verify,
                "Compare what was copied with its source before that is removed, by digests, which devices make",
                nullptr},
            {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "Show no progress", nullptr},
            {"json", 0, 0, G_OPTION_ARG_NONE, &json,
                "Print counts, bytes and seconds as one JSON object, and no progress", nullptr},
            {"threads", 0, 0, G_OPTION_ARG_STRING, &threads_text,
                "How many copy side by side for each device (by the cores, 12 at the most)", "N"}});
    const std::unique_ptr<gchar, decltype(&g_free)> threads(threads_text, g_free);
    if (line.exit_status) return *line.exit_status;
    const Result<LaneCount> lanes = parse_lanes(threads.get());
    if (!lanes) return fail_usage("mv", lanes.error().text());
    Settings settings;
    settings.lanes = *lanes;
    settings.verify = verify != FALSE;
    settings.no_clobber = no_clobber != FALSE;
    settings.verbose = verbose != FALSE;
    settings.json = json != FALSE;
    const bool shows = quiet == FALSE && json == FALSE && ::isatty(STDERR_FILENO) != 0;
    if (shows) settings.display = Progress::Display::line;
    catch_interruptions();
    const Result<std::size_t> failures = move_all(settings, line.parameters);
    if (!failures) return fail_or_interrupted(failures.error());
    return *failures == 0 ? 0 : kFailure;
}

} // namespace gmemfs
