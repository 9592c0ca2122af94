// restart: another server, of the program as it is now, in place of the one that runs: for an upgrade.
#include "tools/command.hpp"
#include "tools/mounts.hpp"
#include "vmm/base/fd.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kServerEndTimeoutMs = 30000; // the requests in hand are answered first
constexpr std::chrono::seconds kBrokerTimeout(10);
constexpr int kPauseMs = 5;

// Waits in the kernel until the new server answers; and until its broker listens, as `gmemfs mount` does.
Result<nlohmann::json> wait_for_server(const std::string &mount_point) {
    const auto end = std::chrono::steady_clock::now() + kBrokerTimeout;
    for (;;) {
        nlohmann::json stats = TRY(read_stats(mount_point));
        if (stats.value("broker", std::string()) != "begins" || std::chrono::steady_clock::now() >= end) return stats;
        (void)::poll(nullptr, 0, kPauseMs);
    }
}

Result<void> restart(const std::string &path) {
    const Mount mount = TRY(find_mount_of(path));
    const nlohmann::json before = TRY(read_stats(mount.path));
    const pid_t pid = before.value("server_pid", 0);
    if (before.value("transport", std::string()) == "io_uring")
        return Error{EINVAL, 0, "restart",
            mount.path + ": it is mounted with io_uring, whose rings can't be handed to another server: unmount it and "
                         "mount anew, or do without io_uring"};
    if (!before.value("supervised", false))
        return Error{EINVAL, 0, "restart",
            mount.path + ": its server has no supervisor: it runs in the foreground, or with --keeper=off; unmount it "
                         "and mount anew"};
    const Fd server(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!server || ::syscall(SYS_pidfd_send_signal, server.get(), SIGUSR2, nullptr, 0) != 0)
        return Error{errno, 0, "restart", mount.path + ": process " + std::to_string(pid) + " can't be signalled"};
    pollfd ended = {server.get(), POLLIN, 0};
    if (::poll(&ended, 1, kServerEndTimeoutMs) != 1)
        return Error{ETIMEDOUT, 0, "restart", mount.path + ": process " + std::to_string(pid) + " doesn't end"};
    const nlohmann::json after = TRY(wait_for_server(mount.path));
    std::printf("%s: process %d serves it now, version %s\n", mount.path.c_str(), after.value("server_pid", 0),
        after.value("version", std::string("unknown")).c_str());
    return {};
}

} // namespace

int run_restart(int argc, char **argv) {
    const Synopsis synopsis = {"MOUNTPOINT",
        "Starts another server, of the program as it is installed now, for a mount.",
        "Files stay open, requests wait, memory stays where it is.", 1, 1};
    const CommandLine line = parse_command_line(argc, argv, synopsis, {});
    if (line.exit_status) return *line.exit_status;
    const Result<void> done = restart(line.parameters[0]);
    return done ? 0 : fail(done.error());
}

} // namespace gmemfs
