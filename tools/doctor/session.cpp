// DoctorChecks, session: tries a session with the kernel in a private place, from the mount to the unmount.
//
// No file and no version tells what this machine's libfuse and its kernel can do together.
#include "fuse/session/session.hpp"
#include "fuse/mounts/unmount.hpp"
#include "tools/doctor/checks.hpp"

#include <glib.h>
#include <linux/fuse.h>
#include <sys/statfs.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <poll.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::chrono::seconds kPatience(10);
constexpr std::size_t kRequestRoom = std::size_t(256) * 1024; // the handshake agrees on 128 KiB
constexpr fsblkcnt_t kBlocks = 20141;                         // what statfs(2) must come back with: any number

// What the kernel's greeting says.
struct Heard {
    unsigned major = 0;
    unsigned minor = 0;
};

fuse_lowlevel_ops operations() {
    fuse_lowlevel_ops ops = {};
    ops.init = [](void *data, fuse_conn_info *connection) {
        connection->want &= ~unsigned(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
        connection->max_write = kRequestRoom / 2;
        *static_cast<Heard *>(data) = {connection->proto_major, connection->proto_minor};
    };
    ops.statfs = [](fuse_req_t request, fuse_ino_t) {
        struct statvfs space = {};
        space.f_bsize = space.f_frsize = 4096;
        space.f_blocks = kBlocks;
        fuse_reply_statfs(request, &space);
    };
    return ops;
}

// Serves until the question of the other thread is answered.
Result<void> serve(Session &session) {
    std::vector<std::byte> room(kRequestRoom);
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (fuse_in_header header = {}; header.opcode != FUSE_STATFS;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd waited = {session.channel(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&waited, 1, static_cast<int>(left.count())) == 0)
            return Error{ETIMEDOUT, 0, "wait for the kernel's request"};
        const ssize_t size = ::read(session.channel(), room.data(), room.size());
        if (size < static_cast<ssize_t>(sizeof header)) {
            if (size < 0 && (errno == EINTR || errno == ENOENT)) continue;
            return Error{size < 0 ? errno : EIO, 0, "receive the kernel's request"};
        }
        std::memcpy(&header, room.data(), sizeof header);
        session.parse(std::span(room).first(static_cast<std::size_t>(size)));
        const std::vector<std::byte> answer = session.take_answer(header.unique);
        if (answer.empty()) continue; // a forget has none
        const ssize_t written = ::write(session.channel(), answer.data(), answer.size());
        if (written < 0 && errno != ENOENT) return Error{errno, 0, "answer the kernel"};
        if (session.has_ended()) return Error{EPROTO, 0, "agree with the kernel", "libfuse refuses its greeting"};
    }
    return {};
}

Result<Heard> try_session(const std::string &place) {
    Heard heard;
    const auto session = TRY(Session::create("subtype=gmemfs,fsname=doctor", operations(), &heard));
    TRY(session->mount(place));
    auto asked = std::async(std::launch::async, [&place] {
        struct statfs found = {};
        return ::statfs(place.c_str(), &found) == 0 && found.f_blocks == kBlocks ? 0 : std::max(errno, EIO);
    });
    const Result<void> served = serve(*session);
    session->let_go(); // a process that still waits for an answer gets an error
    (void)unmount(place, UnmountMode::lazily);
    const int code = asked.get();
    TRY(served);
    if (code != 0) return Error{code, 0, "ask the mount", place};
    return heard;
}

// Whether libfuse has custom I/O. gmemfs doesn't need it; other programs that use libfuse may.
const char *custom_io() {
    fuse_set_log_func([](fuse_log_level, const char *, va_list) {});
    const char *arguments[] = {"gmemfs"};
    fuse_args args = FUSE_ARGS_INIT(1, const_cast<char **>(arguments));
    const fuse_lowlevel_ops ops = operations();
    fuse_session *const session = fuse_session_new(&args, &ops, sizeof ops, nullptr);
    fuse_opt_free_args(&args);
    if (session == nullptr) return "";
    fuse_custom_io io = {};
    io.writev = [](int, iovec *, int, void *) { return ssize_t(-1); };
    io.read = [](int, void *, std::size_t, void *) { return ssize_t(-1); };
    const bool has_it = fuse_session_custom_io(session, &io, ::dup(STDERR_FILENO)) == 0;
    fuse_session_destroy(session);
    return has_it ? ", with custom I/O" : ", without custom I/O";
}

} // namespace

Check check_session() {
    std::string place = std::string(g_get_tmp_dir()) + "/gmemfs-doctor.XXXXXX";
    if (::mkdtemp(place.data()) == nullptr)
        return {"FUSE session", Verdict::fail, Error{errno, 0, "make a folder", place}.text(), "set TMPDIR"};
    const Result<Heard> tried = try_session(place);
    ::rmdir(place.c_str());
    const std::string libfuse = std::string("libfuse ") + fuse_pkgversion() + custom_io();
    if (!tried)
        return {"FUSE session", Verdict::fail, tried.error().text() + " (" + libfuse + ")",
            "see what the kernel's log says; in a container: run it with --device /dev/fuse --cap-add SYS_ADMIN "
            "--security-opt apparmor=unconfined"};
    const std::string protocol = std::to_string(tried->major) + "." + std::to_string(tried->minor);
    return {"FUSE session", Verdict::ok, libfuse + ", FUSE " + protocol + ": mounted, asked and unmounted", ""};
}

} // namespace gmemfs
