#include "block/process/supervisor.hpp"

#include "block/process/lockdown.hpp"
#include "block/process/shared_memory.hpp"
#include "block/process/status.hpp"

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/resource.h>
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
constexpr seconds kAdoption(30); // for the mount's server, of a thin disk
constexpr int kPauseMs = 50;

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

// A descriptor for each part; workers inherit it.
void allow_many_files() {
    rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
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
    if (order.orphan.pid != 0) TRY(made->adopt());
    TRY(made->attach());
    TRY(made->make_shared());
    made->signals_ = TRY(make_signal_fd());
    if (made->folder_) made->maker_ = TRY(FolderThread::start(*std::exchange(made->folder_, std::nullopt)));
    made->device_ =
        TRY(make_device(made->setup_, order.socket_path, order.orphan.pid != 0 ? Origin::adopted : Origin::made));
    made->control_.emplace(TRY(ControlSocket::create()));
    if (Result<void> started = made->start(); !started) {
        (void)made->end();
        return Error(started.error());
    }
    return made;
}

Result<void> Supervisor::attach() {
    struct stat status = {};
    const bool is_folder = ::stat(order_.plan.file.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    TRY(is_folder ? attach_folder() : attach_file());
    if (order_.verify == Order::Verify::yes) setup_.plan.sums = setup_.plan.size / kCheckedSize;
    return {};
}

// The lease keeps the file's memory where it is for as long as this process lives; the descriptors serve each worker.
Result<void> Supervisor::attach_file() {
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

Result<void> Supervisor::attach_folder() {
    if (order_.plan.locking == Locking::required)
        return Error{ENOTSUP, 0, "swap to a thin disk",
            order_.plan.file + ": writing out mustn't ask the mount's server for memory: take a file"};
    allow_many_files();
    ThinFolder folder = TRY(ThinFolder::open(order_.plan.file, order_.plan.mode));
    Plan &plan = setup_.plan;
    plan.size = folder.size();
    plan.parts = folder.part_count();
    plan.driver = folder.driver();
    plan.device = folder.device();
    if (orphan_) TRY(end_orphan()); // which makes parts, and has the directory locked
    TRY(attach_parts(folder));
    folder_.emplace(std::move(folder));
    return {};
}

// Where an orphan was ended for it nobody serves the disk, so a server that is just being replaced is waited for.
Result<void> Supervisor::attach_parts(ThinFolder &folder) {
    const auto attach_all = [&]() -> Result<void> {
        TRY(folder.lock());
        for (const std::uint32_t index : TRY(folder.list()))
            setup_.parts.insert_or_assign(index, TRY(folder.attach(index)));
        return {};
    };
    const steady_clock::time_point end = steady_clock::now() + kAdoption;
    for (;;) {
        Result<void> attached = attach_all();
        if (attached || !orphan_ || steady_clock::now() >= end) return attached;
        (void)::poll(nullptr, 0, kPauseMs);
    }
}

Result<void> Supervisor::make_shared() {
    if (setup_.shared) return {}; // an orphan's
    setup_.shared = TRY(SharedMemory::make(setup_.plan));
    return mark_written();
}

// Of what is there when a device is made, nothing is known.
Result<void> Supervisor::mark_written() {
    if (setup_.plan.parts == 0) return {};
    const SharedMemory shared = TRY(SharedMemory::map(setup_.shared, setup_.plan));
    WrittenBlocks written(shared.written());
    for (const auto &[index, part] : setup_.parts)
        written.set(index, 0, std::min(kPartSize, setup_.plan.size - index * kPartSize));
    return {};
}

// The orphan serves until another worker is warm, unless its disk is thin. What only it holds is copied from it now.
Result<void> Supervisor::adopt() {
    const Order::Orphan &orphan = order_.orphan;
    orphan_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, orphan.pid, 0)));
    if (!orphan_) return Error{errno, 0, "adopt", "worker " + std::to_string(orphan.pid)};
    const auto copy = [&](int fd) { return Fd(static_cast<int>(::syscall(SYS_pidfd_getfd, orphan_.get(), fd, 0))); };
    if (orphan.shared >= 0 && !(setup_.shared = copy(orphan.shared))) return Error{errno, 0, "adopt", "its memory"};
    if (orphan.listener >= 0 && !(setup_.listener = copy(orphan.listener)))
        return Error{errno, 0, "adopt", "its socket"};
    return {};
}

Result<void> Supervisor::end_orphan() {
    (void)::syscall(SYS_pidfd_send_signal, orphan_.get(), SIGKILL, nullptr, 0);
    pollfd ended = {orphan_.get(), POLLIN, 0};
    while (::poll(&ended, 1, -1) < 0)
        if (errno != EINTR) return Error{errno, 0, "adopt", "wait for the worker's end"};
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
        TRY(end_orphan());
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
        {control_->get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}, {maker_ ? maker_->ready() : -1, POLLIN, 0}};
    const bool lacks_spare = !spare_ && order_.spare == Order::Spare::warm;
    const int count = ::poll(waits, std::size(waits), lacks_spare ? static_cast<int>(kRetry.count()) : -1);
    if (lacks_spare && steady_clock::now() >= next_spare_) start_spare();
    if (count < 0) return errno == EINTR ? Result<void>() : Error{errno, 0, "wait"};
    if (waits[0].revents != 0) return replace_worker();
    if (waits[1].revents != 0) {
        const Result<Signal> said = worker_->hear();
        if (said) look_at_part(*said);
        if (said) return {};
        const Result<void> replaced = replace_worker(); // it ends, or has ended
        last_error_ = said.error().text();
        report(order_.plan.file, "a worker: " + last_error_);
        return replaced;
    }
    if (waits[2].revents != 0 || waits[3].revents != 0) look_at_spare();
    if (waits[6].revents != 0) hand_parts_out();
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
    if (const Result<Signal> said = spare_->hear(); !said) lose_spare(said.error());
}

// The spare hears of it first. One that doesn't hear is replaced by one that begins with all parts.
void Supervisor::tell_spare(const Result<void> &told) {
    if (!told) lose_spare(told.error());
}

void Supervisor::look_at_part(const Signal &signal) {
    const std::uint32_t index = signal.index;
    if (index >= setup_.plan.parts) return; // a signal of another kind has 0, and means no part of a thin disk
    const auto found = setup_.parts.find(index);
    if (signal.kind == Signal::Kind::unused && found != setup_.parts.end()) {
        setup_.parts.erase(found);
        if (spare_) tell_spare(spare_->tell_of_part(Signal::Kind::drop, index, 0));
        maker_->push({Parts::Order::Kind::remove, index});
    }
    if (signal.kind != Signal::Kind::wanted) return;
    if (found != setup_.parts.end())
        (void)worker_->tell_part(index, found->second); // where it has died, that is noticed elsewhere; also below
    else if (asked_.insert(index).second)
        maker_->push({Parts::Order::Kind::make, index});
}

void Supervisor::hand_parts_out() {
    while (std::optional<FolderThread::Done> done = maker_->next_done()) {
        const auto [kind, index] = done->order;
        if (kind == Parts::Order::Kind::make) asked_.erase(index);
        if (done->error) {
            last_error_ = done->error->text();
            if (!has_refused_) report(order_.plan.file, last_error_);
            has_refused_ = true;
            if (kind == Parts::Order::Kind::make)
                (void)worker_->tell_of_part(Signal::Kind::refused, index, refusal_of(*done->error));
            continue;
        }
        if (kind != Parts::Order::Kind::make) continue;
        has_refused_ = false;
        const client::Attached &part = setup_.parts.insert_or_assign(index, std::move(done->part)).first->second;
        if (spare_) tell_spare(spare_->tell_part(index, part));
        (void)worker_->tell_part(index, part);
    }
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
    if (setup_.plan.parts != 0) told["allocated"] = setup_.parts.size() * kPartSize;
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
    maker_.reset(); // parts that are to go have gone then, and the directory is free
    return removed ? forgotten : removed;
}

} // namespace gmemfs::block
