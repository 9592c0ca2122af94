#include "block/process/supervisor.hpp"

#include "block/process/lockdown.hpp"
#include "block/process/status.hpp"

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

namespace gmemfs::block {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr milliseconds kSoon(500); // a worker that ends sooner, at its first requests, can't serve
constexpr int kDeathsMax = 4;      // in a row: then none can
constexpr seconds kPatience(5);    // for a worker to end by itself
// After a take-over, and after a spare that could not be made: memory may be short.
constexpr milliseconds kRetry(500);

void report(const std::string &file, const std::string &what) {
    ::syslog(LOG_WARNING, "%s: %s", file.c_str(), what.c_str());
}

Result<Fd> make_signal_fd() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    Fd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return Error{errno, 0, "wait for signals"};
    return fd;
}

std::string to_text(Child::State state) {
    switch (state) {
    case Child::State::starting: return "starting";
    case Child::State::warm: return "warm";
    case Child::State::told:
    case Child::State::serving: break;
    }
    return "serving";
}

} // namespace

Result<std::unique_ptr<Supervisor>> Supervisor::create(const Order &order) {
    prepare_memory();
    std::unique_ptr<Supervisor> made(new Supervisor(order));
    made->setup_.plan = order.plan;
    TRY(made->attach());
    if (order.orphan.pid != 0) TRY(made->adopt());
    TRY(made->make_sums());
    made->signals_ = TRY(make_signal_fd());
    made->device_ =
        TRY(make_device(made->setup_, order.socket_path, order.orphan.pid != 0 ? Origin::adopted : Origin::made));
    made->control_.emplace(TRY(ControlSocket::create()));
    if (Result<void> started = made->start(); !started) {
        (void)made->end();
        return Error(started.error());
    }
    return made;
}

// The lease keeps the file's memory where it is for as long as this process lives; the descriptors serve each worker.
Result<void> Supervisor::attach() {
    const std::string &path = order_.plan.file;
    const bool is_read_only = order_.plan.mode == Mode::read_only;
    file_ = Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC)); // a lease takes both, also one to read
    if (!file_) return Error{errno, 0, "open file", path};
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0)
        return Error{errno == EWOULDBLOCK ? EBUSY : errno, 0, "serve file",
            path + ": it is a block device already: gmemfs block --list"};
    session_.emplace(TRY(client::BrokerSession::connect(file_, path)));
    setup_.plan.driver = TRY(client::read_attribute(file_, "user.gmemfs.driver"));
    setup_.attached =
        TRY(session_->attach(file_, path, protocol::kDescriptor, is_read_only ? 0 : protocol::kWriteLease));
    const bool is_any_size = order_.plan.door == DoorKind::socket && order_.verify == Order::Verify::no;
    setup_.plan.size = round_down(setup_.attached.size, is_any_size ? 1 : kCheckedSize);
    if (setup_.plan.size == 0)
        return Error{ENODATA, 0, "serve file", path + ": it has no whole block of 4 KiB: --size, or truncate(1)"};
    return {};
}

Result<void> Supervisor::make_sums() {
    if (order_.verify == Order::Verify::no) return {};
    setup_.plan.sums = setup_.plan.size / kCheckedSize;
    if (setup_.sums) return {}; // an orphan's
    setup_.sums = Fd(::memfd_create("gmemfs-block-sums", MFD_CLOEXEC));
    if (!setup_.sums) return Error{errno, 0, "make the checksums' memory"};
    const std::uint64_t size = setup_.plan.sums * sizeof(std::uint32_t);
    if (::ftruncate(setup_.sums.get(), static_cast<off_t>(size)) == 0) return {};
    return Error{errno, 0, "make the checksums' memory", format_size(size)};
}

// The orphan serves until another worker is warm. What only it holds is copied from it now.
Result<void> Supervisor::adopt() {
    const Order::Orphan &orphan = order_.orphan;
    orphan_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, orphan.pid, 0)));
    if (!orphan_) return Error{errno, 0, "adopt", "worker " + std::to_string(orphan.pid)};
    const auto copy = [&](int fd) { return Fd(static_cast<int>(::syscall(SYS_pidfd_getfd, orphan_.get(), fd, 0))); };
    if (orphan.sums >= 0 && !(setup_.sums = copy(orphan.sums))) return Error{errno, 0, "adopt", "its checksums"};
    if (orphan.listener >= 0 && !(setup_.listener = copy(orphan.listener)))
        return Error{errno, 0, "adopt", "its socket"};
    return {};
}

// So that they know it when this process is no more.
void Supervisor::tell_names() {
    for (std::optional<Child> *const child : {&worker_, &spare_})
        if (*child)
            (void)(*child)->tell_name(device_->name(), device_->number()); // one that has died is noticed elsewhere
}

Result<void> Supervisor::start() {
    sockets_.reserve(setup_.plan.queues);
    socket_fds_.reserve(setup_.plan.queues);
    worker_.emplace(TRY(Child::start(setup_)));
    TRY(wait_until(*worker_, Child::State::warm));
    TRY(become_io_flusher(order_.plan.locking));
    TRY(lock_memory(order_.plan.locking));
    if (orphan_) {
        (void)::syscall(SYS_pidfd_send_signal, orphan_.get(), SIGKILL, nullptr, 0);
        pollfd ended = {orphan_.get(), POLLIN, 0};
        while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {}
        TRY(device_->await_next());
    }
    TRY(serve_by(*worker_, orphan_ ? Signal::Kind::take_over : Signal::Kind::serve));
    TRY(wait_until(*worker_, Child::State::serving));
    TRY(orphan_ ? device_->resume() : device_->appear());
    tell_names();
    if (order_.spare == Order::Spare::none) return {};
    start_spare();
    if (!spare_) return Error{EIO, 0, "start the spare worker", last_error_};
    return wait_until(*spare_, Child::State::warm);
}

Result<void> Supervisor::wait_until(Child &child, Child::State state) {
    while (child.state() != state) {
        pollfd waits[] = {{child.socket(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
        if (::poll(waits, std::size(waits), -1) < 0 && errno != EINTR) return Error{errno, 0, "wait for the worker"};
        if (waits[1].revents != 0) return Error{EINTR, 0, "wait for the worker", "interrupted"};
        if (waits[0].revents != 0) TRY(child.hear());
    }
    return {};
}

Result<void> Supervisor::serve_by(Child &child, Signal::Kind how) {
    sockets_.clear();
    socket_fds_.clear();
    TRY(device_->prepare(sockets_));
    for (const Fd &socket : sockets_) socket_fds_.push_back(socket.get());
    const Result<void> told = child.tell(how, socket_fds_);
    told_ = steady_clock::now();
    sockets_.clear(); // the worker has them
    return told;
}

Result<void> Supervisor::run() {
    Result<void> done;
    while (done && !is_over_) done = step();
    if (!done) report(order_.plan.file, done.error().text());
    const Result<void> ended = end();
    return done ? ended : done;
}

Result<void> Supervisor::step() {
    const int worker = worker_->process(), heard = worker_->socket();
    const int spare = spare_ ? spare_->process() : -1, spare_heard = spare_ ? spare_->socket() : -1;
    pollfd waits[] = {{worker, POLLIN, 0}, {heard, POLLIN, 0}, {spare, POLLIN, 0}, {spare_heard, POLLIN, 0},
        {control_->get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    const bool lacks_spare = !spare_ && order_.spare == Order::Spare::warm;
    const int count = ::poll(waits, std::size(waits), lacks_spare ? static_cast<int>(kRetry.count()) : -1);
    if (lacks_spare && steady_clock::now() >= next_spare_) start_spare();
    if (count < 0) return errno == EINTR ? Result<void>() : Error{errno, 0, "wait"};
    if (waits[0].revents != 0) return replace_worker();
    if (waits[1].revents != 0) {
        const Result<void> said = worker_->hear();
        if (said) return {};
        const Result<void> replaced = replace_worker(); // it ends, or has ended
        last_error_ = said.error().text();
        report(order_.plan.file, "a worker: " + last_error_);
        return replaced;
    }
    if (waits[2].revents != 0 || waits[3].revents != 0) look_at_spare();
    if (waits[4].revents != 0) answer_client();
    if (waits[5].revents != 0 && !is_over_) {
        signalfd_siginfo unused = {};
        (void)!::read(signals_.get(), &unused, sizeof unused);
        const Result<void> is_unused = device_->check_unused();
        is_over_ = is_unused.has_value();
        if (!is_unused) report(order_.plan.file, is_unused.error().text());
    }
    return {};
}

// The kernel keeps requests until another worker takes over: nothing before that may wait for memory.
Result<void> Supervisor::replace_worker() {
    deaths_ = steady_clock::now() - told_ < kSoon ? deaths_ + 1 : 0;
    worker_->wait(milliseconds(0));
    if (deaths_ > kDeathsMax)
        return Error{EIO, 0, "serve the disk", order_.plan.file + ": its workers die one after the other"};
    TRY(device_->await_next());
    Result<void> warm = Error{EIO, 0, "start a worker"};
    for (int tries = 0; !warm && tries < kDeathsMax; ++tries) {
        if (!spare_) start_spare();
        if (spare_) warm = wait_until(*spare_, Child::State::warm);
        if (!warm) spare_.reset();
    }
    if (!warm) return Error{EIO, 0, "serve the disk", order_.plan.file + ": no worker starts: " + warm.error().text()};
    worker_ = std::move(spare_);
    spare_.reset();
    TRY(serve_by(*worker_, Signal::Kind::take_over));
    TRY(device_->resume());
    ++takeovers_;
    next_spare_ = steady_clock::now() + kRetry;
    return {};
}

void Supervisor::start_spare() {
    next_spare_ = steady_clock::now() + kRetry;
    Result<Child> child = Child::start(setup_);
    if (!child) return lose_spare(child.error());
    spare_.emplace(*std::move(child));
    tell_names();
}

void Supervisor::look_at_spare() {
    if (const Result<void> said = spare_->hear(); !said) lose_spare(said.error());
}

void Supervisor::lose_spare(const Error &why) {
    last_error_ = why.text();
    spare_.reset();
    report(order_.plan.file, "the spare worker: " + last_error_);
}

void Supervisor::answer_client() {
    const Result<ControlSocket::Call> call = control_->accept();
    if (!call) return;
    if (call->request == kStatus) return answer(call->client, status());
    if (call->request != kDetach) return answer(call->client, "the supervisor doesn't know this command");
    const Result<void> unused = device_->check_unused();
    is_over_ = unused.has_value();
    if (!unused) return answer(call->client, unused.error().detail);
    if (const Result<void> ended = end(); !ended) return answer(call->client, ended.error().text());
    answer(call->client, "ok");
}

std::string Supervisor::status() const {
    nlohmann::json told = describe(setup_.plan, device_->name(), device_->number());
    told["supervisor"] = ::getpid();
    told["worker"] = {{"pid", worker_->pid()}, {"state", to_text(worker_->state())}};
    told["takeovers"] = takeovers_;
    told["used"] = !device_->check_unused().has_value();
    if (spare_) told["spare"] = {{"pid", spare_->pid()}, {"state", to_text(spare_->state())}};
    if (!last_error_.empty()) told["last_error"] = last_error_;
    return told.dump();
}

Result<void> Supervisor::end() {
    if (!device_) return {};
    const Result<void> removed = device_->remove();
    for (std::optional<Child> *const child : {&worker_, &spare_}) {
        if (*child && (*child)->tell(Signal::Kind::stop)) (*child)->wait(kPatience);
        child->reset();
    }
    const Result<void> forgotten = device_->forget();
    device_.reset();
    return removed ? forgotten : removed;
}

} // namespace gmemfs::block
