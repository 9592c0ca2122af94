#include "fuse/server.hpp"

#include "fuse/log.hpp"
#include "fuse/mount_point.hpp"
#include "fuse/ops.hpp"
#include "vmm/simulator_path.hpp"

#include <glib-unix.h>
#include <linux/fuse.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <thread>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr const char *kDriverLibrary = "libcuda.so.1";
constexpr unsigned kWorkersLeast = 4;
constexpr unsigned kWorkersUsual = 16;                    // 12 threads reached 93 % of the bus (H200), and more no more
constexpr std::chrono::milliseconds kOrphanPatience(100); // for the next forget
constexpr std::chrono::seconds kOrphanPatienceMax(5);     // for all of them
constexpr unsigned kAddressBits = 48;

timespec now() {
    timespec time = {};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return time;
}

// As tmpfs has it: an inode for every second page of the host's memory. One takes about a kilobyte here.
std::uint64_t usual_files_max() { return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) / 2; }

// libfuse's own messages; what matters is said by who called it.
void take_libfuse_message(fuse_log_level level, const char *format, va_list arguments) {
    char text[512];
    std::vsnprintf(text, sizeof text, format, arguments);
    std::string line = text;
    while (!line.empty() && line.back() == '\n') line.pop_back();
    log(level <= FUSE_LOG_ERR ? LogLevel::info : LogLevel::debug, "libfuse", line);
}

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

Error no_such_device(const std::string &name, const std::vector<DeviceInfo> &infos) {
    std::string there;
    for (const DeviceInfo &info : infos)
        there += (there.empty() ? "" : ", ") + std::to_string(info.ordinal) + " (" + info.uuid_text() + ")";
    return Error{ENODEV, 0, "find device", name + ": there is no such device; there are: " + there};
}

} // namespace

std::uint64_t OpenFiles::add(InodeRef inode) {
    auto open = std::make_unique<OpenFile>(OpenFile{std::move(inode)});
    const auto address = reinterpret_cast<std::uint64_t>(open.get());
    GMEMFS_ASSERT(address >> kAddressBits == 0);
    const std::uint64_t handle = address | std::uint64_t(generation_) << kAddressBits;
    const Hold hold(mutex_);
    opens_.emplace(handle, std::move(open));
    return handle;
}

void OpenFiles::remove(std::uint64_t handle) {
    std::unique_ptr<OpenFile> last; // its inode's memory goes after the lock
    const Hold hold(mutex_);
    const auto found = opens_.find(handle);
    if (found == opens_.end()) return;
    last = std::move(found->second);
    opens_.erase(found);
}

Inode *OpenFiles::find(std::uint64_t handle) const {
    if (handle >> kAddressBits != generation_) return nullptr;
    const std::uint64_t address = handle & ((std::uint64_t(1) << kAddressBits) - 1);
    return reinterpret_cast<OpenFile *>(address)->inode.get(); // NOLINT(performance-no-int-to-ptr): add() made it
}

void OpenFiles::clear() {
    const Hold hold(mutex_);
    opens_.clear();
}

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
    if (server->survival_)
        TRY(server->survival_->recover(
            *server->volume_, server->resumes() ? Namespace::KernelMemory::kept : Namespace::KernelMemory::none));
    // Now, and not at the first write; and after recovery, which knows whose each extent is that the keeper holds.
    if (options.ecc) TRY(server->volume_->storage().check_parity());
    TRY(server->mount());
    return server;
}

Result<void> Server::open_driver() {
    if (options_.keeper) survival_ = TRY(Survival::create(options_.mount_point));
    const std::string machine = survival_ ? survival_->name() : std::to_string(::getpid());
    std::string library = kDriverLibrary;
    if (options_.simulate) library = TRY(prepare_simulator(options_, machine));
    if (survival_) TRY(survival_->find_keeper(options_, library)); // it forks: not after cuInit
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
        if (!probe && options_.handles == HandlePolicy::fabric)
            return Error{probe.error().code, probe.error().driver, "mount with --handles=fabric",
                "this machine refuses fabric handles: `gmemfs doctor` has the command that makes the IMEX channel"};
        if (!probe) return Error(probe.error());
        keeper_->release(*probe);
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
        if (!is_mounted_) return; // at the start, which fails of it, or at the end
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

Result<void> Server::mount() {
    fuse_set_log_func(take_libfuse_message);
    std::string list = "subtype=gmemfs,default_permissions,fsname=" + options_.source;
    for (const std::string &word : options_.mount_options)
        if (word != "default_permissions") list += "," + word;
    std::string program = "gmemfs";
    std::string flag = "-o";
    char *arguments[] = {program.data(), flag.data(), list.data(), nullptr};
    fuse_args args = FUSE_ARGS_INIT(3, arguments);
    const fuse_lowlevel_ops operations = fuse_operations();
    session_ = fuse_session_new(&args, &operations, sizeof operations, this);
    fuse_opt_free_args(&args);
    if (session_ == nullptr) return Error{EINVAL, 0, "mount", options_.mount_point + ": libfuse refuses: " + list};
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    const unsigned usual = std::clamp(cores, kWorkersLeast, kWorkersUsual);
    const unsigned count = options_.workers != 0 ? options_.workers : usual;
    for (unsigned index = 0; index < count; ++index) workers_.push_back(TRY(Worker::create(devices_, session_, crew_)));
    errno = 0;
    // A descriptor in place of a mount point: libfuse takes it, and mounts nothing.
    const std::string place =
        resumes() ? "/dev/fd/" + std::to_string(supervisor_->device().get()) : options_.mount_point;
    if (fuse_session_mount(session_, place.c_str()) != 0)
        return Error{
            errno != 0 ? errno : EIO, 0, "mount", options_.mount_point + ": the kernel or fusermount3 refused"};
    is_mounted_ = true;
    const int status = fuse_session_custom_io(session_, &Dialect::io(), fuse_session_fd(session_));
    if (status != 0) return Error{-status, 0, "mount", options_.mount_point + ": libfuse refuses our way to write"};
    return {};
}

Server::~Server() {
    stop();
    if (survival_) survival_->let_go();
    workers_.clear();
    if (session_ != nullptr) fuse_session_destroy(session_);
    opens_.clear();
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
    if (supervisor_ == nullptr || request.size() < sizeof header) return;
    std::memcpy(&header, request.data(), sizeof header);
    if (header.opcode == FUSE_INIT) supervisor_->hand_over(fuse_session_fd(session_), request);
}

gboolean Server::take_restart(gpointer server) {
    auto *const self = static_cast<Server *>(server);
    if (self->supervisor_ == nullptr) {
        log(LogLevel::warning, "fuse",
            "asked to restart, but no supervisor is there: this server runs in the foreground");
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
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) signals.push_back(g_unix_signal_add(number, quit, loop_));
    if (survival_) survival_->watch_keeper();
    signals.push_back(g_unix_signal_add(SIGUSR2, take_restart, this));
    install_wake_signal();
    if (resumes())
        if (const Result<void> resumed = resume(); !resumed)
            log(LogLevel::error, "fuse", resumed.error(), "requests that the dead server had in hand may hang");
    if (options_.scrub_rate > 0)
        scrub_walk_ = std::make_unique<ScrubWalk>(
            *volume_, stats_, options_.scrub_rate, std::chrono::seconds(options_.scrub_every));
    for (const auto &worker : workers_)
        worker->start([this](std::span<const std::byte> request) { received(request); },
            [this] { g_main_context_invoke(nullptr, quit, loop_); });
    g_main_loop_run(loop_);
    for (const guint source : signals)
        if (g_main_context_find_source_by_id(nullptr, source) != nullptr) g_source_remove(source);
    if (goes_again_) {
        // The requests in hand are answered; what comes now waits in the kernel. Nothing is unmounted or given back.
        fuse_session_exit(session_);
        for (const auto &worker : workers_) worker->stop();
        scrub_walk_.reset();
        is_mounted_ = false; // not for this server to unmount
        if (survival_) survival_->let_go();
        log(LogLevel::info, "fuse", "making way for another server of " + options_.mount_point);
        return End::again;
    }
    stop();
    if (survival_) survival_->end();
    log(LogLevel::info, "fuse", "unmounted " + options_.mount_point);
    return End::unmounted;
}

void Server::stop() {
    if (!is_mounted_) return;
    is_mounted_ = false;
    // Workers first: libfuse closes the descriptor that they read from before it unmounts.
    fuse_session_exit(session_);
    for (const auto &worker : workers_) worker->stop();
    scrub_walk_.reset();
    published_broker_ = nullptr;
    broker_.reset(); // its socket holds a copy of the mount, and with it the filesystem
    // libfuse doesn't know the mount point of a mount that it took over; it is no error if somebody has unmounted it.
    if (resumes()) (void)unmount(options_.mount_point, UnmountMode::lazily);
    fuse_session_unmount(session_);
    while (loop_ != nullptr && g_main_context_iteration(nullptr, FALSE)) {} // what workers left for it at their end
    if (loop_ != nullptr) g_main_loop_unref(loop_);
    loop_ = nullptr;
}

void Server::greeted(unsigned protocol_minor) {
    protocol_minor_ = protocol_minor;
    log(LogLevel::info, "fuse",
        "mounted " + options_.mount_point + ": " + driver_->library + ", " + std::to_string(devices_.size()) +
            " device(s), " + std::to_string(workers_.size()) + " workers");
    // A worker runs this; the broker is the main thread's, and making it needs workers that answer.
    g_idle_add(
        [](gpointer server) -> gboolean {
            static_cast<Server *>(server)->start_broker();
            return G_SOURCE_REMOVE;
        },
        this);
}

void Server::start_broker() {
    if (!options_.broker) {
        log(LogLevel::info, "broker", "it is off: peers get fabric handles alone");
    } else if (Result<std::unique_ptr<Broker>> broker = Broker::create(*this)) {
        broker_ = *std::move(broker);
        published_broker_.store(broker_.get(), std::memory_order_release);
    } else {
        log(LogLevel::warning, "broker", broker.error(), "peers get fabric handles alone");
    }
    if (ready_) ready_();
}

void Server::attributes_changed(InodeId id) {
    // ENOENT: the kernel hasn't kept them, so there is nothing to drop.
    (void)fuse_lowlevel_notify_inval_inode(session_, id, -1, 0);
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
        if (forgotten_.wait_for(lock, kOrphanPatience, [&] { return !names.has_dying_orphans(); })) return true;
        is_moving = forget_count_ != before || names.is_forgetting();
    }
    names.give_up_on_orphans();
    return true;
}

} // namespace gmemfs
