#include "block/process/control_socket.hpp"

#include <array>
#include <cstddef>
#include <dirent.h>
#include <memory>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace gmemfs::block {
namespace {

constexpr timeval kPatience = {10, 0};
constexpr std::size_t kAnswerMax = 64 * 1024;

Result<sockaddr_un> address_of(const std::string &path) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return Error{ENAMETOOLONG, 0, "reach the supervisor", path};
    path.copy(address.sun_path, path.size());
    return address;
}

Result<void> make_folder(const std::string &path) {
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    return Error{errno, 0, "make the supervisors' folder", path};
}

// Another user's folder under /tmp mustn't be taken for one's own.
Result<void> check_folder(const std::string &path) {
    struct stat status = {};
    if (::lstat(path.c_str(), &status) != 0) return Error{errno, 0, "use the supervisors' folder", path};
    if (S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & 022) == 0) return {};
    return Error{EPERM, 0, "use the supervisors' folder", path + ": others may write in it, or it is another user's"};
}

std::string parent_folder() {
    const std::string user = std::to_string(::geteuid());
    if (::geteuid() == 0) return "/run/gmemfs";
    const std::string run = "/run/user/" + user;
    return ::access(run.c_str(), W_OK) == 0 ? run + "/gmemfs" : "/tmp/gmemfs-" + user;
}

Result<Fd> connect_to(const std::string &path) {
    const sockaddr_un address = TRY(address_of(path));
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return Error{errno, 0, "reach the supervisor", path};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
        return Error{errno, 0, "reach the supervisor", path};
    return socket;
}

} // namespace

std::string control_folder() { return parent_folder() + "/block"; }

Result<ControlSocket> ControlSocket::create() {
    for (const std::string &folder : {parent_folder(), control_folder()}) {
        TRY(make_folder(folder));
        TRY(check_folder(folder));
    }
    std::string path = control_folder() + "/" + std::to_string(::getpid());
    const sockaddr_un address = TRY(address_of(path));
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return Error{errno, 0, "listen", path};
    ::unlink(path.c_str()); // of a process that had this number
    if (::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0 ||
        ::listen(socket.get(), 16) != 0)
        return Error{errno, 0, "listen", path};
    return ControlSocket(std::move(socket), std::move(path));
}

ControlSocket::~ControlSocket() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

Result<ControlSocket::Call> ControlSocket::accept() const {
    Call call;
    call.client = Fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!call.client) return Error{errno, 0, "hear a command"};
    constexpr timeval kShort = {1, 0}; // a client that says nothing keeps nobody waiting for long
    ::setsockopt(call.client.get(), SOL_SOCKET, SO_RCVTIMEO, &kShort, sizeof kShort);
    ucred who = {};
    socklen_t length = sizeof who;
    if (::getsockopt(call.client.get(), SOL_SOCKET, SO_PEERCRED, &who, &length) != 0 ||
        (who.uid != 0 && who.uid != ::geteuid()))
        return Error{EPERM, 0, "hear a command", "it is another user's"};
    std::array<char, 64> text = {};
    const ssize_t size = ::recv(call.client.get(), text.data(), text.size(), 0);
    if (size < 0) return Error{errno, 0, "hear a command"};
    call.request.assign(text.data(), static_cast<std::size_t>(size));
    return call;
}

void answer(const Fd &client, std::string_view text) {
    (void)::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT); // one that has gone wants none
}

std::vector<std::string> find_supervisors() {
    std::vector<std::string> found;
    const std::string folder = control_folder();
    const std::unique_ptr<DIR, int (*)(DIR *)> listing(::opendir(folder.c_str()), ::closedir);
    if (!listing) return found;
    while (const dirent *const entry = ::readdir(listing.get())) { // NOLINT(concurrency-mt-unsafe): a stream of our own
        const std::string path = folder + "/" + entry->d_name;
        if (entry->d_name[0] == '.') continue;
        const Result<Fd> socket = connect_to(path);
        if (socket) found.push_back(path);
        if (!socket && socket.error().code == ECONNREFUSED) ::unlink(path.c_str());
    }
    return found;
}

Result<std::string> ask_supervisor(const std::string &path, std::string_view request) {
    const Fd socket = TRY(connect_to(path));
    if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
        return Error{errno, 0, "ask the supervisor", path};
    std::string text(kAnswerMax, '\0');
    const ssize_t size = ::recv(socket.get(), text.data(), text.size(), 0);
    if (size < 0) return Error{errno == EAGAIN ? ETIMEDOUT : errno, 0, "ask the supervisor", path};
    text.resize(static_cast<std::size_t>(size));
    return text;
}

} // namespace gmemfs::block
