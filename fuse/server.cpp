#include "fuse/server.hpp"

#include "fuse/log.hpp"
#include "fuse/mount_flags.hpp"
#include "fuse/mount_table_watch.hpp"
#include "fuse/ops.hpp"
#include "vmm/base/units.hpp"
#include "vmm/simulator_path.hpp"

#include <glib-unix.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr const char *kDriverLibrary = "libcuda.so.1";
constexpr std::chrono::milliseconds kOrphanLook(1);
constexpr std::chrono::milliseconds kOrphanPatience(100); // for the next forget
constexpr std::chrono::seconds kOrphanPatienceMax(5);     // for all of them

timespec now() {
    timespec time = {};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return time;
}

// As tmpfs has it: an inode for every second page of the host's memory. One takes about a kilobyte here.
std::uint64_t usual_files_max() { return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) / 2; }

gboolean quit(gpointer loop) {
    g_main_loop_quit(static_cast<GMainLoop *>(loop));
    return G_SOURCE_REMOVE;
}

// The simulator reads its machine from the environment. A mount that says nothing else gets a machine of its own, so
// that several of different sizes live side by side, and the next server of the mount point finds it.
Result<std::string> prepare_simulator(const Options &options, const std::string &name) {
    const std::string library = simulator_path();
    if (library.empty())
        return Error{ENOENT, 0, "find the simulator", "sim/libcuda.so.1 is not beside this program: run `make`"};
    ::setenv("GMEMFS_SIM_MACHINE", ("mount-" + name).c_str(), 0);
    if (options.simulate_size != 0) ::setenv("GMEMFS_SIM_DEVICES", std::to_string(options.simulate_size).c_str(), 1);
    return library;
}

Error explain_driver(Error error) {
    if (error.code == ENOENT)
        error.detail += "; install the NVIDIA driver, or try gmemfs without a GPU: gmemfs mount --simulate MOUNTPOINT";
    if (error.code == ENODEV && error.driver != 0)
        error.detail += "; `gmemfs doctor` tells why; without a GPU: gmemfs mount --simulate MOUNTPOINT";
    return error;
}

Error no_such_device(const std::string &name, const std::vector<DeviceInfo> &infos) {
    std::string there;
    for (const DeviceInfo &info : infos)
        there += (there.empty() ? "" : ", ") + std::to_string(info.ordinal) + " (" + info.uuid_text() + ")";
    return Error{ENODEV, 0, "find device", name + ": there is no such device; there are: " + there};
}

} // namespace

bool Server::was_done() const {
    const Worker &worker = Worker::current();
    return worker.is_asked_again() && survival_ && survival_->was_done(worker.request_number());
}

Result<Opened> Server::opened(InodeId id, std::uint64_t handle) const {
    if (Inode *const inode = opens_.find(handle)) return Opened{inode, nullptr};
    InodeRef inherited = TRY(volume_->names().find(id));
    Inode *const inode = inherited.get();
    return Opened{inode, std::move(inherited)};
}

Result<std::unique_ptr<Server>> Server::create(const Options &options, SupervisorLink *supervisor) {
    std::unique_ptr<Server> server(new Server(options, supervisor));
    TRY(server->open_driver());
    TRY(server->open_devices());
    const Volume::Limits limits = {.storage = {options.capacity, options.quotas, options.verify_reads},
        .files = options.max_files != 0 ? options.max_files : usual_files_max(),
        .parity = options.ecc};
    server->volume_ = std::make_unique<Volume>(
        *server->keeper_, server->devices_, limits, Credentials{::geteuid(), ::getegid(), {}}, 0755, now());
    const std::uint64_t capacity = server->volume_->storage().space().capacity;
    if (options.capacity > capacity)
        log(LogLevel::warning, "fuse",
            "capacity: " + format_size(options.capacity) + " is more than the devices have: " + format_size(capacity) +
                " it is");
    if (server->survival_)
        TRY(server->survival_->recover(
            *server->volume_, server->resumes() ? Namespace::KernelMemory::kept : Namespace::KernelMemory::none));
    // A server that goes on with a mount must say what the one before it has said: so, by what they have in common.
    server->generation_ = static_cast<std::uint32_t>(
        server->survival_ ? server->survival_->keeper().nonce() : static_cast<std::uint64_t>(now().tv_nsec));
    // Now, and not at the first write; and after recovery, which knows whose each extent is that the keeper holds.
    if (options.ecc) TRY(server->volume_->storage().check_parity());
    install_wake_signal();
    TRY(server->restore_all());
    TRY(server->mount(options.mount_point));
    return server;
}

Result<void> Server::open_driver() {
    if (options_.keeper) survival_ = TRY(Survival::create(options_.mount_point));
    const std::string machine = survival_ ? survival_->name() : std::to_string(::getpid());
    std::string library = kDriverLibrary;
    if (options_.simulate) library = TRY(prepare_simulator(options_, machine));
    if (survival_)
        TRY(survival_->find_keeper(options_, library,
            resumes() ? Survival::Session::goes_on : Survival::Session::begins)); // it forks: not after cuInit
    Result<std::unique_ptr<Driver>> driver = Driver::open(library);
    if (!driver) return options_.simulate ? Error(driver.error()) : explain_driver(driver.error());
    driver_ = *std::move(driver);
    if (survival_) {
        keeper_ = TRY(survival_->greet_keeper(*driver_));
    } else {
        local_keeper_ = std::make_unique<LocalKeeper>(*driver_, options_.handles);
        keeper_ = local_keeper_.get();
    }
    return {};
}

Result<void> Server::open_devices() {
    const std::vector<DeviceInfo> infos = TRY(query_devices(*driver_));
    std::vector<DeviceInfo> chosen;
    if (options_.devices.size() == 1 && options_.devices.front() == "all")
        chosen = infos;
    else
        for (const std::string &name : options_.devices) {
            const auto found = std::find_if(infos.begin(), infos.end(), [&](const DeviceInfo &info) {
                return name == std::to_string(info.ordinal) || name == info.uuid_text();
            });
            if (found == infos.end()) return no_such_device(name, infos);
            const bool is_twice = std::any_of(
                chosen.begin(), chosen.end(), [&](const DeviceInfo &info) { return info.ordinal == found->ordinal; });
            if (!is_twice) chosen.push_back(*found);
        }
    if (chosen.empty()) return Error{ENODEV, 0, "find device", "the driver shows none"};
    for (const DeviceInfo &info : chosen) {
        // Asked once at the start, so that a policy that can't be kept is known now.
        Result<Keeper::Id> probe = keeper_->create(info, info.granularity);
        if (!probe && probe.error().code != ENOSPC && options_.handles == HandlePolicy::fabric)
            return Error{probe.error().code, probe.error().driver, "mount with --handles=fabric",
                "this machine refuses fabric handles: `gmemfs doctor` has the command that makes the IMEX channel"};
        // A full device is no reason: a server that takes over may well find one.
        if (!probe && probe.error().code != ENOSPC) return Error(probe.error());
        if (probe) keeper_->release(*probe);
        devices_.push_back(TRY(Device::open(*driver_, info)));
        Device &device = *devices_.back();
        device.when_failed([this, &device](const Error &error) { device_failed(device, error); });
    }
    return {};
}

// This process can do nothing more on the device, and another one may: so this is SIGKILL by our own hand, wherever the
// error was met. What was asked is not answered, and the next server is asked again.
void Server::device_failed(const Device &device, const Error &error) const {
    const std::string where = "device " + std::to_string(device.info().ordinal) + " (" + device.info().uuid_text() +
                              ") is lost to this process";
    const bool has_keeper = survival_ != nullptr && !survival_->keeper().is_dead();
    if (supervisor_ != nullptr && has_keeper) {
        if (!is_mounted_ || (is_private_ && !ends_)) return; // at the start, which fails of it, or at the end
        log(LogLevel::error, "fuse", error, where + ", and another server takes over");
        ::_exit(kDeviceLost);
    }
    const std::string advice =
        has_keeper ? "; every request for its memory fails from here on; the keeper has the files: kill -KILL " +
                         std::to_string(::getpid()) + ", and mount anew"
                   : "; every request for its memory fails from here on, and what files held on it is lost with this "
                     "process: unmount, see what `gmemfs doctor` says, and mount anew";
    log(LogLevel::error, "fuse", error, where + advice);
}

Server::~Server() {
    stop();
    if (survival_) survival_->let_go();
    end_session();
    if (loop_ != nullptr) g_main_loop_unref(loop_);
    opens_.clear();
}

// A second signal while the first one's work is under way changes nothing, where files would be lost by it.
gboolean Server::take_end(gpointer server) {
    auto *const self = static_cast<Server *>(server);
    if (self->ends_ && self->saves())
        log(LogLevel::info, "fuse", "asked to end again: it is about to, and saves to " + self->options_.save_file);
    else
        g_main_loop_quit(self->loop_);
    self->ends_ = true;
    self->goes_again_ = false;
    return self->saves() ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

gboolean Server::take_hangup(gpointer server) {
    reopen_log();
    auto *const self = static_cast<Server *>(server);
    if (self->supervisor_ != nullptr) self->supervisor_->log_moved();
    return G_SOURCE_CONTINUE;
}

gboolean Server::take_restart(gpointer server) {
    auto *const self = static_cast<Server *>(server);
    if (self->ends_) return G_SOURCE_CONTINUE; // and nobody is to go on
    if (self->supervisor_ == nullptr) {
        log(LogLevel::warning, "fuse",
            "asked to restart, but no supervisor is there: this server runs in the foreground, or with io_uring");
        return G_SOURCE_CONTINUE;
    }
    if (const Result<void> checked = self->survival_->check(); !checked) {
        log(LogLevel::error, "fuse", checked.error(), "asked to restart, which would lose the files");
        return G_SOURCE_CONTINUE;
    }
    self->goes_again_ = true;
    g_main_loop_quit(self->loop_);
    return G_SOURCE_CONTINUE;
}

Server::End Server::run(std::function<void()> ready) {
    ready_ = std::move(ready);
    loop_ = g_main_loop_new(nullptr, FALSE);
    std::vector<guint> signals;
    for (const int number : {SIGINT, SIGTERM}) signals.push_back(g_unix_signal_add(number, take_end, this));
    if (survival_) survival_->watch();
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
        if (goes_again_) break;
        const bool is_wanted = ends_ || !was_aborted();
        ends_ = true;
        look_at_flags(); // they may have changed a moment before
        // Before the mount is detached: where this server dies from here on the next one has no device, and mounts.
        if (!is_wanted && supervisor_ != nullptr) supervisor_->aborted();
        end_session();
        if (!is_wanted) {
            log(LogLevel::warning, "fuse",
                "the connection of " + options_.mount_point + " to the kernel was aborted: mounting it again");
            is_there = mount_again();
            ends_ = false;
            continue;
        }
        saved = save_all();
        if (saved) break;
        log(LogLevel::error, "fuse", saved.error(), "the files stay: " + options_.mount_point + " is mounted again");
        (void)write_private(survival_->folder().unsaved_path(), saved.error().detail);
        is_there = mount_again();
        if (is_there && supervisor_ != nullptr) supervisor_->mounted_again();
        ends_ = false;
    } while (is_there);
    for (const guint source : signals)
        if (g_main_context_find_source_by_id(nullptr, source) != nullptr) g_source_remove(source);
    if (goes_again_) {
        if (broker_) broker_->make_way(); // while workers answer: it may ask something of the mount
        // The requests in hand are answered; what comes now waits in the kernel. Nothing is unmounted or given back.
        session_->end();
        workers_->stop();
        scrub_walk_.reset();
        if (const Result<void> recorded = volume_->record_times(); !recorded)
            log(LogLevel::warning, "fuse", recorded.error(), "times of files that are open go back a little");
        is_mounted_ = false; // not for this server to unmount
        if (survival_) survival_->let_go();
        log(LogLevel::info, "fuse", "making way for another server of " + options_.mount_point);
        return End::again;
    }
    if (!saved || !is_there) {
        if (survival_) survival_->let_go();
        log(LogLevel::error, "fuse", is_there.error(), "the keeper has the files: `gmemfs mount` serves them again");
        return End::kept;
    }
    if (survival_) survival_->end();
    log(LogLevel::info, "fuse", "unmounted " + options_.mount_point);
    return End::unmounted;
}

void Server::serve() {
    if (options_.scrub_rate > 0)
        scrub_walk_ = std::make_unique<ScrubWalk>(
            *volume_, stats_, options_.scrub_rate, std::chrono::seconds(options_.scrub_every));
    const auto look = [this] {
        volume_->set_access_times(access_times_of(filesystem_));
        look_at_flags();
    };
    const MountTableWatch watch(look); // `mount -o remount` asks nobody
    look();
    // Not g_main_context_invoke(), which would run it in the worker's thread as long as the loop doesn't run yet.
    start_workers([this] { g_idle_add(quit, loop_); });
    g_main_loop_run(loop_);
}

void Server::greeted(unsigned protocol_minor) {
    protocol_minor_ = protocol_minor;
    if (is_private_) return;
    log(LogLevel::info, "fuse",
        "mounted " + options_.mount_point + ": " + driver_->library + ", " + std::to_string(devices_.size()) +
            " device(s), " + std::to_string(workers_->count()) + " workers");
    // A worker runs this; the broker is the main thread's, and making it needs workers that answer.
    g_idle_add(
        [](gpointer server) -> gboolean {
            static_cast<Server *>(server)->start_broker();
            return G_SOURCE_REMOVE;
        },
        this);
}

void Server::start_broker() {
    // The mount has ended already, or is about to: who asked something of it would wait for ever.
    if (!is_mounted_ || !workers_->wait_until_served()) return;
    if (!options_.broker)
        log(LogLevel::info, "broker", "it is off: peers get fabric handles alone");
    else if (!broker_)
        publish_broker(Broker::create(*this));
    has_tried_broker_.store(true, std::memory_order_release);
    if (ready_) ready_();
}

void Server::publish_broker(Result<std::unique_ptr<Broker>> broker) {
    if (!broker) return log(LogLevel::warning, "broker", broker.error(), "peers get fabric handles alone");
    broker_ = *std::move(broker);
    published_broker_.store(broker_.get(), std::memory_order_release);
}

// Before a request is answered: no peer sees a mount without a broker.
void Server::take_over_broker() {
    if (!options_.broker || !survival_) return;
    Result<std::unique_ptr<Broker>> broker = Broker::take_over(*this);
    if (broker && *broker == nullptr) return; // of an older server: another one is made when the mount answers
    if (broker)
        publish_broker(std::move(broker));
    else
        log(LogLevel::warning, "broker", broker.error(), "peers connect anew");
}

void Server::end() {
    ends_ = true;
    goes_again_ = false;
    g_main_loop_quit(loop_);
}

void Server::attributes_changed(InodeId id) {
    (void)session_->forget_attributes(id); // ENOENT: the kernel hasn't kept them, so there is nothing to drop
}

void Server::forgotten() {
    const std::lock_guard<std::mutex> hold(forgotten_mutex_); // so that a waiter is waiting, or has yet to look
    ++forget_count_;
    forgotten_.notify_all();
}

bool Server::wait_for_orphans() {
    Namespace &names = volume_->names();
    if (!names.has_dying_orphans()) return false;
    const auto end = std::chrono::steady_clock::now() + kOrphanPatienceMax;
    std::unique_lock<std::mutex> lock(forgotten_mutex_);
    // After `rm -rf` forgets come one by one, and freeing takes its time: as long as it goes on, so does the wait.
    for (bool is_moving = true; is_moving && std::chrono::steady_clock::now() < end;) {
        const std::uint64_t before = forget_count_;
        // Nobody tells when a thread drops a forgotten inode at the end of its request: hence the many looks.
        for (auto waited = kOrphanLook; waited <= kOrphanPatience; waited += kOrphanLook)
            if (forgotten_.wait_for(lock, kOrphanLook, [&] { return !names.has_dying_orphans(); })) return true;
        is_moving = forget_count_ != before || names.is_forgetting();
    }
    names.give_up_on_orphans();
    return true;
}

} // namespace gmemfs
