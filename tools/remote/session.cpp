#include "tools/remote/session.hpp"

#include "fuse/host/json_text.hpp"

#include <nlohmann/json.hpp>

#include <unistd.h>

namespace gmemfs {

SessionFlags::~SessionFlags() {
    for (gchar *const text : {command_, program_, via_, trusted_}) g_free(text);
}

std::vector<GOptionEntry> SessionFlags::entries() {
    return {
        {"recursive", 'r', 0, G_OPTION_ARG_NONE, &recursive_, "Folders, with all that is in them", nullptr},
        {"preserve", 'p', 0, G_OPTION_ARG_NONE, &preserve_,
            "Keep mode, times, ACLs and extended attributes, and the owner's number where that is allowed", nullptr},
        {"resume", 0, 0, G_OPTION_ARG_NONE, &resume_,
            "Keep what has come after a failure; begin with what is there, and fetch what differs", nullptr},
        {"via", 0, 0, G_OPTION_ARG_STRING, &via_,
            "How the bytes of large files go: fabric, nixl, ssh, or auto: the first that works", "WAY"},
        {"trusted-net", 0, 0, G_OPTION_ARG_STRING, &trusted_,
            "Networks with hosts to which auto may use nixl, which doesn't encrypt: 10.0.0.0/8,fd00::/8", "NETS"},
        {"rsh", 'e', 0, G_OPTION_ARG_STRING, &command_, "What reaches the host (ssh): it gets HOST and a command line",
            "COMMAND"},
        {"remote-program", 0, 0, G_OPTION_ARG_STRING, &program_, "The gmemfs command on the other host (gmemfs)",
            "PROGRAM"},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet_, "Show no progress", nullptr},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json_, "Print what came as one JSON object, and no progress", nullptr},
    };
}

Result<std::optional<RemoteTransport>> parse_transport(const std::string &text) {
    if (text == "auto") return std::optional<RemoteTransport>();
    for (const RemoteTransport transport : {RemoteTransport::fabric, RemoteTransport::nixl, RemoteTransport::ssh})
        if (text == name_of(transport)) return std::optional(transport);
    return Error{EINVAL, 0, "--via", text + ": it is auto, fabric, nixl or ssh"};
}

Result<SessionSettings> SessionFlags::read() const {
    SessionSettings settings;
    if (command_ != nullptr) settings.shell.command = command_;
    if (program_ != nullptr) settings.shell.program = program_;
    settings.receive.recursive = recursive_ != FALSE;
    settings.receive.resume = resume_ != FALSE;
    if (preserve_ != FALSE) settings.receive.attributes = Landing::Attributes::preserved;
    settings.receive.via = TRY(parse_transport(via_ == nullptr ? "auto" : via_));
    settings.trusted = TRY(TrustedNet::parse(trusted_ == nullptr ? "" : trusted_));
    settings.json = json_ != FALSE;
    const bool shows = quiet_ == FALSE && json_ == FALSE && ::isatty(STDERR_FILENO) != 0;
    if (shows) settings.display = Progress::Display::line;
    return settings;
}

SessionSettings SessionFlags::for_host(SessionSettings settings, const std::string &host) {
    if (settings.trusted.holds_host(host)) settings.receive.net = ReceiveSettings::Net::trusted;
    return settings;
}

int report(const SessionSettings &settings, const Done &outcome, double seconds) {
    if (outcome.attributes_left_out != 0)
        std::fprintf(stderr, "gmemfs: %llu extended attributes were left out: only root sets them there\n",
            static_cast<unsigned long long>(outcome.attributes_left_out));
    if (settings.json) {
        const double moving = outcome.moving_seconds;
        const nlohmann::json told = {{"files", outcome.files}, {"files_there", outcome.files_there},
            {"bytes", outcome.bytes}, {"failures", outcome.failures}, {"transport", name_of(outcome.transport)},
            {"seconds", moving}, {"all_seconds", seconds},
            {"gb_per_second", moving > 0 ? static_cast<double>(outcome.bytes) / 1e9 / moving : 0.0}};
        std::printf("%s\n", json_text(told, -1).c_str());
    }
    return finish_output(outcome.failures == 0 ? 0 : kFailure);
}

} // namespace gmemfs
