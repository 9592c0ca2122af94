// Server, apart from what it serves: the session with the kernel, from its mount to its end; and the sessions that
// nobody else sees, in which everything is restored before the mount, and saved after it.
#include "fuse/log.hpp"
#include "fuse/mount_flags.hpp"
#include "fuse/mount_point.hpp"
#include "fuse/ops.hpp"
#include "fuse/save_file.hpp"
#include "fuse/spawn.hpp"

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <unistd.h>

namespace gmemfs {

Result<void> Server::mount(const std::string &place) {
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
            if (word != "default_permissions" && is_known_to_libfuse(word)) list += "," + word;
    }
    session_ = TRY(Session::create(list, fuse_operations(), this));
    const bool has_rings = options_.io_uring && !is_private_;
    workers_ =
        TRY(Workers::create(devices_, *session_, options_.workers, has_rings ? Transport::io_uring : Transport::read));
    has_had_session_ = true;
    TRY(resumes() ? session_->adopt(supervisor_->device()) : session_->mount(place));
    is_mounted_ = true;
    if (!resumes() && !is_private_) TRY(set_mount_flags(place, options_.mount_options));
    return {};
}

// What the kernel said when it greeted the first server, said again to libfuse, which then knows what was agreed on;
// its answer stays here, for the kernel has had one. Then the kernel is asked to put what was read and not answered
// back into the queue (Linux 6.9 and later; docs/keeper.md has more).
Result<void> Server::resume() {
    std::vector<std::byte> greeting = supervisor_->greeting();
    session_->parse(greeting);
    fuse_in_header header = {};
    std::memcpy(&header, greeting.data(), std::min(greeting.size(), sizeof header));
    (void)session_->take_answer(header.unique);
    if (session_->has_ended()) return Error{EPROTO, 0, "go on with the mount", "libfuse refuses the greeting"};
    // A forget that the dead server had read is lost: nobody waits for its answer. So it is asked which of the unlinked
    // inodes the kernel still knows; those that it doesn't would hold their memory until the mount ends.
    for (const InodeId id : volume_->names().orphans())
        if (const Result<void> known = session_->forget_attributes(id); !known && known.error().code == ENOENT)
            volume_->names().forget(id, std::numeric_limits<std::uint64_t>::max());
    constexpr int kNotifyResend = 7; // FUSE_NOTIFY_RESEND, which older headers lack
    return session_->notify(kNotifyResend, {});
}

// The greeting is kept for the next server.
void Server::start_workers(const std::function<void()> &ended) {
    workers_->start(
        [this](std::span<const std::byte> greeting) {
            if (supervisor_ != nullptr && !is_private_) supervisor_->hand_over(session_->device(), greeting);
        },
        ended);
}

void Server::stop() {
    if (!is_mounted_) return;
    is_mounted_ = false;
    // Workers first: the descriptor that they read from is closed before the unmount; a ring would hold the mount.
    session_->end();
    workers_->stop(); // who still serves may ask for them
    if (!failure_) failure_ = workers_->failure();
    workers_.reset();
    scrub_walk_.reset();
    published_broker_ = nullptr;
    has_tried_broker_ = false;
    broker_.reset(); // its socket holds a copy of the mount, and with it the filesystem
    // libfuse doesn't know the mount point of a mount that it took over; it is no error if somebody has unmounted it.
    if (resumes()) {
        (void)unmount(options_.mount_point, UnmountMode::lazily);
        supervisor_->let_go_of_device();
    }
    session_->unmount();
    while (g_main_context_iteration(nullptr, FALSE)) {} // what workers left for it at their end
}

// Nothing is left of it, so that another one can begin.
void Server::end_session() {
    stop();
    workers_.reset(); // where it was never mounted
    session_.reset();
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
        return std::vector<std::string>{"save", "--ignore-warnings", "--", place, options_.save_file};
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
