// pack, unpack: files made smaller where they lie, or moved to host memory, and brought back (docs/cold.md).
#include "client/wire/file_control.hpp"
#include "fuse/host/json_text.hpp"
#include "tools/host/command.hpp"
#include "tools/host/file_walk.hpp"
#include "tools/host/mounts.hpp"
#include "tools/host/progress.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <iterator>
#include <sys/ioctl.h>
#include <unistd.h>

namespace gmemfs {
namespace {

using cold_control::ColdState;
using nlohmann::json;

enum class Action { pack, offload, offload_as_is, unpack };

struct Flags {
    gboolean host = FALSE, as_is = FALSE, recursive = FALSE, json = FALSE, quiet = FALSE;
    gchar *codec = nullptr; // of GLib's parser, for as long as the program runs
};

struct NamedCodec {
    const char *name;
    std::uint64_t number;
};
constexpr NamedCodec kCodecNames[] = {{"auto", cold_control::kAutomatic}, {"own", cold_control::kOwn},
    {"ans", cold_control::kAns}, {"lz4", cold_control::kLz4}, {"zstd", cold_control::kZstd}};

// Of a codec that is named; servers that know of none have the others.
unsigned long request_of(Action action, std::uint64_t codec) {
    const bool is_named = codec != cold_control::kAutomatic;
    switch (action) {
    case Action::pack: return is_named ? cold_control::kPackBy : cold_control::kPack;
    case Action::offload: return is_named ? cold_control::kOffloadBy : cold_control::kOffload;
    case Action::offload_as_is: return cold_control::kOffloadAsItIs;
    case Action::unpack: return cold_control::kWake;
    }
    return 0;
}

const char *verb_of(Action action) {
    switch (action) {
    case Action::pack: return "packed";
    case Action::offload:
    case Action::offload_as_is: return "moved to host memory";
    case Action::unpack: return "unpacked";
    }
    return "";
}

struct Outcome {
    std::string path;
    std::string error; // for people; empty: `state` tells what the file is now
    ColdState state;
};

// What of the file's memory may be another process's, for which the server answered EBUSY.
std::string reason_of_busy(const std::string &path) {
    const Result<std::string> residence = read_attribute(path, "user.gmemfs.residence");
    const json told = residence ? json_of(*residence) : json();
    const std::string busy = told.is_object() ? told.value("busy", "") : "";
    if (busy == "leased") return "a peer has it mapped: it can be packed when all peers have unmapped it";
    if (busy == "exported")
        return "its fabric handle was read, so a process may have it mapped, and nobody can know: pack a copy of it";
    return "a peer had it mapped a moment ago: try again";
}

std::string reason_of(Action action, const std::string &path, int code) {
    switch (code) {
    case EBUSY: return reason_of_busy(path);
    case ENOSPC:
        if (action == Action::unpack)
            return "there is no room for its bytes: free some memory (`gmemfs df`); it is as it was, and whole";
        if (action == Action::pack)
            return "there is no room for the packed bytes beside the file: free some memory (`gmemfs df`)";
        return "there is no room for it in host memory (`gmemfs df`): mount with a larger --host-limit, or free some";
    case ENOTSUP: return "this driver makes no host memory that can be shared: it needs CUDA 12.2 or later";
    case EDQUOT: return "awake it takes more than its owner's quota leaves: free some of the owner's files";
    case EACCES: return "only who may read and write the file may do this";
    case ENOTTY: return "it lies in no gmemfs mount, or its server is older than this program";
    case ENOPKG:
        return action == Action::unpack
                   ? "nvCOMP has packed it, and the server can't open that version of nvCOMP: install "
                     "it again (its log says which; `gmemfs doctor` how)"
                   : "the server can't open nvCOMP: install it (`gmemfs doctor` says how), or leave "
                     "--codec=ans out";
    case EIO: return "it is damaged, or the device has failed; the server's log says more";
    case EBADMSG: return "what is packed is damaged, so its bytes are lost; the server's log says more";
    case ENOEXEC: return "this server has no code for the device; its log says more";
    default: return std::strerror(code);
    }
}

// Nothing: the file was deleted since its directory was listed.
std::optional<Outcome> serve(Action action, std::uint64_t codec, const FoundFile &found) {
    Outcome outcome = {found.path, {}, {}};
    int code = found.error;
    const Fd file(code != 0 ? -1 : ::open(found.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (code == 0 && !file) {
        code = errno;
        if (code == ENOENT && found.by == FoundFile::By::folder) return std::nullopt;
    } else if (code == 0) {
        outcome.state.where = codec;
        if (::ioctl(file.get(), request_of(action, codec), &outcome.state) == 0) return outcome;
        code = errno;
    }
    outcome.error = std::string("can't be ") + verb_of(action) + ": " +
                    (file ? reason_of(action, found.path, code) : std::strerror(code));
    return outcome;
}

double ratio_of(const ColdState &state) {
    return state.held == 0 ? 1 : static_cast<double>(state.plain) / static_cast<double>(state.held);
}

void print_outcome(Action action, const Outcome &outcome) {
    const ColdState &state = outcome.state;
    const char *const path = outcome.path.c_str();
    const char *const where = (state.where & cold_control::kInHost) != 0 ? " in host memory" : "";
    if (action == Action::unpack)
        std::printf("%s: unpacked, %s\n", path, format_size(state.held).c_str());
    else if ((state.where & cold_control::kPacked) != 0)
        std::printf("%s: %s -> %s%s (%.2f)\n", path, format_size(state.plain).c_str(), format_size(state.held).c_str(),
            where, ratio_of(state));
    else if ((state.where & cold_control::kInHost) != 0)
        std::printf("%s: %s%s\n", path, format_size(state.held).c_str(), where);
    else
        std::printf("%s: kept as it is: nothing would be saved\n", path);
    std::fflush(stdout); // before the progress of the next one
}

json describe(const Outcome &outcome) {
    if (!outcome.error.empty()) return {{"path", outcome.path}, {"error", outcome.error}};
    const ColdState &state = outcome.state;
    constexpr const char *kResidences[] = {"device", "packed", "host", "host-packed"};
    return {{"path", outcome.path}, {"residence", kResidences[state.where % 4]}, {"plain", state.plain},
        {"held", state.held}, {"ratio", std::round(ratio_of(state) * 100) / 100}};
}

// Finds the files, serves one after the other, and tells of each. ^C ends it between two files.
class Run {
public:
    Run(Action action, std::uint64_t codec, const Flags &flags) : action_(action), codec_(codec), flags_(flags) {}

    int run(const std::vector<std::string> &paths) {
        for (const std::string &path : paths)
            if (!find(path)) return finish(kInterrupted);
        std::uint64_t total = 0;
        for (const Item &item : items_) total += item.file.size;
        const bool shows = flags_.quiet == FALSE && flags_.json == FALSE && ::isatty(STDERR_FILENO) != 0;
        Progress progress(shows ? Progress::Display::line : Progress::Display::none, total);
        for (const auto &[file, error] : items_) {
            if (!error.empty()) {
                told_.push_back(describe({file.path, error, {}}));
                continue;
            }
            if (is_interrupted()) {
                fail(Error{EINTR, 0, action_ == Action::unpack ? "unpack files" : "pack files",
                    file.path + ": interrupted before it"});
                return finish(kInterrupted);
            }
            progress.start_file(file.path);
            progress.add(0);
            const std::optional<Outcome> outcome = serve(action_, codec_, file);
            progress.add(file.size);
            progress.finish();
            if (outcome) tell(*outcome);
        }
        return finish(status_);
    }

private:
    struct Item {
        FoundFile file;
        std::string error; // of a PATH that stands for no file, and was told; else empty
    };

    // False: the user has interrupted.
    bool find(const std::string &path) {
        const Folders folders = flags_.recursive != FALSE ? Folders::searched : Folders::refused;
        Result<std::vector<FoundFile>> found = find_files(path, folders);
        if (found) {
            for (FoundFile &file : *found) items_.push_back({std::move(file), {}});
            return true;
        }
        status_ = fail_or_interrupted(found.error());
        items_.push_back({{.path = path}, found.error().text()});
        return status_ != kInterrupted;
    }

    void tell(const Outcome &outcome) {
        if (!outcome.error.empty()) {
            status_ = kFailure;
            std::fprintf(stderr, "gmemfs: %s: %s\n", outcome.path.c_str(), outcome.error.c_str());
        } else if (flags_.json == FALSE && flags_.quiet == FALSE) {
            print_outcome(action_, outcome);
        }
        told_.push_back(describe(outcome));
    }

    int finish(int status) const {
        if (flags_.json != FALSE) std::printf("%s\n", json_text({{"files", told_}}, 2).c_str());
        return status;
    }

    const Action action_;
    const std::uint64_t codec_;
    const Flags flags_;
    std::vector<Item> items_;
    json told_ = json::array();
    int status_ = 0;
};

int run(Action action, int argc, char **argv, const char *summary) {
    Flags flags;
    const Synopsis synopsis = {"PATH...", summary,
        "Exit status 0: all was done. 1: a file couldn't be; the others were. 130: interrupted, between two files.", 1,
        SIZE_MAX};
    std::vector<GOptionEntry> entries = {
        {"recursive", 'r', 0, G_OPTION_ARG_NONE, &flags.recursive, "Take all files below directories", nullptr},
        {"json", 0, 0, G_OPTION_ARG_NONE, &flags.json, "Print one JSON object", nullptr},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &flags.quiet, "Print errors alone", nullptr}};
    if (action == Action::pack)
        entries.insert(entries.begin(),
            {{"host", 0, 0, G_OPTION_ARG_NONE, &flags.host, "Move the files to host memory, too", nullptr},
                {"as-is", 0, 0, G_OPTION_ARG_NONE, &flags.as_is, "With --host: move them as they are", nullptr},
                {"codec", 0, 0, G_OPTION_ARG_STRING, &flags.codec,
                    "own: for floats; lz4, zstd: the rest, too; ans: nvCOMP's; auto: the smallest (auto)",
                    "auto|own|ans|lz4|zstd"}});
    const CommandLine line = parse_command_line(argc, argv, synopsis, entries);
    if (line.exit_status) return *line.exit_status;
    if (flags.as_is != FALSE && flags.host == FALSE) {
        std::fputs("gmemfs pack: --as-is belongs to --host: gmemfs pack --host --as-is PATH\n", stderr);
        return kUsage;
    }
    const std::string name = flags.codec == nullptr ? "auto" : flags.codec;
    const auto *const codec =
        std::ranges::find_if(kCodecNames, [&](const NamedCodec &each) { return name == each.name; });
    if (codec == std::end(kCodecNames)) {
        std::fprintf(stderr, "gmemfs pack: --codec: '%s' is none of auto, own, ans, lz4, zstd\n", name.c_str());
        return kUsage;
    }
    if (flags.as_is != FALSE && flags.codec != nullptr) {
        std::fputs("gmemfs pack: --as-is packs nothing: leave --codec out\n", stderr);
        return kUsage;
    }
    if (flags.host != FALSE) action = flags.as_is != FALSE ? Action::offload_as_is : Action::offload;
    catch_interruptions();
    return Run(action, codec->number, flags).run(line.parameters);
}

} // namespace

int run_pack(int argc, char **argv) {
    return run(Action::pack, argc, argv,
        "Makes files take less device memory where they lie. Whoever reads one sees its bytes as before; whoever "
        "writes\n"
        "to it, or maps it, gets it back whole first.");
}

int run_unpack(int argc, char **argv) {
    return run(Action::unpack, argc, argv, "Gives packed files plain device memory again.");
}

} // namespace gmemfs
