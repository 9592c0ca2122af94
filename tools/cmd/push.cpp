// push: sends a file or a folder to another host.
#include "tools/remote/session.hpp"
#include "tools/remote/source.hpp"

#include <chrono>
#include <filesystem>

namespace gmemfs {
namespace {

Land landing_of(const SessionSettings &settings, const std::string &path) {
    Land land = {path, 0, settings.receive.via ? static_cast<std::uint8_t>(*settings.receive.via) : std::uint8_t(0)};
    if (settings.receive.recursive) land.flags |= kLandRecursive;
    if (settings.receive.resume) land.flags |= kLandResume;
    if (settings.receive.attributes == Landing::Attributes::preserved) land.flags |= kLandPreserve;
    if (settings.receive.net == ReceiveSettings::Net::trusted) land.flags |= kLandTrusted;
    return land;
}

Result<Done> push(const SessionSettings &settings, const std::string &from, const RemotePath &to) {
    std::error_code error;
    const std::string whole = std::filesystem::canonical(from, error);
    if (error) return Error{error.value(), 0, "send", from};
    const std::unique_ptr<RemoteShell> shell = TRY(RemoteShell::start(settings.shell, to.host, {"receive", "--stdio"}));
    const auto talk = [&]() -> Result<std::optional<Done>> {
        TRY(greet(shell->pipe()));
        TRY(shell->pipe().send(FrameKind::land, encode(landing_of(settings, to.path))));
        RemoteSource source(shell->pipe(), kPushedName, whole);
        Result<std::optional<Done>> served = source.serve();
        // What fails here the other side is told, so that it says nothing by itself.
        if (!served && served.error().doing != kOtherHost) tell_failure(shell->pipe(), served.error());
        return served;
    };
    const Result<std::optional<Done>> done = talk();
    if (!done) return shell->explain(done.error());
    if (!*done) return shell->explain(Error{EPIPE, 0, "talk to the other host", "it has ended"});
    return **done;
}

} // namespace

int run_push(int argc, char **argv) {
    using Clock = std::chrono::steady_clock;
    SessionFlags flags;
    const Synopsis synopsis = {"SOURCE HOST:PATH",
        "Sends a file, or with -r a folder, to a gmemfs mount (or any filesystem) of another host.",
        "As pull, the other way: the other host's gmemfs fetches it from here. What can't be done there is said there, "
        "on\n"
        "the same standard error.\n\n"
        "  gmemfs push -r /mnt/gpu/model gpu2:/mnt/gpu/model\n\n"
        "Exit status: 0; 1 where anything didn't get there; 2 for usage.",
        2, 2};
    const CommandLine line = parse_command_line(argc, argv, synopsis, flags.entries());
    if (line.exit_status) return *line.exit_status;
    const Result<SessionSettings> settings = flags.read();
    if (!settings) return fail_usage("push", settings.error().text());
    const Result<RemotePath> to = parse_remote_path(line.parameters[1]);
    if (!to) return fail_usage("push", to.error().text());
    catch_interruptions();
    const Clock::time_point began = Clock::now();
    const Result<Done> outcome = push(SessionFlags::for_host(*settings, to->host), line.parameters[0], *to);
    if (!outcome) return fail_or_interrupted(outcome.error());
    return report(*settings, *outcome, std::chrono::duration<double>(Clock::now() - began).count());
}

} // namespace gmemfs
