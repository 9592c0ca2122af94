#include "block/process/worker.hpp"

#include "block/process/control_socket.hpp"
#include "block/process/doors.hpp"
#include "block/process/lockdown.hpp"
#include "block/process/status.hpp"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <unistd.h>

namespace gmemfs::block {
namespace {

constexpr int kRetryMs = 1000;

/// Owner of a shared mapping of the checksums.
class SumsMemory {
public:
    static Result<SumsMemory> map(const Fd &fd, std::uint64_t count) {
        if (count == 0) return SumsMemory({});
        void *const start =
            ::mmap(nullptr, count * sizeof(std::uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        if (start == MAP_FAILED) return Error{errno, 0, "map the checksums"};
        return SumsMemory({static_cast<std::uint32_t *>(start), count});
    }
    SumsMemory(SumsMemory &&other) noexcept : sums_(std::exchange(other.sums_, {})) {}
    SumsMemory &operator=(SumsMemory &&) = delete;
    SumsMemory(const SumsMemory &) = delete;
    SumsMemory &operator=(const SumsMemory &) = delete;
    ~SumsMemory() {
        if (!sums_.empty()) ::munmap(sums_.data(), sums_.size_bytes());
    }
    std::span<std::uint32_t> sums() const { return sums_; }

private:
    explicit SumsMemory(std::span<std::uint32_t> sums) : sums_(sums) {}
    std::span<std::uint32_t> sums_;
};

/// What a worker does from being warm to its end.
class Service {
public:
    Service(int supervisor, const Setup &setup, int listener, Door &door)
        : setup_(setup), listener_(listener), supervisor_(supervisor), door_(door) {}

    // Until it is told to stop, or the door serves no more.
    Result<void> run() {
        for (;;) {
            pollfd waits[] = {
                {supervisor_, POLLIN, 0}, {door_.ended(), POLLIN, 0}, {control_ ? control_->get() : -1, POLLIN, 0}};
            const bool lacks_lease = supervisor_ < 0 && !session_;
            const int count = ::poll(waits, std::size(waits), lacks_lease ? kRetryMs : -1);
            if (count < 0 && errno != EINTR) return Error{errno, 0, "wait"};
            if (lacks_lease) take_lease();
            if (waits[1].revents != 0) return door_.close();
            if (waits[2].revents != 0) answer_client();
            if (waits[0].revents == 0) continue;
            const Result<void> heard = receive_signal(supervisor_, received_);
            if (!heard && !is_serving_) return heard; // nobody will ever tell this one to serve
            if (!heard)
                become_orphan();
            else if (received_.signal.kind == Signal::Kind::stop)
                return door_.close();
            else
                TRY(obey());
        }
    }

private:
    Result<void> obey() {
        const Signal &signal = received_.signal;
        if (signal.kind == Signal::Kind::named) {
            name_ = signal.text.data();
            number_ = signal.code;
            door_.set_number(number_);
            return {};
        }
        TRY(door_.open(signal.kind, std::span(received_.fds).first(received_.fd_count)));
        is_serving_ = true;
        return send_signal(supervisor_, make_signal(Signal::Kind::serving));
    }

    // The supervisor's lease has ended with it. Without one the file could be moved or packed while it is served here.
    // A server that is just being replaced is asked again.
    void take_lease() {
        const Fd file(::open(setup_.plan.file.c_str(), O_RDWR | O_CLOEXEC));
        if (!file) return;
        Result<client::BrokerSession> session = client::BrokerSession::connect(file, setup_.plan.file);
        if (!session) return;
        const std::uint32_t lease = setup_.plan.mode == Mode::read_only ? 0 : protocol::kWriteLease;
        const Result<client::Attached> attached = session->attach(file, setup_.plan.file, protocol::kDescriptor, lease);
        if (!attached) return;
        session_.emplace(*std::move(session));
        const auto is_same = [](const protocol::ExtentRecord &one, const protocol::ExtentRecord &other) {
            return one.id == other.id;
        };
        if (!std::ranges::equal(attached->extents, setup_.attached.extents, is_same))
            ::syslog(LOG_ERR, "%s: it was given other memory when the supervisor died: what is written to %s is lost",
                setup_.plan.file.c_str(), name_.c_str());
    }

    // The supervisor has died. `gmemfs block --list` finds this worker by a socket of its own, and --adopt starts
    // another supervisor.
    void become_orphan() {
        supervisor_ = -1;
        ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); // which pidfd_getfd(2) needs where Yama restricts it
        take_lease();
        Result<ControlSocket> control = ControlSocket::create();
        if (control) control_.emplace(*std::move(control));
    }

    void answer_client() {
        const Result<ControlSocket::Call> call = control_->accept();
        if (!call) return;
        if (call->request == kStatus) return answer(call->client, status());
        answer(call->client, "its supervisor has died: gmemfs block --adopt " + name_);
    }

    std::string status() const {
        nlohmann::json told = describe(setup_.plan, name_, number_);
        told["supervisor"] = nullptr;
        told["sums_fd"] = setup_.sums.get();
        told["listener_fd"] = listener_;
        told["worker"] = {{"pid", ::getpid()}, {"state", "serving"}};
        return told.dump();
    }

    const Setup &setup_;
    const int listener_;
    int supervisor_; // -1: it has died
    Door &door_;
    ReceivedSignal received_ = {};
    bool is_serving_ = false;
    std::string name_;
    int number_ = -1;
    std::optional<ControlSocket> control_;
    std::optional<client::BrokerSession> session_; // of an orphan
};

Result<void> serve(int supervisor) {
    Setup setup = TRY(receive_setup(supervisor));
    const Plan &plan = setup.plan;
    const SumsMemory memory = TRY(SumsMemory::map(setup.sums, plan.sums));
    std::shared_ptr<const client::Devices> devices = TRY(client::open_devices(plan.driver));
    const std::unique_ptr<Disk> disk =
        TRY(Disk::open(std::move(devices), setup.attached, plan.size, plan.mode, memory.sums()));
    const int listener = setup.listener.get();
    const std::unique_ptr<Door> door = TRY(make_door(plan, *disk, std::move(setup.listener)));
    TRY(become_io_flusher(plan.locking));
    touch_stack();
    TRY(lock_memory(plan.locking));
    TRY(send_signal(supervisor, make_signal(Signal::Kind::warm)));
    return Service(supervisor, setup, listener, *door).run();
}

} // namespace

Result<void> run_worker(Fd supervisor) {
    std::signal(SIGINT, SIG_IGN); // a terminal's ^C is the supervisor's, which tells its workers
    std::signal(SIGTERM, SIG_IGN);
    prepare_memory();
    Result<void> served = serve(supervisor.get());
    if (!served) (void)send_signal(supervisor.get(), make_failure(served.error()));
    return served;
}

} // namespace gmemfs::block
