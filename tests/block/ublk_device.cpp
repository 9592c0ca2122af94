// UblkDevice: a ublk device over memory of the simulator (or of a card), for tests in a guest whose kernel has ublk.
//
//     ublk_device serve [--id N] [--size 64M] [--queues 1] [--depth 64] [--io-size 512K] [--checksums] [--read-only]
//                       [--worker-dies]
//     ublk_device info|remove N
//
// `serve` says "live ublkbN worker PID" and stays until SIGTERM, when it removes the device unless somebody uses it. It
// has a worker, which serves, and a spare ("warm PID"). A worker that dies is replaced by the spare, and a line says
// after how many milliseconds; with --worker-dies it dies when it is told to serve. GMEMFS_DRIVER is the driver, else
// the simulator beside this program.
#include "block/ublk/control.hpp"
#include "block/ublk/queue.hpp"
#include "vmm/device/simulator_path.hpp"
#include "vmm/memory/allocation.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <map>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace gmemfs::block::ublk {
namespace {

using Clock = std::chrono::steady_clock;

// Where a child finds what its parent gives it.
constexpr int kChildSocket = 3, kChildMemory = 4, kChildSums = 5;

struct Options {
    std::string id = "-1", size = "64M", queues = "1", depth = "64", io_size = "512K";
    bool has_checksums = false, is_read_only = false, worker_dies = false;
};

[[noreturn]] void die(const Error &error) {
    std::fprintf(stderr, "ublk_device: %s\n", error.text().c_str());
    ::_exit(1); // whatever other threads are doing
}
template <typename T>
T must(Result<T> result) {
    if (!result) die(result.error());
    if constexpr (!std::is_void_v<T>) return *std::move(result);
}
template <typename T>
T check(T status, const char *doing) {
    if (status < 0) die({errno, 0, doing});
    return status;
}

unsigned number(const std::string &text) { return static_cast<unsigned>(must(parse_size(text))); }

std::shared_ptr<const client::Devices> devices() {
    const std::string library = client::driver_library(nullptr);
    return must(client::open_devices(library == "libcuda.so.1" ? simulator_path() : library));
}

std::uint64_t memory_size(const Options &options) { return round_up(must(parse_size(options.size)), 2 * MiB); }

int tell_parent(std::span<const Fd *const> fds) {
    must(send_with_fds(kChildSocket, std::as_bytes(std::span("!", 1)), fds));
    return 0;
}

// The descriptor that it sends keeps the memory when this process has ended.
int run_memory(const Options &options) {
    const auto all = devices();
    const Allocation memory =
        must(Allocation::create(*all->driver, all->all.front(), memory_size(options), HandlePolicy::fd));
    const Fd fd = must(memory.export_fd());
    const Fd *const fds[] = {&fd};
    return tell_parent(fds);
}

struct Go {
    int id;
    unsigned queues;
};

int run_worker(const Options &options) {
    const auto all = devices();
    client::Attached attached;
    attached.size = must(parse_size(options.size));
    attached.allocated = memory_size(options);
    attached.extents.push_back({0, attached.allocated, 1, all->all.front().uuid, protocol::kDescriptor, 0, {}});
    attached.fds.emplace_back(kChildMemory);
    std::span<std::uint32_t> sums;
    if (options.has_checksums) {
        const std::size_t count = attached.allocated / kCheckedSize;
        void *const memory =
            ::mmap(nullptr, count * sizeof(std::uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED, kChildSums, 0);
        if (memory == MAP_FAILED) die({errno, 0, "map checksums"});
        sums = {static_cast<std::uint32_t *>(memory), count};
    }
    const std::unique_ptr<Disk> disk =
        must(Disk::open(all, attached, attached.size, options.is_read_only ? Mode::read_only : Mode::read_write, sums));
    std::vector<std::unique_ptr<Queue>> queues;
    for (unsigned index = 0; index < number(options.queues); ++index)
        queues.push_back(must(Queue::create(*disk, number(options.depth), number(options.io_size))));
    tell_parent({});
    Go go = {};
    if (::read(kChildSocket, &go, sizeof go) != sizeof go) return 0; // the parent has ended
    if (options.worker_dies) return 1;
    const Fd channel = must(open_channel(go.id));
    for (unsigned index = 0; index < go.queues; ++index) must(queues[index]->attach(channel.get(), index));
    std::vector<std::thread> threads;
    for (unsigned index = 0; index < go.queues; ++index)
        threads.emplace_back([&, index] { must(queues[index]->run()); });
    for (std::thread &thread : threads) thread.join();
    return 0;
}

struct Child {
    Fd process, socket; // a pidfd
    pid_t pid;
};

class Supervisor {
public:
    Supervisor(std::vector<std::string> arguments, const Options &options)
        : arguments_(std::move(arguments)), options_(options), control_(must(Control::create())) {}
    void run();

private:
    Child start(const char *role);
    Received hear(const Child &child);
    Child make_worker();
    void tell(const Child &child);
    void recover();
    bool finish();

    std::vector<std::string> arguments_; // of this program; a child has its role in the place of "serve"
    const Options &options_;
    Control control_;
    Fd memory_, sums_;
    std::optional<Child> worker_, spare_;
    Info info_ = {};
};

Child Supervisor::start(const char *role) {
    int ends[2];
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "make a socket");
    Child child;
    Fd theirs(ends[1]);
    child.socket = Fd(ends[0]);
    child.pid = check(::fork(), "fork");
    if (child.pid == 0) {
        // Behind the places that they go to.
        const int copies[] = {::fcntl(theirs.get(), F_DUPFD, 10), memory_ ? ::fcntl(memory_.get(), F_DUPFD, 10) : -1,
            ::fcntl(sums_.get(), F_DUPFD, 10)};
        const int places[] = {kChildSocket, kChildMemory, kChildSums};
        for (int index = 0; index < 3; ++index) {
            if (copies[index] < 0) continue;
            ::dup2(copies[index], places[index]);
            ::close(copies[index]);
        }
        std::vector<char *> words;
        for (std::string &word : arguments_) words.push_back(word.data());
        words.push_back(nullptr);
        words[1] = const_cast<char *>(role); // which execv(2) only reads
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::execv("/proc/self/exe", words.data());
        ::_exit(127);
    }
    child.process = Fd(static_cast<int>(check(::syscall(SYS_pidfd_open, child.pid, 0), "open the child")));
    return child;
}

Received Supervisor::hear(const Child &child) {
    std::array<std::byte, 1> byte;
    Received received = must(receive_message(child.socket.get(), byte));
    if (received.size != 1) die({ECHILD, 0, "start a child"});
    return received;
}

// Returns when it is warm.
Child Supervisor::make_worker() {
    Child child = start("worker");
    hear(child);
    std::printf("warm %d\n", child.pid);
    std::fflush(stdout);
    return child;
}

// One that has died isn't told, and its pidfd says so.
void Supervisor::tell(const Child &child) {
    const Go go = {info_.id, info_.queues};
    ::send(child.socket.get(), &go, sizeof go, MSG_NOSIGNAL);
}

void Supervisor::recover() {
    const auto start = Clock::now();
    ::waitpid(worker_->pid, nullptr, 0);
    must(control_.start_recovery(info_.id, -1));
    const auto quiet = Clock::now();
    tell(*spare_);
    // A spare that dies before it has attached is replaced like any other.
    if (const Result<void> ended = control_.end_recovery(info_.id, spare_->pid, spare_->process.get()); !ended) {
        worker_ = std::move(spare_);
        spare_ = make_worker();
        return recover();
    }
    const auto milliseconds = [&](Clock::time_point from, Clock::time_point to) {
        return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count());
    };
    worker_ = std::move(spare_);
    std::printf("recovered ublkb%d worker %d: let go after %ld ms, live after %ld ms\n", info_.id, worker_->pid,
        milliseconds(start, quiet), milliseconds(start, Clock::now()));
    std::fflush(stdout);
    spare_ = make_worker();
}

bool Supervisor::finish() {
    if (const Result<void> stopped = control_.try_stop(info_.id, -1); !stopped) {
        std::printf("%s\n", stopped.error().text().c_str());
        std::fflush(stdout);
        return false;
    }
    ::waitpid(worker_->pid, nullptr, 0);
    must(control_.remove(info_.id, -1));
    return true;
}

void Supervisor::run() {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
    const Fd signals(check(::signalfd(-1, &wanted, SFD_CLOEXEC), "wait for signals"));
    sums_ = Fd(check(::memfd_create("checksums", MFD_CLOEXEC), "make memory"));
    check(::ftruncate(sums_.get(), static_cast<off_t>(memory_size(options_) / kCheckedSize * 4)), "make memory");
    const Child maker = start("memory");
    memory_ = std::move(hear(maker).fds.at(0));
    ::waitpid(maker.pid, nullptr, 0);
    worker_ = make_worker();
    spare_ = make_worker();
    info_ = must(control_.add(static_cast<int>(std::strtol(options_.id.c_str(), nullptr, 10)),
        {number(options_.queues), number(options_.depth), number(options_.io_size)}));
    must(control_.set_parameters(
        info_.id, {must(parse_size(options_.size)), info_.io_size, options_.has_checksums ? kCheckedSize : kSector,
                      options_.is_read_only ? Mode::read_only : Mode::read_write}));
    tell(*worker_);
    const Result<void> started = control_.start(info_.id, worker_->pid, worker_->process.get());
    if (!started) must(control_.remove(info_.id, -1));
    must(started);
    std::printf("live ublkb%d worker %d\n", info_.id, worker_->pid);
    std::fflush(stdout);
    for (;;) {
        pollfd waits[] = {{signals.get(), POLLIN, 0}, {worker_->process.get(), POLLIN, 0}};
        if (::poll(waits, 2, -1) < 0) continue;
        signalfd_siginfo signal;
        if (waits[0].revents != 0 && ::read(signals.get(), &signal, sizeof signal) > 0 && finish()) return;
        if (waits[1].revents != 0) recover();
    }
}

int remove_device(const std::string &id) {
    Control control = must(Control::create());
    must(control.try_stop(static_cast<int>(std::strtol(id.c_str(), nullptr, 10)), -1));
    must(control.remove(static_cast<int>(std::strtol(id.c_str(), nullptr, 10)), -1));
    return 0;
}

int show_info(const std::string &id) {
    static const char *const kStates[] = {"dead", "live", "quiesced", "failing"};
    const Info info = must(must(Control::create()).info(static_cast<int>(std::strtol(id.c_str(), nullptr, 10))));
    std::printf("ublkb%d %s server %d queues %u depth %u io-size %zu %s\n", info.id,
        kStates[static_cast<unsigned>(info.state) % 4], info.server, info.queues, info.depth, info.io_size,
        info.is_ours ? "ours" : "another's");
    return 0;
}

int run(std::vector<std::string> arguments) {
    Options options;
    std::map<std::string, std::string *> values = {{"--id", &options.id}, {"--size", &options.size},
        {"--queues", &options.queues}, {"--depth", &options.depth}, {"--io-size", &options.io_size}};
    std::string role = arguments.size() > 1 ? arguments[1] : "";
    if (role == "info" && arguments.size() == 3) return show_info(arguments[2]);
    if (role == "remove" && arguments.size() == 3) return remove_device(arguments[2]);
    for (std::size_t index = 2; index < arguments.size(); ++index) {
        const auto found = values.find(arguments[index]);
        if (found != values.end() && index + 1 < arguments.size())
            *found->second = arguments[++index];
        else if (arguments[index] == "--checksums")
            options.has_checksums = true;
        else if (arguments[index] == "--read-only")
            options.is_read_only = true;
        else if (arguments[index] == "--worker-dies")
            options.worker_dies = true;
        else
            role = "";
    }
    if (role == "memory") return run_memory(options);
    if (role == "worker") return run_worker(options);
    if (role == "serve") return Supervisor(std::move(arguments), options).run(), 0;
    std::fprintf(stderr, "usage: ublk_device serve [OPTIONS] | info|remove N\n");
    return 2;
}

} // namespace
} // namespace gmemfs::block::ublk

int main(int count, char **words) { return gmemfs::block::ublk::run({words, words + count}); }
