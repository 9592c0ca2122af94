// umount: unmounts a gmemfs mount, also one whose server has died; returns when memory is free and files are saved.
#include "fuse/host/runtime_folder.hpp"
#include "fuse/mounts/unmount.hpp"
#include "tools/host/command.hpp"
#include "tools/host/in_time.hpp"
#include "tools/host/mounts.hpp"
#include "tools/host/progress.hpp"
#include "vmm/base/fd.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kServerEndTimeoutMs = 10000;
constexpr int kSavePollMs = 100;
constexpr std::size_t kNamedUsersMax = 3;
constexpr const char *kOnShutdown = "user.gmemfs.on_shutdown";

struct How {
    UnmountMode mode = UnmountMode::when_idle;
    bool discards = false; // what is to be saved
};

bool uses(const std::filesystem::path &process, const std::string &mount_point) {
    namespace fs = std::filesystem;
    std::error_code error;
    for (const char *link : {"cwd", "root"})
        if (lies_under(fs::read_symlink(process / link, error).string(), mount_point)) return true;
    for (fs::directory_iterator fd(process / "fd", error), end; !error && fd != end; fd.increment(error)) {
        std::error_code unreadable;
        if (lies_under(fs::read_symlink(fd->path(), unreadable).string(), mount_point)) return true;
    }
    std::ifstream maps(process / "maps");
    for (std::string line; std::getline(maps, line);) {
        const std::size_t path = line.find('/');
        if (path != std::string::npos && lies_under(line.substr(path), mount_point)) return true;
    }
    return false;
}

// "123 (bash), 456 (dd)": the processes that keep the mount busy, as far as this user may see them.
std::string name_users(const std::string &mount_point) {
    namespace fs = std::filesystem;
    std::string names;
    std::size_t count = 0;
    std::error_code error;
    for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
        const std::string pid = entry->path().filename().string();
        if (pid.find_first_not_of("0123456789") != std::string::npos || !uses(entry->path(), mount_point)) continue;
        if (++count > kNamedUsersMax) return names + " and others";
        std::ifstream comm(entry->path() / "comm");
        std::string name;
        std::getline(comm, name);
        names.append(names.empty() ? "" : ", ").append(pid).append(" (").append(name).append(")");
    }
    return names;
}

Error busy(const std::string &mount_point) {
    const std::string users = name_users(mount_point);
    return Error{EBUSY, 0, "unmount",
        mount_point + " is in use" + (users.empty() ? "" : " by process " + users) +
            ": end that use, or unmount as soon as it ends with `gmemfs umount --lazy`"};
}

Result<void> unmount_or_name_users(const std::string &mount_point, UnmountMode mode) {
    Result<void> done = unmount(mount_point, mode);
    if (!done && done.error().code == EBUSY) return busy(mount_point);
    return done;
}

// What is to become of the files, as the server tells it.
struct Saving {
    std::string file;    // empty: they aren't to be saved
    std::string unsaved; // there as long as they aren't, with the reason if that has failed
};

Saving saving_of(const nlohmann::json &stats) {
    const nlohmann::json told = stats.value("on_shutdown", nlohmann::json());
    if (!told.is_object()) return {};
    return {told.value("save", std::string()), told.value("unsaved", std::string())};
}

Error not_saved(const std::string &mount_point, const std::string &reason, const std::string &where) {
    return Error{EIO, 0, "save the files before the end",
        (reason.empty() ? "see the server's log" : reason) + "; nothing is lost, " + where +
            "; when that is mended unmount again, or give the files up by `gmemfs umount --discard " + mount_point +
            "`"};
}

// Of the snapshot that a child of the server writes, which has no name yet: the largest file without one that it has
// open. 0 where that can't be seen.
std::uint64_t size_of_unnamed(pid_t server) {
    namespace fs = std::filesystem;
    std::error_code error;
    std::uint64_t size = 0;
    const std::string process = "/proc/" + std::to_string(server) + "/task";
    for (fs::directory_iterator thread(process, error), end; !error && thread != end; thread.increment(error)) {
        std::ifstream children(thread->path() / "children");
        for (std::string child; children >> child;) {
            std::error_code gone;
            for (fs::directory_iterator file("/proc/" + child + "/fd", gone), last; !gone && file != last;
                 file.increment(gone)) {
                struct stat status = {};
                const bool is_open = ::stat(file->path().c_str(), &status) == 0;
                if (is_open && S_ISREG(status.st_mode) && status.st_nlink == 0)
                    size = std::max(size, static_cast<std::uint64_t>(status.st_size));
            }
        }
    }
    return size;
}

Error still_runs(pid_t pid) {
    return Error{ETIMEDOUT, 0, "wait for the server",
        "it is unmounted, but process " + std::to_string(pid) +
            " still runs and may hold device memory: it ends by itself when no container or other mount namespace has "
            "the mount any more"};
}

// Waits for the process to end, because the driver gives its device memory back only then.
Result<void> wait_for_end(const Fd &server, pid_t pid) {
    pollfd ended = {server.get(), POLLIN, 0};
    const int count = ::poll(&ended, 1, kServerEndTimeoutMs);
    if (count == 1) return {};
    return still_runs(pid);
}

// Saving takes as long as it takes; while it goes on there is a private mount. Where it has failed the mount is there
// again.
Result<void> wait_for_save(
    const Fd &server, pid_t pid, const std::string &mount_point, const Saving &saving, std::uint64_t used) {
    const std::string sign = std::filesystem::path(saving.unsaved).replace_filename(kPrivatePlace);
    int idle_ms = 0;
    Progress progress(::isatty(STDERR_FILENO) != 0 ? Progress::Display::line : Progress::Display::none, used);
    progress.start_file(saving.file);
    pollfd ended = {server.get(), POLLIN, 0};
    while (::poll(&ended, 1, kSavePollMs) == 0) {
        const std::optional<Mount> mount = TRY(find_mount(mount_point));
        if (mount && mount->type == kFilesystemType) {
            progress.finish();
            return not_saved(mount_point, read_text(saving.unsaved), mount_point + " is mounted again");
        }
        idle_ms = ::access(sign.c_str(), F_OK) == 0 ? 0 : idle_ms + kSavePollMs;
        if (idle_ms > kServerEndTimeoutMs) return progress.finish(), still_runs(pid);
        const std::uint64_t size = size_of_unnamed(pid);
        if (size > progress.done()) progress.add(size - progress.done());
    }
    progress.finish();
    if (::access(saving.unsaved.c_str(), F_OK) != 0) return {};
    return not_saved(mount_point, read_text(saving.unsaved), "`gmemfs mount` serves them again");
}

// What a dead server has left is served again by the next one, and is nothing to lose by the way.
Result<void> check_abandoned(const std::string &mount_point, const How &how) {
    const Owner owner = how.mode == UnmountMode::lazily ? Owner::is_not : Owner::is_waited_for;
    if (how.discards || !has_abandoned_keeper(mount_point, owner)) return {};
    return Error{EBUSY, 0, "unmount",
        mount_point +
            ": its server has died, and the keeper has its files: `gmemfs mount` with the same options serves them "
            "again; or give them up by `gmemfs umount --discard " +
            mount_point + "`"};
}

// Somebody has unmounted it: a server may be saving yet, or there was none any more to end the keeper.
Result<void> finish_unmount(const std::string &path, const std::string &mount_point, const How &how) {
    std::error_code error;
    if (!std::filesystem::exists(mount_point, error)) return Error{ENOENT, 0, "unmount", path};
    if (const std::optional<SavingServer> saving = find_saving_server(mount_point)) {
        const Fd server(static_cast<int>(::syscall(SYS_pidfd_open, saving->pid, 0)));
        if (server) TRY(wait_for_save(server, saving->pid, mount_point, {{}, saving->unsaved}, 0));
        std::printf("%s: unmounted already; its files are saved\n", path.c_str());
        return {};
    }
    TRY(check_abandoned(mount_point, how));
    if (end_abandoned_keepers(mount_point) == 0)
        return Error{EINVAL, 0, "unmount", path + " is not a mount point; `gmemfs df` lists the gmemfs mounts"};
    std::printf("%s: its server had died; the memory that was left is given back\n", path.c_str());
    return {};
}

Result<void> unmount_dead(const std::string &mount_point, const How &how) {
    TRY(check_abandoned(mount_point, how));
    // Nothing answers, and what is open there can't be used any more: so it may go at once.
    TRY(unmount(mount_point, UnmountMode::lazily));
    end_abandoned_keepers(mount_point);
    std::printf("%s: its server had died; unmounted\n", mount_point.c_str());
    return {};
}

bool is_dead(const Result<nlohmann::json> &stats) {
    return !stats && (stats.error().code == ENOTCONN || stats.error().code == ECONNABORTED);
}

Result<void> set_saving(const std::string &mount_point, const std::string &value) {
    if (::setxattr(mount_point.c_str(), kOnShutdown, value.data(), value.size(), 0) == 0) return {};
    return Error{errno, 0, "give the files up", mount_point};
}

// Where that fails the files are to be saved as before.
Result<void> discard_and_unmount(const std::string &mount_point, UnmountMode mode) {
    const std::string before = TRY(read_attribute(mount_point, kOnShutdown));
    TRY(set_saving(mount_point, "nothing"));
    Result<void> done = unmount_or_name_users(mount_point, mode);
    if (!done) (void)set_saving(mount_point, before);
    return done;
}

// Where the same filesystem is mounted besides.
Result<std::string> find_other_place(const Mount &mount) {
    for (const Mount &other : TRY(list_mounts(kFilesystemType)))
        if (other.number == mount.number && other.id != mount.id) return std::string(other.path);
    return std::string();
}

Result<void> unmount_and_wait(const std::string &path, const How &how) {
    const std::string mount_point = TRY(resolve_mount_point(path));
    const std::optional<Mount> mount = TRY(find_mount(mount_point));
    if (!mount) return finish_unmount(path, mount_point, how);
    if (mount->type != kFilesystemType)
        return Error{EINVAL, 0, "unmount", path + " is no gmemfs mount but " + mount->type + "; use umount"};
    if (how.mode == UnmountMode::lazily && !how.discards) {
        TRY(check_abandoned(mount_point, how));
        return unmount(mount_point, how.mode); // the server isn't asked, because it may hang
    }
    const auto ask = [&] { return ask_in_time(mount_point, [&] { return read_stats(mount_point); }); };
    Result<nlohmann::json> stats = ask();
    if (is_dead(stats)) {
        TRY(check_abandoned(mount_point, how)); // this waits for a server that lives: it may be mounting again
        stats = ask();
    }
    if (is_dead(stats)) return unmount_dead(mount_point, how);
    const bool hangs = !stats && stats.error().code == ETIMEDOUT;
    if (hangs && how.mode == UnmountMode::when_idle) return Error(stats.error());
    const pid_t pid = stats ? stats->value("server_pid", 0) : 0;
    const Fd server(pid > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)) : -1);
    Saving saving = stats ? saving_of(*stats) : Saving();
    const std::string other = TRY(find_other_place(*mount)); // there the files are, and are to be saved, all the same
    if (!saving.file.empty() && how.discards && other.empty()) {
        TRY(discard_and_unmount(mount_point, how.mode));
        saving = {};
    } else {
        TRY(unmount_or_name_users(mount_point, how.mode));
    }
    if (!other.empty()) std::printf("%s: unmounted; its files are yet at %s\n", path.c_str(), other.c_str());
    // A lazy unmount leaves the server to those who still have files open.
    if (!server || how.mode == UnmountMode::lazily || !other.empty()) return {};
    if (saving.file.empty()) return wait_for_end(server, pid);
    return wait_for_save(server, pid, mount_point, saving, stats->value("used", std::uint64_t(0)));
}

} // namespace

int run_umount(int argc, char **argv) {
    gboolean lazy = FALSE, discard = FALSE;
    const std::vector<GOptionEntry> options = {
        {"lazy", 'z', 0, G_OPTION_ARG_NONE, &lazy,
            "Detach now; what else is to be done is done when the last open file is closed", nullptr},
        {"discard", 0, 0, G_OPTION_ARG_NONE, &discard, "Give the files up, also where --on-shutdown would save them",
            nullptr},
    };
    const Synopsis synopsis = {"MOUNTPOINT",
        "Unmounts a gmemfs mount. When this returns its device memory is back, and its files are saved where the "
        "mount\n"
        "has --on-shutdown=save:FILE; where that fails they stay mounted.",
        "Of a mount whose server has died (\"Transport endpoint is not connected\") `gmemfs mount` serves the files "
        "again;\n"
        "--discard gives them up.",
        1, 1};
    const CommandLine line = parse_command_line(argc, argv, synopsis, options);
    if (line.exit_status) return *line.exit_status;
    const How how = {lazy != FALSE ? UnmountMode::lazily : UnmountMode::when_idle, discard != FALSE};
    const Result<void> result = unmount_and_wait(line.parameters[0], how);
    return result ? 0 : fail(result.error());
}

} // namespace gmemfs
