// mount: parse, check, go to the background, serve.
#include "fuse/host/command_line.hpp"
#include "fuse/host/log.hpp"
#include "fuse/host/mount_point.hpp"
#include "fuse/host/runtime_folder.hpp"
#include "fuse/host/save_file.hpp"
#include "fuse/host/settings.hpp"
#include "fuse/mounts/mount_flags.hpp"
#include "fuse/ops/ops.hpp"
#include "fuse/process/background.hpp"
#include "fuse/process/inheritance.hpp"
#include "fuse/session/ring_source.hpp"
#include "fuse/session/server.hpp"
#include "fuse/session/supervisor.hpp"
#include "tools/host/command.hpp"
#include "tools/host/mounts.hpp"

#include <csignal>
#include <cstdio>
#include <functional>
#include <malloc.h>

namespace gmemfs {
namespace {

// The mount of a dead server goes, where its keeper lives and this server takes over what it holds.
Result<std::string> make_way(const Options &options) {
    while (true) {
        Result<std::string> checked = check_mount_point(options.mount_point);
        if (checked || checked.error().code != ENOTCONN) return checked;
        const std::string mount_point = TRY(resolve_mount_point(options.mount_point));
        if (!has_abandoned_keeper(mount_point, Owner::is_waited_for))
            return check_mount_point(mount_point); // its server may be back by now
        if (!options.keeper)
            return Error{ENOTCONN, 0, "mount",
                mount_point +
                    ": its server has died, and the keeper has its files: leave --keeper=off, and they are "
                    "served again; or give them up by `gmemfs umount --discard " +
                    mount_point + "`"};
        const std::optional<Mount> dead = TRY(find_mount(mount_point));
        if (!dead || dead->type != kFilesystemType) return checked;
        const Detached done = detach_filesystem(dead->number);
        if (!done.left.empty())
            return Error{EBUSY, 0, "mount",
                done.left.front() + ": its server has died, and something else is mounted in it: unmount that first"};
    }
}

// With --keeper=off there may be no runtime folder, and so no lock. Then two mounts that begin at once aren't ordered.
Result<std::optional<StartLock>> take_start_lock(const Options &options) {
    Result<StartLock> lock = StartLock::take(options.mount_point);
    if (!lock && options.keeper) return Error(lock.error());
    return lock ? std::optional(*std::move(lock)) : std::nullopt;
}

// Else glibc learns from the first large block that is freed to keep the next ones: the arena of each worker that has
// written the journal anew keeps it all, 113 MiB after 300 s of churn.
void give_large_blocks_back() { ::mallopt(M_MMAP_THRESHOLD, 128 << 10); }

Result<int> serve(const Options &options, const std::function<void()> &ready, SupervisorLink *supervisor) {
    give_large_blocks_back();
    TRY(start_log({options.debug, !options.foreground || supervisor != nullptr, options.log_file}));
    std::signal(SIGHUP, SIG_IGN); // until it means the log
    const std::unique_ptr<Server> server = TRY(Server::create(options, supervisor, fuse_operations()));
    switch (server->run(ready)) {
    case Server::End::again: return kGoAgain;
    case Server::End::kept: return supervisor != nullptr ? kKept : kFailure;
    case Server::End::unmounted: break;
    }
    if (supervisor == nullptr && server->failure()) return *server->failure(); // a supervisor would start another one
    return 0;
}

// What a supervisor has started. Where it goes on with a mount that is there, that isn't looked at: it doesn't answer.
int serve_for_supervisor(Options options) {
    leave_inheritance(options.supervisor);
    Result<SupervisorLink> link = SupervisorLink::open(options.supervisor);
    if (!link) return fail(link.error());
    const auto start = [&]() -> Result<int> {
        if (!link->channel()) options.mount_point = TRY(make_way(options));
        return serve(
            options, [&] { link->ready(); }, &*link);
    };
    const Result<int> status = start();
    if (status) return *status;
    link->fail("gmemfs: " + status.error().text() + "\n");
    return status.error().code == EIDRM ? kKept : kFailure; // there is nothing that another one could go on with
}

// What mount(8) calls us for with `-o remount`.
Result<int> change_mount(const Options &options) {
    for (const auto &[name, origin] : options.origins)
        if (!is_mount_flag(name) && name != "allow_other" && name != "default_permissions" && name != "fsname")
            return Error{
                EINVAL, 0, "remount", name + " can't be changed while it is mounted: `gmemfs umount` it first"};
    TRY(remount(options.mount_point, options.mount_options));
    return 0;
}

Result<int> mount(Options options) {
    if (options.remount) return change_mount(options);
    // What a descriptor or the working folder stands for has its name from here on.
    TRY(fix_runtime_base());
    if (Result<std::string> path = resolve_mount_point(options.mount_point))
        options.mount_point = *std::move(path);
    else
        options.mount_point = TRY(check_mount_point(options.mount_point)); // which says what to do
    leave_inheritance(-1);
    TRY(check_own_files(options));
    std::optional<StartLock> lock = TRY(take_start_lock(options));
    options.mount_point = TRY(make_way(options));
    TRY(check_fuse(options));
    if (options.io_uring) TRY(check_rings());
    TRY(check_save_file(options));
    if (options.foreground)
        return serve(
            options, [&] { lock.reset(); }, nullptr);
    Result<Background::Side> side = Background::fork(); // before the driver is opened
    if (!side) return Error(side.error());
    if (!side->second) return side->exit_status;
    if (lock) lock->leave();
    Background background = *std::move(side->second);
    const auto go_on = [&]() -> Result<int> {                           // its errors go to the first process
        const bool is_supervised = options.keeper && !options.io_uring; // what a ring has in hand can't be handed over
        if (!is_supervised)
            return serve(
                options, [&] { background.ready(); }, nullptr);
        TRY(start_log({false, true, options.log_file}));
        return supervise(options, background);
    };
    const Result<int> status = go_on();
    if (status) return *status;
    background.fail("gmemfs: " + status.error().text() + "\n");
    return kFailure;
}

} // namespace

int run_mount(int argc, char **argv) {
    const Result<ParsedOptions> parsed = parse_options(argc, argv);
    if (!parsed) {
        std::fprintf(stderr, "gmemfs mount: %s\n", parsed.error().detail.c_str());
        return kUsage;
    }
    if (!parsed->help.empty()) {
        std::fputs(parsed->help.c_str(), stdout);
        return 0;
    }
    if (parsed->options.print) {
        std::fputs(describe_options(parsed->options).c_str(), stdout);
        return 0;
    }
    if (parsed->options.supervisor >= 0) return serve_for_supervisor(parsed->options);
    const Result<int> status = mount(parsed->options);
    return status ? *status : fail(status.error());
}

} // namespace gmemfs
