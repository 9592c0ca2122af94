// pull: fetches a file or a folder from another host.
#include "tools/remote/session.hpp"
#include "tools/remote/source.hpp"

#include <chrono>

namespace gmemfs {
namespace {

Result<RemoteReceiver::Outcome> pull(const SessionSettings &settings, const RemotePath &from, const std::string &to) {
    const std::unique_ptr<RemoteShell> shell = TRY(RemoteShell::start(settings.shell, from.host, {"send", "--stdio"}));
    const auto explained = [&](const Error &error) { return shell->explain(error); };
    const Result<void> greeted = greet(shell->pipe());
    if (!greeted) return explained(greeted.error());
    RemoteReceiver receiver(shell->pipe(), from.host + ":", settings.receive);
    const Result<void> listed = receiver.list(from.path);
    if (!listed) return explained(listed.error());
    Progress progress(settings.display, receiver.size());
    Result<RemoteReceiver::Outcome> fetched = receiver.fetch(to, progress);
    progress.finish();
    if (!fetched) return explained(fetched.error());
    return fetched;
}

} // namespace

int run_pull(int argc, char **argv) {
    using Clock = std::chrono::steady_clock;
    SessionFlags flags;
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
    const CommandLine line = parse_command_line(argc, argv, synopsis, flags.entries());
    if (line.exit_status) return *line.exit_status;
    const Result<SessionSettings> settings = flags.read();
    if (!settings) return fail_usage("pull", settings.error().text());
    const Result<RemotePath> from = parse_remote_path(line.parameters[0]);
    if (!from) return fail_usage("pull", from.error().text());
    catch_interruptions();
    const Clock::time_point began = Clock::now();
    const Result<RemoteReceiver::Outcome> outcome = pull(*settings, *from, line.parameters[1]);
    if (!outcome) return fail_or_interrupted(outcome.error());
    return report(*settings, *outcome, std::chrono::duration<double>(Clock::now() - began).count());
}

} // namespace gmemfs
