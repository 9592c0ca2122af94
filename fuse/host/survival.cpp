#include "fuse/host/survival.hpp"

#include "fuse/host/log.hpp"

#include <glib-unix.h>

#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr unsigned kFolderCheckMs = 100;

gboolean tell_of_death(gint, GIOCondition, gpointer) {
    log(LogLevel::error, "keeper",
        "the keeper has died: what is mapped can still be read and written, but no file can grow or be exported, and "
        "the memory is lost with the server; copy out what matters, unmount, and mount anew");
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {} // the keeper was our child, unless we took it over
    return G_SOURCE_REMOVE;
}

} // namespace

Result<std::unique_ptr<Survival>> Survival::create(const std::string &mount_point) {
    RuntimeFolder folder = TRY(RuntimeFolder::take(mount_point));
    return std::unique_ptr<Survival>(new Survival(std::move(folder)));
}

Result<void> Survival::find_keeper(const Options &options, const std::string &library, Start start) {
    Result<Fd> left = folder_.connect_keeper();
    if (const std::string restoring = folder_.restoring_path(); ::access(restoring.c_str(), F_OK) == 0) {
        // Half a snapshot, which the next one is not to be made of. Nobody has seen it, and the snapshot is there.
        if (left) end_keeper(*left);
        left = Error{ENOENT, 0, "connect to the keeper"};
        ::unlink(folder_.journal_path().c_str());
        ::unlink(restoring.c_str());
    }
    is_recovery_ = left.has_value();
    if (!left && start == Start::resumed)
        return Error{EIDRM, 0, "go on with the mount",
            options.mount_point + ": no keeper is to be found in " + folder_.path() +
                ": it has died, or somebody has removed the folder; what it held is lost: `gmemfs umount`, and mount "
                "anew"};
    if (left)
        socket_ = *std::move(left);
    else
        socket_ = TRY(folder_.start_keeper({library, word_of(options.handles), options.mount_point}));
    return {};
}

Result<Keeper *> Survival::greet_keeper(const Driver &driver) {
    client_ = TRY(KeeperClient::connect(driver, TRY(socket_.duplicate())));
    return client_.get();
}

Result<void> Survival::recover(Volume &volume, Namespace::KernelMemory memory) {
    const std::vector<Keeper::Held> held = TRY(client_->list());
    Journal::Opened opened = TRY(Journal::open(folder_.journal_path()));
    const std::size_t count = opened.state.nodes.size();
    if (count > 0 && opened.state.keeper_nonce == client_->nonce()) {
        journal_ = std::move(opened.journal);
        volume.record_in(journal_.get());
        if (memory == Namespace::KernelMemory::none)
            TRY(begin_session());
        else
            done_ = opened.state.done;
        TRY(volume.restore(opened.state, held, memory));
        ticket_secret_ = opened.state.ticket_secret;
        if (ticket_secret_ == Secret{}) TRY(make_ticket_secret());
        log(LogLevel::info, "fuse",
            "took over " + std::to_string(count) + " inodes and " + std::to_string(held.size()) +
                " extents of a server that ended" +
                (opened.dropped == 0 ? "" : "; its last record was torn, and was never acknowledged"));
        return {};
    }
    if (!held.empty())
        return Error{EBADMSG, 0, "take over files",
            "the keeper holds " + std::to_string(held.size()) + " extents, and " + folder_.journal_path() +
                " is not of this keeper: put the right one back, or unmount to give the memory up"};
    if (count > 1)
        log(LogLevel::error, "fuse",
            "the keeper of the server before this one has ended, too: " + std::to_string(count - 1) +
                " inodes are lost; this mount begins empty");
    is_fresh_ = true;
    VolumeState empty;
    empty.keeper_nonce = client_->nonce();
    journal_ = TRY(Journal::create(folder_.journal_path(), empty));
    volume.record_in(journal_.get());
    TRY(make_ticket_secret());
    return volume.record_root();
}

Result<void> Survival::make_ticket_secret() {
    ticket_secret_ = TRY(make_secret());
    return journal_->append([this](RecordWriter &record) { record.ticket_secret(ticket_secret_); });
}

Result<void> Survival::begin_session() {
    return journal_->append([](RecordWriter &record) { record.done(0); });
}

void Survival::let_go() {
    if (client_ && (is_recovery_ || has_begun_)) client_->let_go();
}

void Survival::watch() {
    has_begun_ = true;
    watch_ = g_unix_fd_add(client_->socket(), G_IO_HUP, tell_of_death, nullptr);
    folder_events_ = Fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!folder_events_) return; // check() looks at it all the same
    watch_folder();
    folder_watch_ = g_unix_fd_add(
        folder_events_.get(), G_IO_IN,
        [](gint fd, GIOCondition, gpointer survival) -> gboolean {
            char events[4096];
            while (::read(fd, events, sizeof events) > 0) {}
            // Later, when the removal is complete.
            auto *const self = static_cast<Survival *>(survival);
            if (self->folder_check_ == 0) self->folder_check_ = g_timeout_add(kFolderCheckMs, take_folder_check, self);
            return G_SOURCE_CONTINUE;
        },
        this);
}

void Survival::watch_folder() {
    constexpr std::uint32_t kRemovals = IN_DELETE | IN_DELETE_SELF | IN_MOVED_FROM | IN_MOVE_SELF | IN_ONLYDIR;
    if (folder_events_) ::inotify_add_watch(folder_events_.get(), folder_.path().c_str(), kRemovals);
}

gboolean Survival::take_folder_check(gpointer survival) {
    auto *const self = static_cast<Survival *>(survival);
    self->folder_check_ = 0;
    const bool was_lost = self->is_folder_lost_;
    if (const Result<void> checked = self->check(); !checked && !was_lost && self->is_folder_lost_)
        log(LogLevel::error, "fuse", checked.error(), "the files are lost with this server");
    return G_SOURCE_REMOVE;
}

Result<void> Survival::check() {
    constexpr const char *kAdvice = ": copy out what matters, unmount, and mount anew";
    if (client_->is_dead())
        return Error{
            EIDRM, 0, "find the keeper", std::string("it has died, and another server would have no files") + kAdvice};
    if (folder_.is_intact()) return {};
    const Result<void> made = make_folder_again();
    is_folder_lost_ = !made;
    if (made) {
        log(LogLevel::warning, "fuse", folder_.path() + " was removed, and is made again");
        return {};
    }
    return Error{EIDRM, 0, "find the runtime folder",
        folder_.path() + " was removed, and can't be made again (" + made.error().text() + ")" + kAdvice};
}

Result<void> Survival::make_folder_again() {
    const Fd listener = TRY(folder_.make_again());
    TRY(client_->listen(listener));
    TRY(journal_->write_anew());
    watch_folder();
    return {};
}

void Survival::end() {
    for (unsigned *const source : {&watch_, &folder_watch_, &folder_check_}) {
        if (*source != 0 && g_main_context_find_source_by_id(nullptr, *source) != nullptr) g_source_remove(*source);
        *source = 0;
    }
    if (client_)
        client_->end();
    else if (socket_)
        end_keeper(socket_);
    folder_.remove();
}

Survival::~Survival() {
    if (folder_watch_ != 0) g_source_remove(folder_watch_);
    if (folder_check_ != 0) g_source_remove(folder_check_);
    if (!has_begun_ && !is_recovery_) end();
}

} // namespace gmemfs
