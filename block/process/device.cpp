#include "block/process/device.hpp"

#include "block/nbd/kernel.hpp"
#include "block/nbd/listener.hpp"
#include "block/ublk/control.hpp"

#include <algorithm>
#include <fcntl.h>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace gmemfs::block {
namespace {

class SocketDevice final : public BlockDevice {
public:
    explicit SocketDevice(std::string path) : path_(std::move(path)) {}
    std::string name() const override { return path_; }
    int number() const override { return -1; }
    Result<void> prepare(std::vector<Fd> &) override { return {}; }
    Result<void> appear() override { return {}; }
    Result<void> await_next() override { return {}; }
    Result<void> resume() override { return {}; }
    Result<void> check_unused() const override { return {}; } // its clients are told by the end of their connections
    Result<void> remove() override {
        ::unlink(path_.c_str());
        return {};
    }

private:
    const std::string path_;
};

class NbdDevice final : public BlockDevice {
public:
    NbdDevice(nbd::Kernel kernel, const Plan &plan) : kernel_(std::move(kernel)), plan_(plan), number_(plan.number) {
        ours_.reserve(plan.queues);
        fds_.reserve(plan.queues);
    }
    std::string name() const override { return "/dev/nbd" + std::to_string(number_); }
    int number() const override { return number_; }

    Result<void> prepare(std::vector<Fd> &sockets) override {
        ours_.clear();
        fds_.clear();
        for (std::uint32_t index = 0; index < plan_.queues; ++index) {
            int ends[2];
            if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
                return Error{errno, 0, "connect the device", "make a socket"};
            ours_.emplace_back(ends[0]);
            fds_.push_back(ends[0]);
            sockets.emplace_back(ends[1]);
        }
        return {};
    }

    Result<void> appear() override {
        const nbd::Export exported =
            nbd::describe(plan_.size, plan_.mode, plan_.sums != 0 ? nbd::Checked::yes : nbd::Checked::no);
        number_ = TRY(kernel_.connect(plan_.number, exported, kTimes, fds_));
        ours_.clear(); // the kernel has its own by now
        return write_patience();
    }
    Result<void> await_next() override { return {}; }

    // The kernel takes new sockets once it has noticed that the old ones are dead.
    Result<void> resume() override {
        Result<void> done;
        for (int tries = 0; tries < kTriesMax; ++tries) {
            done = kernel_.reconnect(number_, fds_);
            if (done || done.error().code != ENOSPC) break;
            (void)::poll(nullptr, 0, kPauseMs);
        }
        ours_.clear();
        return done;
    }
    Result<void> check_unused() const override { return check_unheld(name()); }
    Result<void> remove() override { return kernel_.disconnect(number_); }

private:
    // After so long a request is sent again, if its connection was replaced. With several connections the kernel also
    // drops the one that hasn't answered, although its worker lives, and sends the request by another (Linux 6.1 and
    // 6.12, nbd_xmit_timeout()); with one, and none of the driver's own timeout (Times::request), it only waits.
    Result<void> write_patience() const {
        const std::string path = "/sys/block/nbd" + std::to_string(number_) + "/queue/io_timeout";
        const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
        constexpr std::string_view kMilliseconds = "2000";
        if (file && ::write(file.get(), kMilliseconds.data(), kMilliseconds.size()) > 0) return {};
        return Error{errno, 0, "set up the device", path};
    }
    // The device waits for a worker for a year.
    static constexpr nbd::Kernel::Times kTimes = {std::chrono::seconds(0), std::chrono::hours(24 * 365)};
    static constexpr int kTriesMax = 1000, kPauseMs = 5;

    nbd::Kernel kernel_;
    const Plan plan_;
    int number_;
    std::vector<Fd> ours_; // the kernel's ends, until it has them
    std::vector<int> fds_;
};

class UblkDevice final : public BlockDevice {
public:
    UblkDevice(ublk::Control control, Fd timer, int number)
        : control_(std::move(control)), timer_(std::move(timer)), number_(number) {}
    std::string name() const override { return "/dev/ublkb" + std::to_string(number_); }
    int number() const override { return number_; }
    Result<void> prepare(std::vector<Fd> &) override { return {}; }
    Result<void> appear() override { return {}; } // its worker has started it
    Result<void> await_next() override { return control_.start_recovery(number_, -1); }
    Result<void> resume() override { return {}; }
    Result<void> check_unused() const override { return check_unheld(name()); }
    // A worker that hangs is killed afterwards, and then forget() needn't wait for it.
    Result<void> remove() override {
        constexpr itimerspec kPatience = {{0, 0}, {5, 0}};
        ::timerfd_settime(timer_.get(), 0, &kPatience, nullptr);
        return control_.stop(number_, timer_.get());
    }
    Result<void> forget() override { return control_.remove(number_, -1); }

private:
    ublk::Control control_;
    const Fd timer_;
    const int number_;
};

Result<std::unique_ptr<BlockDevice>> make_ublk_device(Plan &plan, Origin origin) {
    ublk::Control control = TRY(ublk::Control::create());
    ublk::Info info = {};
    if (origin == Origin::adopted) {
        info = TRY(control.info(plan.number));
    } else {
        info = TRY(control.add(plan.number, {plan.queues, plan.depth, plan.io_size}));
        const std::size_t block_size = plan.sums != 0 ? kCheckedSize : 512;
        const Result<void> set = control.set_parameters(info.id, {plan.size, info.io_size, block_size, plan.mode});
        if (!set) (void)control.remove(info.id, -1);
        TRY(set);
    }
    plan.number = info.id;
    plan.queues = info.queues;
    plan.depth = info.depth;
    plan.io_size = static_cast<std::uint32_t>(info.io_size);
    Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!timer) return Error{errno, 0, "make a timer"};
    return std::unique_ptr<BlockDevice>(std::make_unique<UblkDevice>(std::move(control), std::move(timer), info.id));
}

} // namespace

Result<void> check_unheld(const std::string &path) {
    const Fd device(::open(path.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    if (device || errno == ENOENT || errno == ENXIO) return {};
    if (errno != EBUSY) return Error{errno, 0, "look whether it is used", path};
    return Error{EBUSY, 0, "detach", path + ": it is mounted, swapped on, or in another device: end that first"};
}

Result<std::unique_ptr<BlockDevice>> make_device(Setup &setup, const std::string &socket_path, Origin origin) {
    Plan &plan = setup.plan;
    switch (plan.door) {
    case DoorKind::socket:
        if (!setup.listener) setup.listener = TRY(nbd::listen_at(socket_path)); // an orphan's is there already
        return std::unique_ptr<BlockDevice>(std::make_unique<SocketDevice>(socket_path));
    case DoorKind::nbd: {
        nbd::Kernel kernel = TRY(nbd::Kernel::create());
        return std::unique_ptr<BlockDevice>(std::make_unique<NbdDevice>(std::move(kernel), plan));
    }
    case DoorKind::ublk: return make_ublk_device(plan, origin);
    }
    return Error{EINVAL, 0, "make the device"};
}

} // namespace gmemfs::block
