#include "fuse/session/server.hpp"

#include "fuse/broker/broker.hpp"
#include "fuse/host/log.hpp"
#include "fuse/mounts/mount_flags.hpp"
#include "fuse/mounts/mount_table_watch.hpp"
#include "fuse/session/workers.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/simulator_path.hpp"

#include <glib-unix.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::chrono::milliseconds kOrphanLook(1);
constexpr std::chrono::milliseconds kOrphanPatience(100); // for the next forget
constexpr std::chrono::seconds kOrphanPatienceMax(5);     // for all of them

} // namespace

Server::Server(SupervisorLink *supervisor, const fuse_lowlevel_ops &operations)
    : operations_(operations), supervisor_(supervisor), opens_(supervisor == nullptr ? 0 : supervisor->generation()) {}

bool Server::was_done() const {
    const Worker &worker = Worker::current();
    return worker.is_asked_again() && survival() != nullptr && survival()->was_done(worker.request_number());
}

Result<Opened> Server::opened(InodeId id, std::uint64_t handle) const {
    if (Inode *const inode = opens_.find(handle)) return Opened{inode, nullptr};
    InodeRef inherited = TRY(volume().names().find(id));
    Inode *const inode = inherited.get();
    return Opened{inode, std::move(inherited)};
}

Result<std::unique_ptr<Server>> Server::create(
    const Options &options, SupervisorLink *supervisor, const fuse_lowlevel_ops &operations) {
    std::unique_ptr<Server> server(new Server(supervisor, operations));
    const auto caller = [] {
        const Worker *const worker = Worker::find_current();
        return worker == nullptr ? pid_t(0) : worker->caller();
    };
    const Survival::Start start = server->resumes() ? Survival::Start::resumed : Survival::Start::anew;
    server->host_ = TRY(Host::create(options, start, *server, caller));
    install_wake_signal();
    for (const auto &device : server->host_->devices())
        if (device->failed()) log(LogLevel::error, "fuse", server->describe_loss(*device));
    TRY(server->restore_all());
    TRY(server->mount(options.mount_point));
    return server;
}

void Server::link_missed(const Device &source, const Device &target) {
    const auto name = [](const Device &device) {
        return std::to_string(device.info().ordinal) + " (" + device.info().uuid_text() + ")";
    };
    log(LogLevel::warning, "vmm",
        "devices " + name(source) + " and " + name(target) +
            " have no peer access: copies between them go through host memory; `gmemfs doctor` tells which devices "
            "reach each other");
}

Server::~Server() {
    if (host_ == nullptr) return;
    stop();
    if (survival() != nullptr) survival()->let_go();
    end_session();
    if (loop_ != nullptr) g_main_loop_unref(loop_);
    opens_.clear();
}

// A second signal while the first one's work is under way changes nothing, where files would be lost by it.
gboolean Server::take_end(gpointer server) {
    auto *const self = static_cast<Server *>(server);
    if (self->aim_ == Aim::end && self->host_->saves())
        log(LogLevel::info, "fuse", "asked to end again: it is about to, and saves to " + self->options().save_file);
    else
        g_main_loop_quit(self->loop_);
    self->aim_ = Aim::end;
    return self->host_->saves() ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

gboolean Server::take_hangup(gpointer server) {
    reopen_log();
    auto *const self = static_cast<Server *>(server);
    if (self->supervisor_ != nullptr) self->supervisor_->log_moved();
    return G_SOURCE_CONTINUE;
}

gboolean Server::take_restart(gpointer server) {
    auto *const self = static_cast<Server *>(server);
    if (self->aim_ == Aim::end) return G_SOURCE_CONTINUE; // and nobody is to go on
    if (self->supervisor_ == nullptr) {
        log(LogLevel::warning, "fuse",
            "asked to restart, but no supervisor is there: this server runs in the foreground, or with io_uring");
        return G_SOURCE_CONTINUE;
    }
    if (const Result<void> checked = self->survival()->check(); !checked) {
        log(LogLevel::error, "fuse", checked.error(), "asked to restart, which would lose the files");
        return G_SOURCE_CONTINUE;
    }
    self->aim_ = Aim::again;
    g_main_loop_quit(self->loop_);
    return G_SOURCE_CONTINUE;
}

void Server::make_way() {
    if (broker_) broker_->make_way(); // while workers answer: it may ask something of the mount
    // The requests in hand are answered; what comes now waits in the kernel. Nothing is unmounted or given back.
    session_->end();
    workers_->stop();
    host_->stop_walks();
    if (const Result<void> recorded = volume().record_times(); !recorded)
        log(LogLevel::warning, "fuse", recorded.error(), "times of files that are open go back a little");
    is_mounted_ = false; // not for this server to unmount
    if (survival() != nullptr) survival()->let_go();
    log(LogLevel::info, "fuse", "making way for another server of " + options().mount_point);
}

Server::End Server::run(FunctionView<void()> ready) {
    ready_ = &ready;
    loop_ = g_main_loop_new(nullptr, FALSE);
    std::vector<guint> signals;
    for (const int number : {SIGINT, SIGTERM}) signals.push_back(g_unix_signal_add(number, take_end, this));
    if (survival() != nullptr) survival()->watch();
    signals.push_back(g_unix_signal_add(SIGUSR2, take_restart, this));
    signals.push_back(g_unix_signal_add(SIGHUP, take_hangup, this));
    if (resumes()) {
        take_over_broker();
        if (const Result<void> resumed = resume(); !resumed)
            log(LogLevel::error, "fuse", resumed.error(), "requests that the dead server had in hand may hang");
    }
    Result<void> saved;
    Result<void> is_there;
    do {
        serve();
        if (aim_ == Aim::again) break;
        const bool is_wanted = aim_ == Aim::end || !was_aborted();
        aim_ = Aim::end;
        look_at_flags(); // they may have changed a moment before
        // Before the mount is detached: where this server dies from here on the next one has no device, and mounts.
        if (!is_wanted && supervisor_ != nullptr) supervisor_->aborted();
        end_session();
        if (!is_wanted) {
            log(LogLevel::warning, "fuse",
                "the connection of " + options().mount_point + " to the kernel was aborted: mounting it again");
            is_there = mount_again();
            aim_ = Aim::serve;
            continue;
        }
        saved = save_all();
        if (saved) break;
        log(LogLevel::error, "fuse", saved.error(), "the files stay: " + options().mount_point + " is mounted again");
        (void)write_private(survival()->folder().unsaved_path(), saved.error().detail);
        is_there = mount_again();
        if (is_there && supervisor_ != nullptr) supervisor_->mounted_again();
        aim_ = Aim::serve;
    } while (is_there);
    for (const guint source : signals)
        if (g_main_context_find_source_by_id(nullptr, source) != nullptr) g_source_remove(source);
    if (aim_ == Aim::again) {
        make_way();
        return End::again;
    }
    if (!saved || !is_there) {
        if (survival() != nullptr) survival()->let_go();
        log(LogLevel::error, "fuse", is_there.error(), "the keeper has the files: `gmemfs mount` serves them again");
        return End::kept;
    }
    if (survival() != nullptr) survival()->end();
    log(LogLevel::info, "fuse", "unmounted " + options().mount_point);
    return End::unmounted;
}

void Server::serve() {
    host_->start_walks(*this);
    const auto look = [this] {
        volume().set_access_times(access_times_of(filesystem_));
        look_at_flags();
    };
    const MountTableWatch watch(look); // `mount -o remount` asks nobody
    look();
    // Not g_main_context_invoke(), which would run it in the worker's thread as long as the loop doesn't run yet.
    start_workers(AtEnd::quit);
    g_main_loop_run(loop_);
}

void Server::greeted(unsigned protocol_minor) {
    protocol_minor_ = protocol_minor;
    if (is_private()) return;
    log(LogLevel::info, "fuse",
        "mounted " + options().mount_point + ": " + host_->driver().library + ", " +
            std::to_string(host_->devices().size()) + " device(s), " + std::to_string(workers_->count()) + " workers");
    // A worker runs this; the broker is the main thread's, and making it needs workers that answer.
    g_idle_add(
        [](gpointer server) -> gboolean {
            static_cast<Server *>(server)->start_broker();
            return G_SOURCE_REMOVE;
        },
        this);
}

void Server::start_broker() {
    // Not where the mount has ended already, or is about to: a request to it would wait for ever.
    if (!is_mounted_ || !workers_->wait_until_served()) return;
    if (!options().broker)
        log(LogLevel::info, "broker", "it is off: peers get fabric handles alone");
    else if (!broker_)
        publish_broker(Broker::create(*host_, *this));
    has_tried_broker_.store(true, std::memory_order_release);
    (*ready_)();
}

void Server::publish_broker(Result<std::unique_ptr<Broker>> broker) {
    if (!broker) return log(LogLevel::warning, "broker", broker.error(), "peers get fabric handles alone");
    broker_ = *std::move(broker);
    published_broker_.store(broker_.get(), std::memory_order_release);
}

// Before a request is answered: no peer sees a mount without a broker.
void Server::take_over_broker() {
    if (!options().broker || survival() == nullptr) return;
    Result<std::unique_ptr<Broker>> broker = Broker::take_over(*host_, *this);
    if (broker && *broker == nullptr) return; // of an older server: another one is made when the mount answers
    if (broker)
        publish_broker(std::move(broker));
    else
        log(LogLevel::warning, "broker", broker.error(), "peers connect anew");
}

void Server::end() {
    aim_ = Aim::end;
    g_main_loop_quit(loop_);
}

void Server::attributes_changed(InodeId id) {
    (void)session_->forget_attributes(id); // ENOENT: the kernel hasn't kept them, so there is nothing to drop
}

void Server::name_changed(InodeId parent, const std::string &name) {
    (void)session_->forget_name(parent, name); // as above
}

void Server::forgotten() {
    const Hold hold(forgotten_mutex_); // so that a waiter is waiting, or has yet to look
    ++forget_count_;
    forgotten_.notify_all();
}

bool Server::wait_for_memory() {
    Namespace &names = volume().names();
    if (!names.has_dying_orphans()) return false;
    const auto end = std::chrono::steady_clock::now() + kOrphanPatienceMax;
    const Hold hold(forgotten_mutex_);
    // After `rm -rf` forgets come one by one, and freeing takes its time: as long as it goes on, so does the wait.
    for (bool is_moving = true; is_moving && std::chrono::steady_clock::now() < end;) {
        const std::uint64_t before = forget_count_;
        // Nobody tells when a thread drops a forgotten inode at the end of its request: hence the many looks.
        for (auto waited = kOrphanLook; waited <= kOrphanPatience; waited += kOrphanLook) {
            forgotten_.wait_for(forgotten_mutex_, std::chrono::nanoseconds(kOrphanLook).count());
            if (!names.has_dying_orphans()) return true;
        }
        is_moving = forget_count_ != before || names.is_forgetting();
    }
    names.give_up_on_orphans();
    return true;
}

} // namespace gmemfs
