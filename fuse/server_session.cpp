// Server, apart from what it serves: the session with the kernel, from its mount to its end; and the sessions that
// nobody else sees, in which everything is restored before the mount, and saved after it.
#include "fuse/log.hpp"
#include "fuse/mount_point.hpp"
#include "fuse/ops.hpp"
#include "fuse/save_file.hpp"
#include "fuse/spawn.hpp"

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <thread>
#include <unistd.h>

namespace gmemfs {
namespace {

// libfuse's own messages; what matters is said by who called it.
void take_libfuse_message(fuse_log_level level, const char *format, va_list arguments) {
    char text[512];
    std::vsnprintf(text, sizeof text, format, arguments);
    std::string line = text;
    while (!line.empty() && line.back() == '\n') line.pop_back();
    log(level <= FUSE_LOG_ERR ? LogLevel::info : LogLevel::debug, "libfuse", line);
}

// Linux 6.9 and later put what was read and not answered back into the queue. docs/keeper.md has more.
Result<void> ask_again(int device) {
    constexpr int kNotifyResend = 7; // FUSE_NOTIFY_RESEND, which older headers lack
    fuse_out_header notification = {};
    notification.len = sizeof notification;
    notification.error = kNotifyResend;
    if (::write(device, &notification, sizeof notification) != sizeof notification)
        return Error{errno, 0, "ask the kernel for the requests of the dead server"};
    return {};
}

} // namespace

Result<void> Server::mount(const std::string &place) {
    fuse_set_log_func(take_libfuse_message);
    GMEMFS_ASSERT(session_ == nullptr && workers_ == nullptr);
    if (has_had_session_) {
        opens_.clear();
        volume_->names().forget_all();
        if (survival_) TRY(survival_->begin_session());
    }
    std::string list = "subtype=gmemfs,fsname=" + options_.source;
    // In private it is this user's session alone, who is to reach everybody's files.
    if (!is_private_) {
        list += ",default_permissions";
        for (const std::string &word : options_.mount_options)
            if (word != "default_permissions") list += "," + word;
    }
    std::string program = "gmemfs";
    std::string flag = "-o";
    char *arguments[] = {program.data(), flag.data(), list.data(), nullptr};
    fuse_args args = FUSE_ARGS_INIT(3, arguments);
    const fuse_lowlevel_ops operations = fuse_operations();
    session_ = fuse_session_new(&args, &operations, sizeof operations, this);
    fuse_opt_free_args(&args);
    if (session_ == nullptr) return Error{EINVAL, 0, "mount", options_.mount_point + ": libfuse refuses: " + list};
    const bool has_rings = options_.io_uring && !is_private_;
    workers_ =
        TRY(Workers::create(devices_, session_, options_.workers, has_rings ? Transport::io_uring : Transport::read));
    errno = 0;
    // A descriptor in place of a mount point: libfuse takes it, and mounts nothing.
    const std::string there = resumes() ? "/dev/fd/" + std::to_string(supervisor_->device().get()) : place;
    has_had_session_ = true;
    if (fuse_session_mount(session_, there.c_str()) != 0)
        return Error{errno != 0 ? errno : EIO, 0, "mount", place + ": the kernel or fusermount3 refused"};
    is_mounted_ = true;
    const int status = fuse_session_custom_io(session_, &Dialect::io(), fuse_session_fd(session_));
    if (status != 0) return Error{-status, 0, "mount", place + ": libfuse refuses our way to write"};
    return {};
}

// What the kernel said when it greeted the first server, said again to libfuse, which then knows what was agreed on.
// The kernel doesn't expect the answer, and drops it. Then it is asked for the requests that the dead server had in
// hand.
Result<void> Server::resume() {
    std::vector<std::byte> greeting = supervisor_->greeting();
    fuse_buf request = {};
    request.mem = greeting.data();
    request.size = greeting.size();
    fuse_session_process_buf(session_, &request);
    if (fuse_session_exited(session_)) return Error{EPROTO, 0, "go on with the mount", "libfuse refuses the greeting"};
    // A forget that the dead server had read is lost: nobody waits for its answer. So it is asked which of the unlinked
    // inodes the kernel still knows; those that it doesn't would hold their memory until the mount ends.
    for (const InodeId id : volume_->names().orphans())
        if (fuse_lowlevel_notify_inval_inode(session_, id, -1, 0) == -ENOENT)
            volume_->names().forget(id, std::numeric_limits<std::uint64_t>::max());
    return ask_again(fuse_session_fd(session_));
}

void Server::received(std::span<const std::byte> request) {
    fuse_in_header header;
    if (supervisor_ == nullptr || is_private_ || request.size() < sizeof header) return;
    std::memcpy(&header, request.data(), sizeof header);
    if (header.opcode == FUSE_INIT) supervisor_->hand_over(fuse_session_fd(session_), request);
}

void Server::start_workers(const std::function<void()> &ended) {
    workers_->start([this](std::span<const std::byte> request) { received(request); }, ended);
}

void Server::stop() {
    if (!is_mounted_) return;
    is_mounted_ = false;
    // Workers first: libfuse closes the descriptor that they read from before it unmounts; a ring would hold the mount.
    fuse_session_exit(session_);
    workers_->stop(); // who still serves may ask for them
    if (!failure_) failure_ = workers_->failure();
    workers_.reset();
    scrub_walk_.reset();
    published_broker_ = nullptr;
    broker_.reset(); // its socket holds a copy of the mount, and with it the filesystem
    // libfuse doesn't know the mount point of a mount that it took over; it is no error if somebody has unmounted it.
    if (resumes()) (void)unmount(options_.mount_point, UnmountMode::lazily);
    fuse_session_unmount(session_);
    while (g_main_context_iteration(nullptr, FALSE)) {} // what workers left for it at their end
}

// Nothing is left of it, so that another one can begin.
void Server::end_session() {
    stop();
    workers_.reset(); // where it was never mounted
    if (session_ != nullptr) fuse_session_destroy(session_);
    session_ = nullptr;
}

// The volume is served in a place of its own as long as the command runs. With the workers, pinned memory and the copy
// engines of any mount: the command needs to know no other way to the files, and is as fast.
Result<void> Server::run_privately(const std::function<std::vector<std::string>(const std::string &place)> &command) {
    const std::string place = TRY(survival_->folder().make_private_place());
    is_private_ = true;
    Result<void> done = mount(place);
    if (done) {
        start_workers([] {}); // a session that is aborted fails the command
        done = run_self(command(place));
    }
    end_session();
    ::rmdir(place.c_str());
    is_private_ = false;
    return done;
}

// A mount that begins empty, and not one that goes on with what a keeper has, begins with what the last one saved.
Result<void> Server::restore_all() {
    if (survival_) TRY(set_saves(saves())); // whatever the server before this one was told
    if (!saves()) return {};
    const std::string lack = describe_lack_of_room(options_.save_file, volume_->storage().space().capacity);
    if (!lack.empty()) log(LogLevel::warning, "fuse", lack);
    if (!survival_->is_fresh()) return {};
    if (::access(options_.save_file.c_str(), F_OK) != 0) {
        if (errno != ENOENT) return Error{errno, 0, "restore", options_.save_file};
        log(LogLevel::info, "fuse", "nothing to restore: there is no " + options_.save_file + " yet");
        return {};
    }
    const std::string restoring = survival_->folder().restoring_path();
    TRY(write_private(restoring, ""));
    const Result<void> done = run_privately([&](const std::string &place) {
        return std::vector<std::string>{"restore", "--", options_.save_file, place};
    });
    if (!done)
        return Error{done.error().code, 0, "restore before the mount",
            done.error().detail + "; to begin empty, move " + options_.save_file + " away"};
    ::unlink(restoring.c_str());
    log(LogLevel::info, "fuse", "restored " + options_.save_file);
    return {};
}

Result<void> Server::save_all() {
    if (!saves()) return {};
    if (supervisor_ != nullptr) supervisor_->unmounted();
    log(LogLevel::info, "fuse", "unmounted " + options_.mount_point + ", saving to " + options_.save_file);
    TRY(write_private(survival_->folder().unsaved_path(), ""));
    TRY(run_privately([&](const std::string &place) {
        return std::vector<std::string>{"save", "--", place, options_.save_file};
    }));
    log(LogLevel::info, "fuse", "saved all files to " + options_.save_file);
    return {};
}

// After a save that failed.
Result<void> Server::mount_again() {
    const Result<std::string> checked = check_mount_point(options_.mount_point);
    if (!checked && checked.error().code == ENOTCONN) // its connection was aborted, and nobody unmounted it
        (void)unmount(options_.mount_point, UnmountMode::lazily);
    else if (!checked)
        return Error(checked.error());
    TRY(mount(options_.mount_point));
    if (supervisor_ != nullptr) supervisor_->mounted_again();
    return {};
}

Result<void> Server::set_saves(bool saves) {
    if (saves && options_.save_file.empty())
        return Error{
            EINVAL, 0, "save at the end", "the mount has no file for it: mount it with --on-shutdown=save:FILE"};
    saves_ = saves;
    if (survival_ && saves) return write_private(survival_->folder().unsaved_path(), "");
    if (survival_) ::unlink(survival_->folder().unsaved_path().c_str());
    return {};
}

} // namespace gmemfs
