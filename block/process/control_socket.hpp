// Control socket: by which `gmemfs block --list` and `--detach` reach the supervisors of this user.
#pragma once

#include "vmm/base/fd.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gmemfs::block {

inline constexpr std::string_view kStatus = "status", kDetach = "detach";

/// The folder of this user's supervisors' sockets: /run/gmemfs/block, or a folder of the user's own.
std::string control_folder();

/// Owner of the socket, and of its name. Move-only.
class ControlSocket {
public:
    /// Listens in control_folder(), under the process's number.
    static Result<ControlSocket> create();
    ControlSocket(ControlSocket &&other) noexcept = default;
    ControlSocket &operator=(ControlSocket &&) = delete;
    ControlSocket(const ControlSocket &) = delete;
    ControlSocket &operator=(const ControlSocket &) = delete;
    ~ControlSocket();

    int get() const { return socket_.get(); }
    /// A client's request, and the socket to answer on. EPERM: it is another user's.
    struct Call {
        Fd client;
        std::string request;
    };
    Result<Call> accept() const;

private:
    ControlSocket(Fd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}
    Fd socket_;
    std::string path_; // empty once moved from
};

/// Answers: "ok", or an error's text, or a status as JSON.
void answer(const Fd &client, std::string_view text);

/// The sockets of supervisors that live; names that dead ones have left are removed.
std::vector<std::string> find_supervisors();
/// Sends `request` and returns the answer. ECONNREFUSED, ENOENT: there is no supervisor.
Result<std::string> ask_supervisor(const std::string &path, std::string_view request);

} // namespace gmemfs::block
