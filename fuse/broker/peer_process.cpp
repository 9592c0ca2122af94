#include "fuse/broker/peer_process.hpp"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 // of <asm-generic/socket.h>, since Linux 6.5
#endif

namespace gmemfs {
namespace {

constexpr long kPidfsMagic = 0x50494446; // PID_FS_MAGIC of <linux/magic.h>, since Linux 6.9: an inode is a process

// A file of /proc, which is shorter than a page. Not by a stream, because each peer's first attach waits for this.
std::string read_proc(const std::string &path) {
    char text[4096];
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const ssize_t size = file ? ::read(file.get(), text, sizeof text) : 0;
    return {text, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

// The process's number in the PID namespace that /proc shows, which needn't be ours. 0: none there, or it has ended.
pid_t number_in_proc(const Fd &process, pid_t pid) {
    char self[16] = {};
    if (pid > 0 && ::readlink("/proc/self", self, sizeof self - 1) > 0 && std::atoi(self) == ::getpid()) return pid;
    const std::string text = read_proc("/proc/self/fdinfo/" + std::to_string(process.get()));
    const std::size_t at = text.find("Pid:");
    return at == std::string::npos ? 0 : std::max(0, std::atoi(text.c_str() + at + 4));
}

// proc(5): the 22nd field of /proc/PID/stat; the second one, in parentheses, may hold anything.
std::uint64_t read_start_time(pid_t pid) {
    constexpr int kFieldsBefore = 20; // blanks between the second and the 22nd
    const std::string text = read_proc("/proc/" + std::to_string(pid) + "/stat");
    std::size_t at = text.rfind(')');
    for (int field = 0; field < kFieldsBefore && at != std::string::npos; ++field) at = text.find(' ', at + 1);
    return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at, nullptr, 10);
}

// Which process a pidfd is of, where the kernel tells.
std::optional<std::uint64_t> number_in_pidfs(const Fd &process) {
    struct statfs kind = {};
    struct stat status = {};
    if (!process || ::fstatfs(process.get(), &kind) != 0 || kind.f_type != kPidfsMagic) return std::nullopt;
    if (::fstat(process.get(), &status) != 0) return std::nullopt;
    return status.st_ino;
}

} // namespace

PeerProcess PeerProcess::of_socket(int socket, pid_t pid) {
    PeerProcess peer;
    peer.pid_ = pid;
    int fd = -1;
    socklen_t size = sizeof fd;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0)
        peer.process_ = Fd(fd);
    else if (pid > 0)
        peer.process_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    peer.look();
    return peer;
}

PeerProcess PeerProcess::adopt(Fd process, Fd memory, pid_t pid, std::uint64_t start_time) {
    PeerProcess peer;
    peer.process_ = std::move(process);
    peer.memory_ = std::move(memory);
    peer.pid_ = pid;
    peer.start_time_ = start_time;
    return peer;
}

std::optional<PeerProcess> PeerProcess::find(pid_t pid, std::uint64_t start_time) {
    PeerProcess peer;
    if (pid <= 0 || start_time == 0) return peer;
    peer.pid_ = pid;
    peer.process_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!peer.process_ && errno == ESRCH) return std::nullopt;
    peer.look();
    const bool is_another = peer.start_time_ != 0 && peer.start_time_ != start_time;
    if (is_another || (peer.process_ && peer.has_ended())) return std::nullopt;
    if (peer.start_time_ == 0) return PeerProcess(); // /proc doesn't show it
    return peer;
}

// /proc is asked by number. The number was right if the process still lives afterwards.
void PeerProcess::look() {
    if (!process_) return;
    const pid_t number = number_in_proc(process_, pid_);
    if (number == 0) return;
    const std::uint64_t start_time = read_start_time(number);
    Fd memory(::open(("/proc/" + std::to_string(number) + "/maps").c_str(), O_RDONLY | O_CLOEXEC));
    if (has_ended()) return;
    start_time_ = start_time;
    memory_ = std::move(memory);
}

bool PeerProcess::has_ended() const {
    pollfd ended = {process_.get(), POLLIN, 0};
    return process_ && ::poll(&ended, 1, 0) == 1;
}

bool PeerProcess::has_left_memory() const {
    char byte = 0;
    return memory_ && ::pread(memory_.get(), &byte, 1, 0) == 0;
}

bool PeerProcess::is_same(const Fd &pidfd) const {
    const std::optional<std::uint64_t> ours = number_in_pidfs(process_);
    return ours && ours == number_in_pidfs(pidfd);
}

Result<Credentials> read_credentials(int socket, pid_t &pid) {
    ucred credentials = {};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return Error{errno, 0, "read the peer's credentials"};
    pid = credentials.pid;
    Credentials who = {credentials.uid, credentials.gid, {}};
    who.groups.resize(64);
    for (int attempt = 0; attempt < 2; ++attempt) {
        size = static_cast<socklen_t>(who.groups.size() * sizeof(gid_t));
        const int status = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, who.groups.data(), &size);
        who.groups.resize(size / sizeof(gid_t)); // on ERANGE: as many as it takes
        if (status == 0) return who;
        if (errno != ERANGE) break;
    }
    return Error{errno, 0, "read the peer's groups"};
}

bool PeerProcess::is_same(const PeerProcess &other) const {
    if (number_in_pidfs(process_)) return is_same(other.process_);
    return pid_ > 0 && pid_ == other.pid_ && start_time_ != 0 && start_time_ == other.start_time_;
}

} // namespace gmemfs
