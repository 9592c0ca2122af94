#include "fuse/session/session.hpp"

#include "fuse/host/log.hpp"

#include <linux/fuse.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// The longest that libfuse says by itself is fuse_init_out with its header, 80 bytes.
constexpr std::size_t kOwnAnswerMax = 256;

// libfuse's own messages; the caller of libfuse reports what matters.
void take_libfuse_message(fuse_log_level level, const char *format, va_list arguments) {
    char text[512];
    std::vsnprintf(text, sizeof text, format, arguments);
    std::string line = text;
    while (!line.empty() && line.back() == '\n') line.pop_back();
    log(level <= FUSE_LOG_ERR ? LogLevel::info : LogLevel::debug, "libfuse", line);
}

} // namespace

Result<std::unique_ptr<Session>> Session::create(
    const std::string &options, const fuse_lowlevel_ops &operations, void *data) {
    fuse_set_log_func(take_libfuse_message);
    int ends[2] = {};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return Error{errno, 0, "make a socket for libfuse"};
    Fd ours(ends[0]);
    Fd libfuses(ends[1]);
    std::string program = "gmemfs";
    std::string flag = "-o";
    std::string list = options;
    char *arguments[] = {program.data(), flag.data(), list.data(), nullptr};
    fuse_args args = FUSE_ARGS_INIT(3, arguments);
    fuse_session *const session = fuse_session_new(&args, &operations, sizeof operations, data);
    fuse_opt_free_args(&args);
    if (session == nullptr) return Error{EINVAL, 0, "mount", "libfuse refuses: " + options};
    return std::unique_ptr<Session>(new Session(session, std::move(ours), std::move(libfuses)));
}

Session::~Session() { fuse_session_destroy(session_); }

// From here on the descriptor that libfuse takes for /dev/fuse is the socket.
Result<void> Session::mount(const std::string &place) {
    errno = 0;
    if (fuse_session_mount(session_, place.c_str()) != 0)
        return Error{errno != 0 ? errno : EIO, 0, "mount", place + ": the kernel or fusermount3 refused"};
    const int number = fuse_session_fd(session_);
    channel_ = Fd(::fcntl(number, F_DUPFD_CLOEXEC, 0));
    if (!channel_ || ::dup3(libfuses_.get(), number, O_CLOEXEC) < 0) {
        const int code = errno;
        channel_.reset(); // a mount that is held can't be unmounted without an answer
        fuse_session_unmount(session_);
        return Error{code, 0, "mount", place};
    }
    libfuses_.reset();
    return {};
}

// A descriptor in place of a mount point: libfuse takes it, and mounts nothing.
Result<void> Session::adopt(const Fd &channel) {
    is_adopted_ = true;
    channel_ = TRY(channel.duplicate());
    const std::string there = "/dev/fd/" + std::to_string(libfuses_.get());
    if (fuse_session_mount(session_, there.c_str()) != 0) return Error{EIO, 0, "go on with the mount", there};
    libfuses_.release(); // it closes it
    return {};
}

// libfuse frees what it has of the mount, and unmounts nothing, where the connection has ended already; it takes a pipe
// without a reader for one that has.
void Session::let_go() {
    channel_.reset();
    int ends[2] = {-1, -1};
    if (is_adopted_ || ::pipe2(ends, O_CLOEXEC) != 0) return; // without a pipe, its copy of the path is lost
    ::close(ends[0]);
    const Fd broken(ends[1]);
    if (::dup3(broken.get(), fuse_session_fd(session_), O_CLOEXEC) >= 0) fuse_session_unmount(session_);
}

void Session::parse(std::span<std::byte> request) {
    fuse_buf whole = {};
    whole.mem = request.data();
    whole.size = request.size();
    fuse_session_process_buf(session_, &whole);
}

std::vector<std::byte> Session::take_answer(std::uint64_t number) {
    const Hold hold(mutex_);
    // It has been sent; so it is here, or one of those in the socket.
    while (true) {
        if (auto found = answers_.extract(number)) return std::move(found.mapped());
        std::array<std::byte, kOwnAnswerMax> bytes = {};
        const ssize_t size = ::recv(ours_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        fuse_out_header header = {};
        if (size < static_cast<ssize_t>(sizeof header)) return {};
        std::memcpy(&header, bytes.data(), sizeof header);
        answers_[header.unique].assign(bytes.begin(), bytes.begin() + size);
    }
}

Result<void> Session::notify(int code, std::span<const std::byte> body) const {
    fuse_out_header header = {};
    header.len = static_cast<std::uint32_t>(sizeof header + body.size());
    header.error = code; // and no number: that makes it a notification
    const iovec parts[] = {{&header, sizeof header}, {const_cast<std::byte *>(body.data()), body.size()}};
    if (::writev(channel_.get(), parts, 2) < 0) return Error{errno, 0, "notify the kernel"};
    return {};
}

Result<void> Session::forget_name(InodeId parent, const std::string &name) const {
    fuse_notify_inval_entry_out what = {};
    what.parent = parent;
    what.namelen = static_cast<std::uint32_t>(name.size());
    std::vector<std::byte> body(sizeof what + name.size() + 1); // with the name's zero
    std::memcpy(body.data(), &what, sizeof what);
    std::memcpy(body.data() + sizeof what, name.data(), name.size());
    return notify(FUSE_NOTIFY_INVAL_ENTRY, body);
}

Result<void> Session::forget_attributes(InodeId id) const {
    fuse_notify_inval_inode_out what = {};
    what.ino = id;
    what.off = -1; // attributes alone, no data
    return notify(FUSE_NOTIFY_INVAL_INODE, std::as_bytes(std::span(&what, 1)));
}

} // namespace gmemfs
