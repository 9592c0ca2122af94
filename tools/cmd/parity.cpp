// verify, scrub, seal: a file's parity compared with its data, for people, and by the exit status for scripts.
#include "fuse/host/json_text.hpp"
#include "tools/cmd/parity_walk.hpp"
#include "tools/host/command.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <unistd.h>

namespace gmemfs {
namespace {

using Action = ParityWalk::Action;
using nlohmann::json;

constexpr std::uint64_t kBlock = 128 << 10; // bytes, the unit of parity
constexpr std::size_t kShown = 8;           // ranges of one file, for people

// "bytes 131072 to 393216, ...": blocks side by side are one range.
std::string ranges_of(const std::vector<std::uint64_t> &blocks) {
    std::string text;
    std::size_t shown = 0;
    for (std::size_t index = 0; index < blocks.size(); ++shown) {
        if (shown == kShown) return text + ", ...";
        std::size_t end = index + 1;
        while (end < blocks.size() && blocks[end] == blocks[end - 1] + 1) ++end;
        text += (text.empty() ? "bytes " : ", ") + std::to_string(blocks[index] * kBlock) + " to " +
                std::to_string((blocks[end - 1] + 1) * kBlock);
        index = end;
    }
    return text;
}

void print_outcome(Action action, const ParityOutcome &outcome) {
    if (outcome.error != 0) {
        std::fprintf(stderr, "gmemfs: %s: %s\n", outcome.path.c_str(), outcome.message.c_str());
    } else if (action == Action::seal) {
        std::printf("%s: sealed\n", outcome.path.c_str());
    } else if (outcome.wrong == 0) {
        std::printf("%s: %ju blocks, all right\n", outcome.path.c_str(), uintmax_t(outcome.blocks));
    } else {
        std::printf(
            "%s: %ju of %ju blocks wrong", outcome.path.c_str(), uintmax_t(outcome.wrong), uintmax_t(outcome.blocks));
        if (action == Action::scrub) std::printf(", %ju repaired", uintmax_t(outcome.repaired));
        if (outcome.left_wrong != 0)
            std::printf("%s: %s", action == Action::scrub ? ", the others beyond repair" : "",
                ranges_of(outcome.listed).c_str());
        std::printf("\n");
    }
}

void print_json(const ParityWalk &walk) {
    json files = json::array();
    for (const ParityOutcome &outcome : walk.outcomes()) {
        json file = {{"path", outcome.path}};
        if (outcome.error != 0)
            file["error"] = outcome.message;
        else
            file.update({{"blocks", outcome.blocks}, {"wrong", outcome.wrong}, {"repaired", outcome.repaired},
                {"left_wrong", outcome.left_wrong}, {"left_wrong_blocks", outcome.listed}});
        files.push_back(std::move(file));
    }
    const json all = {{"files", std::move(files)}, {"without_parity", walk.without_parity()}};
    std::printf("%s\n", json_text(all, 2).c_str());
}

int run(Action action, int argc, char **argv, const char *summary) {
    gboolean as_json = FALSE;
    gboolean quiet = FALSE;
    const std::vector<GOptionEntry> options = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print one JSON object", nullptr},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "No progress, and no line for a file that is right", nullptr}};
    const Synopsis synopsis = {"PATH...", summary,
        "A directory stands for all files below it; those without parity are passed over.\n"
        "Exit status 0: all is right now. 1: a block is still wrong, or a file can't be looked at. 130: interrupted.",
        1, SIZE_MAX};
    const CommandLine line = parse_command_line(argc, argv, synopsis, options);
    if (line.exit_status) return *line.exit_status;
    catch_interruptions();
    const bool shows = quiet == FALSE && as_json == FALSE && ::isatty(STDERR_FILENO) != 0;
    ParityWalk walk(action, shows ? Progress::Display::line : Progress::Display::none);
    int status = 0;
    std::size_t told = 0;
    for (const std::string &path : line.parameters) {
        const Result<void> visited = walk.visit(path);
        for (; told < walk.outcomes().size(); ++told) {
            const ParityOutcome &outcome = walk.outcomes()[told];
            const bool is_right = outcome.error == 0 && outcome.left_wrong == 0;
            if (!is_right) status = kFailure;
            if (as_json == FALSE && (quiet == FALSE || !is_right || outcome.wrong != 0)) print_outcome(action, outcome);
        }
        if (visited) continue;
        status = fail_or_interrupted(visited.error());
        if (status == kInterrupted) break;
    }
    if (as_json != FALSE) print_json(walk);
    if (as_json == FALSE && quiet == FALSE && walk.outcomes().empty() && status == 0)
        std::printf("no file there has parity\n");
    return status;
}

} // namespace

int run_verify(int argc, char **argv) {
    return run(Action::verify, argc, argv, "Compares files with their parity, and changes nothing.");
}

int run_scrub(int argc, char **argv) {
    return run(Action::scrub, argc, argv, "Compares files with their parity, and repairs what can be repaired.");
}

int run_seal(int argc, char **argv) {
    return run(Action::seal, argc, argv,
        "Makes the parity of files that peers have written to fit: what is there now counts as right.");
}

} // namespace gmemfs
