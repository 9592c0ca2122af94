// RemoteSession: what pull and push have in common: their options, and one session with another host.
#pragma once

#include "tools/host/command.hpp"
#include "tools/remote/receiver.hpp"
#include "tools/remote/shell.hpp"
#include "tools/remote/trusted_net.hpp"

#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

struct SessionSettings {
    ShellSettings shell;
    ReceiveSettings receive;
    TrustedNet trusted;
    Progress::Display display = Progress::Display::none;
    bool json = false;
};

/// The options of both commands. Owner of what GOption allocates.
class SessionFlags {
public:
    SessionFlags() = default;
    SessionFlags(const SessionFlags &) = delete;
    SessionFlags &operator=(const SessionFlags &) = delete;
    ~SessionFlags();

    std::vector<GOptionEntry> entries(); ///< views of this
    /// EINVAL: they make no sense.
    Result<SessionSettings> read() const;
    /// With what is known of the host.
    static SessionSettings for_host(SessionSettings settings, const std::string &host);

private:
    gboolean recursive_ = FALSE, preserve_ = FALSE, resume_ = FALSE, quiet_ = FALSE, json_ = FALSE;
    gchar *command_ = nullptr, *program_ = nullptr, *via_ = nullptr, *trusted_ = nullptr;
};

/// Nothing where `text` is "auto". EINVAL: no transport has this name.
Result<std::optional<RemoteTransport>> parse_transport(const std::string &text);

/// Prints what came, as JSON where that was asked for. The exit status.
int report(const SessionSettings &settings, const Done &outcome, double seconds);

} // namespace gmemfs
