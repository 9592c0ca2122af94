// send, receive: the other host's half of pull and of push, which ssh starts there.
#include "tools/remote/session.hpp"
#include "tools/remote/source.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr const char *kWhoStartsIt = "`gmemfs pull` and `gmemfs push` start this on the other host, with --stdio";

// EINVAL: whoever started this doesn't speak frames.
Result<std::unique_ptr<FramePipe>> take_standard_pipe() {
    if (::isatty(STDIN_FILENO) != 0) return Error{EINVAL, 0, "--stdio", kWhoStartsIt};
    ::signal(SIGPIPE, SIG_IGN);
    Fd in(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)), out(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!in || !out) return Error{errno, 0, "open standard input and output", {}};
    // What a library prints must not get among the frames.
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    return std::make_unique<FramePipe>(std::move(in), std::move(out));
}

Result<void> send(FramePipe &pipe) {
    TRY(greet(pipe));
    RemoteSource source(pipe);
    TRY(source.serve());
    return {};
}

Result<void> receive(FramePipe &pipe) {
    TRY(greet(pipe));
    Frame frame;
    TRY(pipe.receive(frame));
    const Land land = TRY(decode_land(frame));
    ReceiveSettings settings;
    settings.recursive = (land.flags & kLandRecursive) != 0;
    settings.resume = (land.flags & kLandResume) != 0;
    if ((land.flags & kLandPreserve) != 0) settings.attributes = Landing::Attributes::preserved;
    if ((land.flags & kLandTrusted) != 0) settings.net = ReceiveSettings::Net::trusted;
    if (land.transport != 0) settings.via = static_cast<RemoteTransport>(land.transport);
    RemoteReceiver receiver(pipe, "", settings);
    TRY(receiver.list(kPushedName));
    Progress progress(Progress::Display::none, 0);
    const Done done = TRY(receiver.fetch(land.path, progress));
    return pipe.send(FrameKind::done, encode(done));
}

int run_half(int argc, char **argv, const Synopsis &synopsis, Result<void> (*serve)(FramePipe &)) {
    gboolean is_stdio = FALSE;
    const CommandLine line = parse_command_line(argc, argv, synopsis,
        {{"stdio", 0, 0, G_OPTION_ARG_NONE, &is_stdio, "Speak to the other host by standard input and output",
            nullptr}});
    if (line.exit_status) return *line.exit_status;
    if (is_stdio == FALSE) return fail_usage(argv[0], kWhoStartsIt);
    const Result<std::unique_ptr<FramePipe>> pipe = take_standard_pipe();
    if (!pipe) return fail_usage(argv[0], pipe.error().text());
    catch_interruptions();
    const Result<void> served = serve(**pipe);
    if (served) return 0;
    const Error &error = served.error();
    // The other side says it, where it still can.
    if (error.doing == kOtherHost) return kFailure;
    return tell_failure(**pipe, error) ? kFailure : fail_or_interrupted(error);
}

} // namespace

int run_send(int argc, char **argv) {
    const Synopsis synopsis = {"", "Sends what a `gmemfs pull` on another host asks for.", "", 0, 0};
    return run_half(argc, argv, synopsis, send);
}

int run_receive(int argc, char **argv) {
    const Synopsis synopsis = {"", "Receives what a `gmemfs push` on another host has.", "", 0, 0};
    return run_half(argc, argv, synopsis, receive);
}

} // namespace gmemfs
