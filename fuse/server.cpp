#include "fuse/server.hpp"

#include "fuse/log.hpp"
#include "fuse/ops.hpp"
#include "vmm/simulator_path.hpp"

#include <glib-unix.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <thread>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr const char *kDriverLibrary = "libcuda.so.1";
constexpr unsigned kWorkersLeast = 4;
constexpr unsigned kWorkersUsual = 16;                    // 12 threads reached 93 % of the bus (H200), and more no more
constexpr std::chrono::milliseconds kOrphanPatience(100); // for the next forget
constexpr std::chrono::seconds kOrphanPatienceMax(5);     // for all of them

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
// that several of different sizes live side by side.
Result<std::string> prepare_simulator(const Options &options) {
    const std::string library = simulator_path();
    if (library.empty())
        return Error{ENOENT, 0, "find the simulator", "sim/libcuda.so.1 is not beside this program: run `make`"};
    ::setenv("GMEMFS_SIM_MACHINE", ("mount-" + std::to_string(::getpid())).c_str(), 0);
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

std::uint64_t OpenFiles::add(InodeRef inode) {
    auto open = std::make_unique<OpenFile>(OpenFile{std::move(inode)});
    const auto handle = reinterpret_cast<std::uint64_t>(open.get());
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

Inode &OpenFiles::inode(std::uint64_t handle) {
    return *reinterpret_cast<OpenFile *>(handle)->inode; // NOLINT(performance-no-int-to-ptr): add() made it
}

void OpenFiles::clear() {
    const Hold hold(mutex_);
    opens_.clear();
}

Result<std::unique_ptr<Server>> Server::create(const Options &options) {
    std::unique_ptr<Server> server(new Server(options));
    TRY(server->open_devices());
    server->keeper_ = std::make_unique<Keeper>(*server->driver_, options.handles);
    const Volume::Limits limits = {
        {options.capacity, options.quotas}, options.max_files != 0 ? options.max_files : usual_files_max()};
    server->volume_ = std::make_unique<Volume>(
        *server->keeper_, server->devices_, limits, Credentials{::geteuid(), ::getegid(), {}}, 0755, now());
    TRY(server->mount());
    return server;
}

Result<void> Server::open_devices() {
    const std::string library = options_.simulate ? TRY(prepare_simulator(options_)) : std::string(kDriverLibrary);
    Result<std::unique_ptr<Driver>> driver = Driver::open(library);
    if (!driver) return options_.simulate ? Error(driver.error()) : explain_driver(driver.error());
    driver_ = *std::move(driver);
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
        Result<Allocation> probe = Allocation::create(*driver_, info, info.granularity, options_.handles);
        if (!probe && options_.handles == HandlePolicy::fabric)
            return Error{probe.error().code, probe.error().driver, "mount with --handles=fabric",
                "this machine refuses fabric handles: `gmemfs doctor` has the command that makes the IMEX channel"};
        if (!probe) return Error(probe.error());
        devices_.push_back(TRY(Device::open(*driver_, info)));
    }
    return {};
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
    if (fuse_session_mount(session_, options_.mount_point.c_str()) != 0)
        return Error{
            errno != 0 ? errno : EIO, 0, "mount", options_.mount_point + ": the kernel or fusermount3 refused"};
    is_mounted_ = true;
    const int status = fuse_session_custom_io(session_, &Dialect::io(), fuse_session_fd(session_));
    if (status != 0) return Error{-status, 0, "mount", options_.mount_point + ": libfuse refuses our way to write"};
    return {};
}

Server::~Server() {
    stop();
    workers_.clear();
    if (session_ != nullptr) fuse_session_destroy(session_);
    opens_.clear();
}

void Server::run(std::function<void()> ready) {
    ready_ = std::move(ready);
    loop_ = g_main_loop_new(nullptr, FALSE);
    std::vector<guint> signals;
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) signals.push_back(g_unix_signal_add(number, quit, loop_));
    install_wake_signal();
    for (const auto &worker : workers_) worker->start([this] { g_main_context_invoke(nullptr, quit, loop_); });
    g_main_loop_run(loop_);
    for (const guint source : signals)
        if (g_main_context_find_source_by_id(nullptr, source) != nullptr) g_source_remove(source);
    stop();
    log(LogLevel::info, "fuse", "unmounted " + options_.mount_point);
}

void Server::stop() {
    if (!is_mounted_) return;
    is_mounted_ = false;
    // Workers first: libfuse closes the descriptor that they read from before it unmounts.
    fuse_session_exit(session_);
    for (const auto &worker : workers_) worker->stop();
    published_broker_ = nullptr;
    broker_.reset(); // its socket holds a copy of the mount, and with it the filesystem
    fuse_session_unmount(session_);
    while (loop_ != nullptr && g_main_context_iteration(nullptr, FALSE)) {} // what workers left for it at their end
    if (loop_ != nullptr) g_main_loop_unref(loop_);
    loop_ = nullptr;
}

void Server::greeted() {
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
    Result<std::unique_ptr<Broker>> broker = Broker::create(*this);
    if (broker) {
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
