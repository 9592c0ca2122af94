// pull: fetches a file or a folder from another host.
#include "tools/remote/session.hpp"
#include "tools/remote/source.hpp"

#include <chrono>

namespace gmemfs {
namespace {

using Clock = std::chrono::steady_clock;

struct Pull {
    SessionSettings settings;
    RemotePath from;
    std::string to;
};

// One round: what is new since `before`, which is null at first. The receiver, for the next one.
Result<std::unique_ptr<RemoteReceiver>> pull_once(
    const Pull &pull, FramePipe &pipe, const RemoteReceiver *before, int &exit_status) {
    const Clock::time_point began = Clock::now();
    auto receiver = std::make_unique<RemoteReceiver>(pipe, pull.from.host + ":", pull.settings.receive);
    TRY(receiver->list(pull.from.path));
    if (before != nullptr) receiver->leave_out_what(*before);
    Progress progress(pull.settings.display, receiver->size());
    const Result<Done> outcome = receiver->fetch(pull.to, progress);
    progress.finish();
    if (!outcome) return Error(outcome.error());
    exit_status = report(pull.settings, *outcome, std::chrono::duration<double>(Clock::now() - began).count());
    return receiver;
}

// The exit status.
enum class Rounds { one, as_it_changes };
Result<int> run(const Pull &pull, Rounds rounds) {
    const std::unique_ptr<RemoteShell> shell =
        TRY(RemoteShell::start(pull.settings.shell, pull.from.host, {"send", "--stdio"}));
    const auto talk = [&]() -> Result<int> {
        TRY(greet(shell->pipe()));
        int exit_status = 0;
        std::unique_ptr<RemoteReceiver> receiver = TRY(pull_once(pull, shell->pipe(), nullptr, exit_status));
        while (rounds == Rounds::as_it_changes) {
            TRY(receiver->wait_for_change());
            receiver = TRY(pull_once(pull, shell->pipe(), receiver.get(), exit_status));
        }
        return exit_status;
    };
    Result<int> talked = talk();
    if (!talked) return shell->explain(talked.error());
    return talked;
}

} // namespace

int run_pull(int argc, char **argv) {
    SessionFlags flags;
    gboolean watch = FALSE;
    std::vector<GOptionEntry> options = flags.entries();
    options.push_back({"watch", 'w', 0, G_OPTION_ARG_NONE, &watch,
        "Stay, and fetch what is new whenever something changes there, until interrupted", nullptr});
    const Synopsis synopsis = {"HOST:PATH TARGET",
        "Fetches a file, or with -r a folder, from a gmemfs mount (or any filesystem) of another host.",
        "The other host's gmemfs is started by ssh, as the user that ssh makes. A file has its name here when all of "
        "it "
        "is\n"
        "there and has the digest that the other host tells. What is in the folder PATH goes into the folder TARGET. "
        "A\n"
        "file goes to TARGET, or into it where that is a folder.\n\n"
        "  gmemfs pull -r gpu2:/mnt/gpu/model /mnt/gpu/model\n\n"
        "Exit status: 0; 1 where anything didn't come; 2 for usage.",
        2, 2};
    const CommandLine line = parse_command_line(argc, argv, synopsis, options);
    if (line.exit_status) return *line.exit_status;
    const Result<SessionSettings> settings = flags.read();
    if (!settings) return fail_usage("pull", settings.error().text());
    const Result<RemotePath> from = parse_remote_path(line.parameters[0]);
    if (!from) return fail_usage("pull", from.error().text());
    catch_interruptions();
    const Result<int> done = run({SessionFlags::for_host(*settings, from->host), *from, line.parameters[1]},
        watch != FALSE ? Rounds::as_it_changes : Rounds::one);
    return done ? *done : fail_or_interrupted(done.error());
}

} // namespace gmemfs
