// restart: another server, of the program as it is now, in place of the one that runs: for an upgrade.
#include "tools/host/command.hpp"
#include "tools/host/in_time.hpp"
#include "tools/host/mounts.hpp"
#include "vmm/base/fd.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kServerEndTimeoutMs = 30000; // the requests in hand are answered first
constexpr int kRefusalTimeoutMs = 1000;
constexpr std::chrono::seconds kBrokerTimeout(10);
constexpr int kPauseMs = 5;

// Whether another server would have the files that this one has.
Result<void> check_kept(const std::string &mount_point, const nlohmann::json &stats) {
    const nlohmann::json folder = stats.value("runtime_folder", nlohmann::json());
    const bool lacks_folder = folder.is_object() && folder.value("lost", false);
    if (!lacks_folder && stats.value("keeper", std::string()) != "dead") return {};
    return Error{EIDRM, 0, "restart",
        mount_point + (lacks_folder ? ": its runtime folder was removed" : ": its keeper has died") +
            ", and another server would have no files: copy out first what matters, unmount, and mount anew"};
}

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
    const nlohmann::json asked = TRY(ask_in_time(path, [&]() -> Result<nlohmann::json> {
        const Mount found = TRY(find_mount_of(path));
        return nlohmann::json({{"path", found.path}, {"stats", TRY(read_stats(found.path))}});
    }));
    Mount mount;
    mount.path = asked.at("path").get<std::string>();
    const nlohmann::json &before = asked.at("stats");
    const pid_t pid = before.value("server_pid", 0);
    if (before.value("transport", std::string()) == "io_uring")
        return Error{EINVAL, 0, "restart",
            mount.path + ": it is mounted with io_uring, whose rings can't be handed to another server: unmount it and "
                         "mount anew, or do without io_uring"};
    if (!before.value("supervised", false))
        return Error{EINVAL, 0, "restart",
            mount.path + ": its server has no supervisor: it runs in the foreground, or with --keeper=off; unmount it "
                         "and mount anew"};
    TRY(check_kept(mount.path, before));
    const Fd server(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!server || ::syscall(SYS_pidfd_send_signal, server.get(), SIGUSR2, nullptr, 0) != 0)
        return Error{errno, 0, "restart", mount.path + ": process " + std::to_string(pid) + " can't be signalled"};
    pollfd ended = {server.get(), POLLIN, 0};
    if (::poll(&ended, 1, kRefusalTimeoutMs) != 1) // it has looked again whether it may
        if (const Result<nlohmann::json> now = ask_in_time(mount.path, [&] { return read_stats(mount.path); }))
            TRY(check_kept(mount.path, *now));
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
