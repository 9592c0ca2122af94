#include "block/process/worker.hpp"

#include "block/disk/thin_folder.hpp"
#include "block/process/control_socket.hpp"
#include "block/process/doors.hpp"
#include "block/process/lockdown.hpp"
#include "block/process/shared_memory.hpp"
#include "block/process/status.hpp"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <unistd.h>

namespace gmemfs::block {
namespace {

constexpr int kRetryMs = 1000;

/// What a worker does from being warm to its end.
class Service {
public:
    Service(int supervisor, const Setup &setup, int listener, Disk &disk, Door &door)
        : setup_(setup), listener_(listener), supervisor_(supervisor), disk_(disk), door_(door) {}

    // Until it is told to stop, or the door serves no more.
    Result<void> run() {
        for (;;) {
            const bool lacks_lease = supervisor_ < 0 && !session_ && !folder_;
            const bool takes_orders = disk_.parts() != nullptr && !lacks_lease;
            pollfd waits[] = {{supervisor_, POLLIN, 0}, {door_.ended(), POLLIN, 0},
                {control_ ? control_->get() : -1, POLLIN, 0}, {takes_orders ? disk_.parts()->orders() : -1, POLLIN, 0}};
            const int count = ::poll(waits, std::size(waits), lacks_lease ? kRetryMs : -1);
            if (count < 0 && errno != EINTR) return Error{errno, 0, "wait"};
            if (lacks_lease) take_lease();
            if (waits[1].revents != 0) return close();
            if (waits[2].revents != 0) answer_client();
            if (waits[3].revents != 0) do_order();
            if (waits[0].revents == 0) continue;
            const Result<void> heard = receive_signal(supervisor_, received_);
            if (!heard && !is_serving_) return heard; // nobody will ever tell this one to serve
            if (!heard)
                become_orphan();
            else if (received_.signal.kind == Signal::Kind::stop)
                return close();
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
        if (signal.kind == Signal::Kind::part) return add_part(signal);
        if (disk_.parts() != nullptr && signal.kind == Signal::Kind::drop) disk_.parts()->drop(signal.index);
        if (disk_.parts() != nullptr && signal.kind == Signal::Kind::refused)
            disk_.parts()->refuse(signal.index, signal.code);
        if (signal.kind != Signal::Kind::serve && signal.kind != Signal::Kind::take_over) return {};
        TRY(door_.open(signal.kind, std::span(received_.fds).first(received_.fd_count)));
        is_serving_ = true;
        (void)send_signal(supervisor_, make_signal(Signal::Kind::serving)); // one that has died is noticed by run()
        if (disk_.parts() != nullptr) disk_.parts()->begin_serving();
        return {};
    }

    Result<void> close() {
        if (disk_.parts() != nullptr) disk_.parts()->end_waiting();
        return door_.close();
    }

    // A spare that can't map it is of no use. A worker can serve the rest; also where the supervisor died in between.
    Result<void> add_part(const Signal &signal) {
        const Result<void> added = map_part(signal);
        if (added || !is_serving_) return added;
        ::syslog(LOG_ERR, "%s: %s", setup_.plan.file.c_str(), added.error().text().c_str());
        if (disk_.parts() != nullptr && signal.index < disk_.parts()->count()) disk_.parts()->refuse(signal.index, EIO);
        return {};
    }

    Result<void> map_part(const Signal &signal) {
        client::Attached part = TRY(receive_part(supervisor_, static_cast<std::size_t>(signal.code)));
        if (disk_.parts() != nullptr && signal.index < disk_.parts()->count())
            return disk_.add_part(signal.index, part);
        return Error{EPROTO, 0, "map a part", "the supervisor is of another version"};
    }

    // One at a time, because this process's own take long, and lanes may go on giving them: others are heard between
    // two.
    void do_order() {
        const std::optional<Parts::Order> order = disk_.parts()->next_order();
        if (!order) return;
        if (order->kind == Parts::Order::Kind::late) {
            ::syslog(
                LOG_ERR, "%s: first writes fail, because the mount's server gives no answer", setup_.plan.file.c_str());
        } else if (folder_) {
            const Result<void> done = fulfil(*folder_, *order, disk_);
            if (!done) ::syslog(LOG_ERR, "%s: %s", setup_.plan.file.c_str(), done.error().text().c_str());
        } else {
            const bool is_wanted = order->kind == Parts::Order::Kind::make;
            const Signal::Kind kind = is_wanted ? Signal::Kind::wanted : Signal::Kind::unused;
            (void)send_signal(supervisor_, make_part_signal(kind, order->index, 0)); // it has died: noticed above
        }
    }

    // The supervisor's lease has ended with it. Without one the file could be moved or packed while it is served here.
    // A server that is just being replaced is asked again.
    void take_lease() {
        if (disk_.parts() != nullptr) return take_folder();
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

    // What the supervisor was about to make, or to remove, goes, and what lanes wait for is made here.
    void take_folder() {
        Result<ThinFolder> folder = ThinFolder::open(setup_.plan.file, setup_.plan.mode);
        if (!folder || !folder->lock()) return;
        const Result<std::vector<std::uint32_t>> found = folder->list();
        if (!found) return;
        for (const std::uint32_t index : *found) {
            if (disk_.parts()->has(index))
                (void)folder->attach(index); // without a lease it is served all the same
            else
                (void)folder->remove(index);
        }
        folder_.emplace(*std::move(folder));
        disk_.parts()->repeat_orders();
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
        told["shared_fd"] = setup_.shared.get();
        if (disk_.parts() != nullptr) told["allocated"] = disk_.parts()->mapped_count() * kPartSize;
        told["listener_fd"] = listener_;
        told["worker"] = {{"pid", ::getpid()}, {"state", "serving"}};
        return told.dump();
    }

    const Setup &setup_;
    const int listener_;
    int supervisor_; // -1: it has died
    Disk &disk_;
    Door &door_;
    ReceivedSignal received_ = {};
    bool is_serving_ = false;
    std::string name_;
    int number_ = -1;
    std::optional<ControlSocket> control_;
    std::optional<client::BrokerSession> session_; // of an orphan
    std::optional<ThinFolder> folder_;             // of an orphan whose disk is thin
};

Result<std::unique_ptr<Disk>> open_disk(Setup &setup, const SharedMemory &memory) {
    const Plan &plan = setup.plan;
    std::shared_ptr<const client::Devices> devices = TRY(client::open_devices(plan.driver));
    if (plan.parts == 0) return Disk::open(std::move(devices), setup.attached, plan.size, plan.mode, memory.sums());
    std::unique_ptr<Disk> disk =
        TRY(Disk::open_thin(std::move(devices), plan.device, plan.size, plan.mode, memory.sums(), memory.written()));
    for (auto &[index, part] : setup.parts) TRY(disk->add_part(index, part));
    return disk;
}

Result<void> serve(int supervisor) {
    Setup setup = TRY(receive_setup(supervisor));
    const Plan &plan = setup.plan;
    const SharedMemory memory = TRY(SharedMemory::map(setup.shared, plan));
    const std::unique_ptr<Disk> disk = TRY(open_disk(setup, memory));
    const int listener = setup.listener.get();
    const std::unique_ptr<Door> door = TRY(make_door(plan, *disk, std::move(setup.listener)));
    TRY(become_io_flusher(plan.locking));
    touch_stack();
    TRY(lock_memory(plan.locking));
    TRY(send_signal(supervisor, make_signal(Signal::Kind::warm)));
    return Service(supervisor, setup, listener, *disk, *door).run();
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
