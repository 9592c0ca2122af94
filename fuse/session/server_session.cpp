// Server, sessions: the mount's session with the kernel, and the private ones in which files are restored and saved.
#include "fuse/broker/broker.hpp"
#include "fuse/host/log.hpp"
#include "fuse/host/mount_point.hpp"
#include "fuse/host/save_file.hpp"
#include "fuse/mounts/mount_flags.hpp"
#include "fuse/mounts/mount_table.hpp"
#include "fuse/process/spawn.hpp"
#include "fuse/session/server.hpp"
#include "fuse/session/workers.hpp"
#include "vmm/base/units.hpp"

#include <linux/fuse.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <poll.h>
#include <sys/statfs.h>
#include <unistd.h>

namespace gmemfs {

Result<void> Server::mount(const std::string &place) {
    GMEMFS_ASSERT(session_ == nullptr && workers_ == nullptr);
    if (has_had_session_) {
        opens_.clear();
        volume().names().forget_all();
        if (survival() != nullptr) TRY(survival()->begin_session());
    }
    std::string list = "subtype=gmemfs,fsname=" + options().source;
    // A private session is for the server's own user alone, who must reach everybody's files.
    if (!is_private()) {
        list += ",default_permissions";
        for (const std::string &word : options().mount_options)
            if (word != "default_permissions" && is_known_to_libfuse(word)) list += "," + word;
    }
    session_ = TRY(Session::create(list, operations_, this));
    const bool has_rings = options().io_uring && !is_private();
    workers_ = TRY(Workers::create(
        host_->devices(), *session_, options().workers, has_rings ? Transport::io_uring : Transport::read));
    has_had_session_ = true;
    if (!mount_table_) mount_table_ = Fd(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    if (!is_private() && !resumes()) place_before_ = TRY(filesystem_number(place));
    TRY(resumes() ? session_->adopt(supervisor_->channel()) : session_->mount(place));
    is_mounted_ = true;
    filesystem_ = connection_number(session_->channel());
    if (filesystem_.empty()) filesystem_ = resumes() ? greeted_filesystem() : TRY(filesystem_number(place));
    if (resumes() || is_private()) return {};
    if (!flags_) return set_mount_flags(place, options().mount_options);
    if (const Result<void> kept = keep_mount_flags(place, *flags_); !kept)
        log(LogLevel::warning, "fuse", kept.error(), "what `mount -o remount` had changed is as it was before that");
    return {};
}

void Server::look_at_flags() {
    if (const std::optional<MountFlags> flags = mount_flags_of(read_mounts(mount_table_), filesystem_)) flags_ = flags;
}

// What start_workers() puts behind the greeting, for where Linux doesn't tell the number of a connection.
std::string Server::greeted_filesystem() const {
    const std::vector<std::byte> &greeting = supervisor_->greeting();
    fuse_in_header header = {};
    std::memcpy(&header, greeting.data(), std::min(greeting.size(), sizeof header));
    const std::size_t size = std::min<std::size_t>(greeting.size(), header.len);
    return {reinterpret_cast<const char *>(greeting.data()) + size, greeting.size() - size};
}

// What the kernel said when it greeted the first server, said again to libfuse, which then knows what was agreed on;
// its answer stays here, for the kernel has had one. Then the kernel is asked to put what was read and not answered
// back into the queue (Linux 6.9 and later; docs/keeper.md has more).
Result<void> Server::resume() {
    std::vector<std::byte> greeting = supervisor_->greeting();
    fuse_in_header header = {};
    std::memcpy(&header, greeting.data(), std::min(greeting.size(), sizeof header));
    session_->parse(std::span(greeting).first(std::min<std::size_t>(greeting.size(), header.len)));
    (void)session_->take_answer(header.unique);
    if (session_->has_ended()) return Error{EPROTO, 0, "go on with the mount", "libfuse refuses the greeting"};
    // A forget that the dead server had read is lost: nobody waits for its answer. So it is asked which of the unlinked
    // inodes the kernel still knows; those that it doesn't would hold their memory until the mount ends.
    for (const InodeId id : volume().names().orphans())
        if (const Result<void> known = session_->forget_attributes(id); !known && known.error().code == ENOENT)
            volume().names().forget(id, std::numeric_limits<std::uint64_t>::max());
    constexpr int kNotifyResend = 7; // FUSE_NOTIFY_RESEND, which older headers lack
    return session_->notify(kNotifyResend, {});
}

// The greeting is kept for the next server.
void Server::start_workers(AtEnd what) {
    constexpr GSourceFunc kQuit = [](gpointer loop) -> gboolean {
        g_main_loop_quit(static_cast<GMainLoop *>(loop));
        return G_SOURCE_REMOVE;
    };
    workers_->start(
        [this](std::span<const std::byte> greeting) {
            if (supervisor_ == nullptr || is_private()) return;
            std::vector<std::byte> handed(greeting.begin(), greeting.end());
            for (const char letter : filesystem_) handed.push_back(std::byte(letter)); // behind it
            supervisor_->hand_over(session_->channel(), handed);
        },
        [this, what] {
            if (what == AtEnd::quit) g_idle_add(kQuit, loop_);
        });
}

void Server::stop() {
    if (!is_mounted_) return;
    is_mounted_ = false;
    // Workers first: the descriptor that they read from is closed before the unmount; a ring would hold the mount.
    session_->end();
    workers_->stop(); // a worker that still serves may ask for them
    if (!failure_) failure_ = workers_->failure();
    workers_.reset();
    host_->stop_walks();
    published_broker_ = nullptr;
    // Where the connection has ended the number may be another filesystem's by now.
    Detached detached = is_connected() || is_left() ? detach_filesystem(filesystem_) : Detached();
    for (const std::string &path : detached.left)
        log(LogLevel::warning, "fuse",
            path + " stays mounted, and is dead, because something else is mounted on it or in it");
    if (!is_private()) detached_ = std::move(detached);
    has_tried_broker_ = false;
    broker_.reset(); // its socket holds a copy of the mount, and with it the filesystem
    if (resumes()) supervisor_->let_go_of_channel();
    session_->let_go();
    while (g_main_context_iteration(nullptr, FALSE)) {} // what workers left for it at their end
}

bool Server::is_connected() const {
    pollfd channel = {session_->channel(), 0, 0};
    return ::poll(&channel, 1, 0) == 0;
}

// Whether the mount of a connection that has ended is still there. Its number isn't used again as long as the broker's
// copy of the mount exists. Without that copy, another filesystem may have the number; unlike ours, it answers.
bool Server::is_left() const {
    const bool is_number_ours = broker_ && broker_->is_in_mount();
    const std::vector<Mount> table = read_mounts(mount_table_);
    return std::any_of(table.begin(), table.end(), [&](const Mount &mount) {
        struct statfs space = {};
        return is_mounted({mount}, filesystem_) &&
               (is_number_ours || (::statfs(mount.path.c_str(), &space) != 0 && errno == ENOTCONN));
    });
}

// Whether the connection has ended while the mount stays. `umount -f` aborts the connection before the kernel finds the
// mount busy, and so does a write to /sys/fs/fuse/connections. A mount that isn't busy goes shortly after, so this
// waits for a while.
bool Server::was_aborted() const {
    constexpr std::chrono::milliseconds kPatience(1000);
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (is_left()) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        if (left.count() <= 0) return true;
        pollfd changed = {mount_table_.get(), POLLPRI, 0};
        if (::poll(&changed, 1, static_cast<int>(left.count())) < 0 && errno != EINTR) return true;
    }
    return false;
}

// Nothing is left of it, so that another one can begin.
void Server::end_session() {
    stop();
    workers_.reset(); // where it was never mounted
    session_.reset();
}

// The volume is served in a place of its own as long as the command runs. With the workers, pinned memory and the copy
// engines of any mount: the command needs to know no other way to the files, and is as fast.
Result<void> Server::run_privately(FunctionView<std::vector<std::string>(const std::string &place)> command) {
    const std::string place = TRY(survival()->folder().make_private_place());
    audience_ = Audience::this_user;
    Result<void> done = mount(place);
    if (done) {
        start_workers(AtEnd::nothing); // a session that is aborted fails the command
        done = run_self(command(place));
    }
    end_session();
    ::rmdir(place.c_str());
    audience_ = Audience::everybody;
    return done;
}

// A mount that begins empty, and not one that goes on with what a keeper has, begins with what the last one saved.
Result<void> Server::restore_all() {
    if (survival() != nullptr)
        TRY(host_->set_at_end(
            host_->saves() ? Host::AtEnd::save : Host::AtEnd::nothing)); // whatever the server before this one was told
    if (!host_->saves()) return {};
    const std::string lack = describe_lack_of_room(options().save_file, volume().storage().space().capacity);
    if (!lack.empty()) log(LogLevel::warning, "fuse", lack);
    if (!survival()->is_fresh()) return {};
    if (::access(options().save_file.c_str(), F_OK) != 0) {
        if (errno != ENOENT) return Error{errno, 0, "restore", options().save_file};
        log(LogLevel::info, "fuse", "nothing to restore: there is no " + options().save_file + " yet");
        return {};
    }
    const std::string restoring = survival()->folder().restoring_path();
    TRY(write_private(restoring, ""));
    const Result<void> done = run_privately([&](const std::string &place) {
        return std::vector<std::string>{"restore", "--as-saved", "--", options().save_file, place};
    });
    if (!done)
        return Error{done.error().code, 0, "restore before the mount",
            done.error().detail + "; to begin empty, move " + options().save_file + " away"};
    ::unlink(restoring.c_str());
    log(LogLevel::info, "fuse", "restored " + options().save_file);
    return {};
}

Result<void> Server::save_all() {
    if (!host_->saves()) return {};
    if (supervisor_ != nullptr) supervisor_->unmounted();
    log(LogLevel::info, "fuse", "unmounted " + options().mount_point + ", saving to " + options().save_file);
    TRY(write_private(survival()->folder().unsaved_path(), ""));
    TRY(run_privately([&](const std::string &place) {
        std::vector<std::string> command = {"save", "--ignore-warnings", "--quiet", "--", place, options().save_file};
        if (options().saves_as == SavesAs::packed) command.insert(command.begin() + 1, "--pack");
        return command;
    }));
    bool is_all = true;
    for (const auto &device : host_->devices()) {
        const std::uint64_t lost = device->failed() ? volume().storage().used_on(*device) : 0;
        if (lost == 0) continue;
        is_all = false;
        log(LogLevel::error, "fuse",
            format_size(lost) + " of files on device " + device->info().uuid_text() +
                ", which is lost, aren't saved: their bytes can't be read");
    }
    log(LogLevel::info, "fuse", (is_all ? "saved all files to " : "saved all other files to ") + options().save_file);
    return {};
}

// Where it was, which somebody may have moved; and not over what others have mounted there meanwhile.
Result<void> Server::mount_again() {
    std::string place = options().mount_point;
    const std::vector<std::string> &paths = detached_.paths;
    if (!paths.empty() && std::find(paths.begin(), paths.end(), place) == paths.end()) place = paths.front();
    const bool is_moved = place != options().mount_point;
    const bool is_as_before = place_before_.empty() ? !TRY(find_mount(place)) : TRY(filesystem_number(place))
    == place_before_;
    if (!detached_.left.empty() || (!is_moved && !is_as_before))
        return Error{EBUSY, 0, "mount again", place + ": something else is mounted there: unmount that"};
    TRY(check_mount_point(place));
    return mount(place);
}

} // namespace gmemfs
