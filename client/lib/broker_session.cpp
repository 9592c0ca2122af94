#include "client/lib/broker_session.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <fcntl.h>
#include <iterator>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs::client {
namespace {

constexpr timeval kPatience = {30, 0};          // settling a file of many extents copies all of it once, on the device
constexpr std::chrono::seconds kReplacement(3); // until a server's broker listens
constexpr int kPauseMs = 5;

Error at(int code, const char *doing, const std::string &path, const std::string &more) {
    return Error{code, 0, doing, path + ": " + more};
}

Result<Fd> connect_to(const sockaddr_un &address, std::size_t size) {
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return Error{errno, 0, "make a socket"};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    const auto *const generic = reinterpret_cast<const sockaddr *>(&address);
    if (::connect(socket.get(), generic, static_cast<socklen_t>(size)) != 0) return Error{errno, 0, "connect"};
    return socket;
}

std::string link_to(const Fd &fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

Result<std::string> path_of(const Fd &fd) {
    std::string path(4096, '\0');
    const ssize_t length = ::readlink(link_to(fd).c_str(), path.data(), path.size());
    if (length <= 0) return Error{errno, 0, "find the file's folder", link_to(fd)};
    path.resize(static_cast<std::size_t>(length));
    return path;
}

// The file's folder, or, where that has been removed meanwhile, the next one above it that is left in the mount. A
// directory is one itself: beside the mount's root is another filesystem.
Result<Fd> open_folder(const Fd &file) {
    const Identity identity = TRY(identify(file));
    if (S_ISDIR(identity.mode)) {
        Fd itself(::openat(file.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!itself) return Error{errno, 0, "open the file's folder"};
        return itself;
    }
    std::string folder = TRY(path_of(file));
    int code = ENOENT;
    for (std::size_t slash = folder.rfind('/'); slash != std::string::npos && slash != 0 && code == ENOENT;
         slash = folder.rfind('/', slash - 1)) {
        folder.resize(slash);
        Fd directory(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!directory) code = errno == ENOTDIR ? ENOENT : errno;
        const Result<Identity> found = identify(directory);
        if (directory && found && found->mount == identity.mount) return directory;
    }
    return Error{code, 0, "open the file's folder", folder};
}

// A folder may be too deep for an address of 108 bytes, so it goes by its descriptor.
Result<Fd> connect_in(const Fd &folder) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder.get(),
        std::string(protocol::kSocketName).c_str());
    return connect_to(address, sizeof address);
}

Result<Fd> connect_to_abstract(const std::string &name) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (name.size() > sizeof address.sun_path) return Error{ENAMETOOLONG, 0, "connect", name};
    name.copy(address.sun_path, name.size());
    address.sun_path[0] = '\0'; // where the attribute has an @
    return connect_to(address, offsetof(sockaddr_un, sun_path) + name.size());
}

// Where the broker listens now; `folder` may have been removed since, so the mount's own does as well. ENOTCONN: the
// mount is gone.
Result<std::string> find_address(std::string &folder, const std::string &before) {
    const std::string mount = before.substr(0, before.rfind('/') + 1);
    for (const std::string &path : {folder, mount}) {
        std::string value(1024, '\0');
        const ssize_t size = ::getxattr(path.c_str(), protocol::kSocketAttribute, value.data(), value.size());
        if (size < 0 && errno != EAGAIN) continue;
        if (size < 0) return Error{EAGAIN, 0, "find the broker", path};
        folder = path;
        value.resize(static_cast<std::size_t>(size));
        return value;
    }
    return Error{ENOTCONN, 0, "find the broker", folder + ": it is on no gmemfs mount any more"};
}

// Calls `attempt()` until it doesn't fail as where a server is just being replaced.
template <typename Attempt>
auto wait_for_broker(const Attempt &attempt) {
    const auto end = std::chrono::steady_clock::now() + kReplacement;
    for (;;) {
        auto result = attempt();
        const int code = result ? 0 : result.error().code;
        const bool may_come = code == EAGAIN || code == ECONNREFUSED || code == ENOENT;
        if (!may_come || std::chrono::steady_clock::now() >= end) return result;
        (void)::poll(nullptr, 0, kPauseMs); // nothing tells of a server that begins to listen
    }
}

// The connection is no more, and an answer that was to come by it won't.
bool has_ended(const Error &error) { return error.code == ECONNRESET || error.code == EPIPE; }

} // namespace

Result<Identity> identify(const Fd &file) {
    struct statx status = {};
    if (::statx(file.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) != 0)
        return Error{errno, 0, "stat file"};
    return Identity{makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_mode};
}

Result<std::string> read_attribute(const Fd &file, const char *name) {
    std::string value(1024, '\0');
    const ssize_t size = ::getxattr(link_to(file).c_str(), name, value.data(), value.size());
    if (size < 0) return Error{errno, 0, "read attribute", name};
    value.resize(static_cast<std::size_t>(size));
    return value;
}

Error name_driver(const Fd &at, const std::string &library, Error error) {
    const Result<std::string> used = read_attribute(at, "user.gmemfs.driver");
    if (used && *used != library) error.detail += "; its mount uses another driver library: set GMEMFS_DRIVER=" + *used;
    return error;
}

Result<BrokerSession> BrokerSession::connect(const Fd &file, const std::string &path) {
    BrokerSession session(path);
    const Fd folder = TRY(open_folder(file));
    session.folder_ = TRY(path_of(folder));
    const Result<void> connected = wait_for_broker([&]() -> Result<void> {
        const Result<std::string> address = read_attribute(file, protocol::kSocketAttribute);
        if (address) return session.connect_to_broker(*address, folder);
        const bool is_elsewhere = address.error().code == ENODATA || address.error().code == ENOTSUP;
        return at(is_elsewhere ? ENOTTY : address.error().code, "map file", path,
            is_elsewhere ? "it is on no gmemfs mount, or on one without a broker" : "its mount doesn't answer");
    });
    if (!connected) return Error(connected.error());
    return session;
}

Result<void> BrokerSession::reconnect() {
    return wait_for_broker([this]() -> Result<void> {
        const std::string address = TRY(find_address(folder_, address_));
        return connect_to_broker(address, Fd(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)));
    });
}

// The socket is in the folder, whatever the mount is called where the server runs.
Result<void> BrokerSession::connect_to_broker(const std::string &address, const Fd &folder) {
    address_ = address;
    Result<Fd> socket = address.starts_with("@") ? connect_to_abstract(address) : connect_in(folder);
    if (socket) {
        socket_ = *std::move(socket);
        return {};
    }
    const char *const advice =
        address.starts_with("@") ? ": this process must be in the network namespace of the mount's server" : "";
    return at(socket.error().code, "connect to the broker", path_, "its socket is " + address + advice);
}

Result<void> BrokerSession::send(const void *message, std::size_t size) {
    const ssize_t sent = ::send(socket_.get(), message, size, MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(size)) return {};
    // A broker that refuses a connection says why, and closes it at once: that answer is to be read.
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return {};
    return at(sent < 0 ? errno : EIO, "ask the broker", path_, "its server may have ended");
}

Result<std::vector<std::byte>> BrokerSession::receive(std::vector<Fd> &fds) {
    std::vector<std::byte> bytes(protocol::kAnswerSizeMax);
    Result<Received> received = receive_message(socket_.get(), bytes);
    if (!received && received.error().code == EAGAIN)
        return at(ETIMEDOUT, "ask the broker", path_, "no answer for 30 s");
    if (!received || received->size == 0)
        return at(received ? ECONNRESET : received.error().code, "ask the broker", path_, "it closed the connection");
    std::move(received->fds.begin(), received->fds.end(), std::back_inserter(fds));
    lacks_fds_ = received->lacks_fds;
    bytes.resize(received->size);
    return bytes;
}

Result<protocol::Ticket> BrokerSession::read_ticket(const Fd &file) const {
    const Result<std::string> text = wait_for_broker([&] { return read_attribute(file, protocol::kTicketAttribute); });
    if (!text) return at(text.error().code, "map file", path_, "the ticket for the broker is refused: mind its mode");
    protocol::Ticket ticket = {};
    if (text->size() != ticket.size()) return at(EPROTO, "map file", path_, "its ticket has another size");
    std::memcpy(ticket.data(), text->data(), ticket.size());
    return ticket;
}

// Whether the file is whole now. That descriptors are missing is the file's code: the rest of the answer is to come,
// and its lease to be released.
Result<bool> BrokerSession::add(AttachedEntry &entry, const protocol::AnswerPart &part, std::size_t fd_count) const {
    Attached &attached = entry.attached;
    const protocol::Answer &answer = part.answer;
    if (answer.code != 0) {
        entry.code = answer.code;
        entry.text = answer.text.data();
        return true;
    }
    const bool is_first = attached.extents.empty();
    const bool is_next = answer.first == attached.extents.size() && answer.count != 0 &&
                         (is_first || (answer.lease == attached.lease && answer.allocated == attached.allocated));
    if (!is_next) return at(EPROTO, "ask the broker", path_, "its messages contradict each other");
    std::uint64_t end = is_first ? 0 : attached.extents.back().offset + attached.extents.back().length;
    for (const protocol::ExtentRecord &extent : part.extents) {
        if (extent.offset != end) return at(EPROTO, "ask the broker", path_, "its extents leave a gap");
        end += extent.length;
        attached.extents.push_back(extent);
    }
    attached.lease = answer.lease;
    attached.size = answer.size;
    attached.allocated = answer.allocated;
    if (lacks_fds_) {
        entry.code = EMFILE;
        entry.text = "this process may open no more descriptors: raise ulimit -n";
    } else if (fd_count != part.descriptor_count) {
        return at(EPROTO, "ask the broker", path_, "descriptors are missing in its answer");
    }
    if (attached.extents.size() < answer.extent_count) return false;
    if (end == attached.allocated && attached.size <= end) return true;
    return at(EPROTO, "ask the broker", path_, "its extents aren't the whole file");
}

Result<Attached> BrokerSession::attach_once(const protocol::Attach &request) {
    TRY(send(&request, sizeof request));
    return take_attached();
}

Result<Attached> BrokerSession::take_attached() {
    AttachedEntry entry;
    for (bool is_whole = false; !is_whole;) {
        const std::size_t before = entry.attached.fds.size();
        const std::vector<std::byte> bytes = TRY(receive(entry.attached.fds));
        const protocol::AnswerPart part = TRY(protocol::parse_answer(bytes));
        is_whole = TRY(add(entry, part, entry.attached.fds.size() - before));
    }
    if (entry.code == 0) return std::move(entry.attached);
    if (entry.attached.lease != 0)
        (void)release(entry.attached.lease, path_); // or it would last as long as this process
    return at(entry.code, "ask the broker", path_, entry.text);
}

// Asks once more where the connection ended before the answer came; also where the mount is there again only later.
template <typename Attempt>
auto BrokerSession::repeat(protocol::Attach request, const Attempt &attempt) -> decltype(attempt(request)) {
    if (lost_.count(request.ticket) != 0) request.lease |= protocol::kRepeated;
    auto done = attempt(request);
    if (!done && has_ended(done.error())) {
        lost_.insert(request.ticket);
        TRY(reconnect());
        request.lease |= protocol::kRepeated;
        done = attempt(request);
    }
    if (done || !has_ended(done.error())) lost_.erase(request.ticket);
    return done;
}

Result<Attached> BrokerSession::attach(
    const Fd &file, const std::string &path, std::uint32_t handle_types, std::uint32_t lease) {
    path_ = path;
    return attach(TRY(read_ticket(file)), path, handle_types, lease);
}

Result<Attached> BrokerSession::attach(
    const protocol::Ticket &ticket, const std::string &path, std::uint32_t handle_types, std::uint32_t lease) {
    path_ = path;
    return repeat(protocol::make_attach(protocol::Kind::attach, ticket, handle_types, lease),
        [this](const protocol::Attach &request) { return attach_once(request); });
}

Result<Attached> BrokerSession::attach_near(const Fd &file, const std::string &path, std::uint32_t handle_types,
    std::uint32_t lease, const std::array<std::uint8_t, 16> &device) {
    path_ = path;
    const protocol::Ticket ticket = TRY(read_ticket(file));
    Result<Attached> attached = repeat(protocol::make_attach(protocol::Kind::attach, ticket, handle_types, lease),
        [&](const protocol::Attach &request) -> Result<Attached> {
            const protocol::AttachNear near = protocol::make_attach_near(request, device);
            TRY(send(&near, sizeof near));
            return take_attached();
        });
    if (!attached && attached.error().code == EPROTO)
        return attach(ticket, path, handle_types, lease); // an older server
    return attached;
}

Result<void> BrokerSession::attach_directory(
    const Fd &directory, const std::string &path, std::uint32_t handle_types, std::uint32_t lease, Take take) {
    path_ = path;
    bool has_taken = false;
    const auto watched = [&](AttachedEntry &entry) {
        has_taken = true;
        return take(entry);
    };
    const protocol::Ticket ticket = TRY(read_ticket(directory));
    return repeat(protocol::make_attach(protocol::Kind::attach_directory, ticket, handle_types, lease),
        [&](const protocol::Attach &request) -> Result<void> {
            if (!has_taken) return attach_directory_once(request, watched);
            return at(ECONNRESET, "map directory", path_, "its server died in the middle of the answer: map it again");
        });
}

Result<void> BrokerSession::attach_directory_once(const protocol::Attach &request, Take take) {
    TRY(send(&request, sizeof request));
    std::vector<std::uint64_t> unused;
    std::uint32_t file_count = 1; // until it is told
    for (std::uint32_t index = 0; index < file_count; ++index) {
        AttachedEntry entry;
        for (bool is_whole = false; !is_whole;) {
            const std::size_t before = entry.attached.fds.size();
            const std::vector<std::byte> bytes = TRY(receive(entry.attached.fds));
            if (TRY(protocol::parse_header(bytes)).kind == protocol::Kind::answer) { // about the directory
                const protocol::AnswerPart part = TRY(protocol::parse_answer(bytes));
                if (part.answer.code == 0 && index == 0) return {}; // it has no file
                const int code = part.answer.code == 0 ? EPROTO : part.answer.code;
                return at(code, "ask the broker", path_, part.answer.text.data());
            }
            const protocol::EntryPart part = TRY(protocol::parse_entry(bytes));
            const bool is_next = part.index == index && (index == 0 || part.file_count == file_count) &&
                                 (entry.name.empty() || entry.name == part.name);
            if (!is_next) return at(EPROTO, "ask the broker", path_, "its messages contradict each other");
            file_count = part.file_count;
            entry.name = part.name;
            is_whole = TRY(add(entry, part.part, entry.attached.fds.size() - before));
        }
        const std::uint64_t number = entry.attached.lease;
        if (!take(entry) && number != 0) unused.push_back(number);
    }
    for (const std::uint64_t number : unused) TRY(release(number, path_));
    return {};
}

Result<std::uint64_t> BrokerSession::donate_once(const protocol::Donate &donation, const Donated &donated) {
    const Fd *const fds[] = {&donated.memory, &donated.blocks};
    const Result<void> sent =
        send_with_fds(socket_.get(), std::as_bytes(std::span(&donation, 1)), std::span(fds, donated.blocks ? 2 : 1));
    const bool may_have_answered = !sent && (sent.error().code == EPIPE || sent.error().code == ECONNRESET);
    if (!sent && !may_have_answered) return at(sent.error().code, "ask the broker", path_, "its server may have ended");
    std::vector<Fd> none;
    const std::vector<std::byte> bytes = TRY(receive(none));
    const protocol::AnswerPart part = TRY(protocol::parse_answer(bytes));
    if (part.answer.code == 0) return std::uint64_t(part.answer.lease);
    return at(part.answer.code, "ask the broker", path_, part.answer.text.data());
}

Result<std::uint64_t> BrokerSession::donate(
    const Fd &directory, const std::string &path, protocol::Donate donation, const Donated &donated) {
    path_ = path;
    donation.ticket = TRY(read_ticket(directory));
    Result<std::uint64_t> done = donate_once(donation, donated);
    if (done || !has_ended(done.error())) return done;
    TRY(reconnect());
    donation.flags |= protocol::kRepeated; // what the lost answer granted ends
    return donate_once(donation, donated);
}

Result<void> BrokerSession::release(std::uint64_t lease, const std::string &path) {
    path_ = path;
    Result<void> released = release_once(lease);
    if (released || !has_ended(released.error())) return released;
    TRY(reconnect());
    released = release_once(lease);
    return !released && released.error().code == ENOENT ? Result<void>()
                                                        : released; // it was carried out, and not answered
}

bool BrokerSession::has_hung_up() const {
    pollfd state = {socket_.get(), POLLRDHUP, 0};
    return ::poll(&state, 1, 0) != 0;
}

Result<void> BrokerSession::release_once(std::uint64_t lease) {
    const protocol::Release request = protocol::make_release(lease);
    TRY(send(&request, sizeof request));
    std::vector<Fd> none;
    const std::vector<std::byte> bytes = TRY(receive(none));
    const protocol::AnswerPart part = TRY(protocol::parse_answer(bytes));
    if (part.answer.code == 0) return {};
    return at(part.answer.code, "ask the broker", path_, part.answer.text.data());
}

} // namespace gmemfs::client
