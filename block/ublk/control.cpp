#include "block/ublk/control.hpp"

#include <bit>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <unistd.h>

namespace gmemfs::block::ublk {
namespace {

constexpr const char *kDriver = "/dev/ublk-control";
constexpr std::uint64_t kMark = 0x3073666d656d67; // "gmemfs0": how our devices are told from others'
constexpr std::uint64_t kNeeded = kUserRecovery | kUserRecoveryReissue;
constexpr std::uint64_t kOurCall = 1, kOurCancel = 2; // user_data
constexpr std::size_t kPhysicalBlock = 4096;
// One fill of the device: half a millisecond of an H200, for which other requests of its batch wait.
constexpr std::uint64_t kZeroMax = GiB;

std::string disk_name(int id) { return "ublkb" + std::to_string(id); }

Error failed(const char *doing, int id, int code) {
    const std::string name = id < 0 ? "" : disk_name(id);
    switch (code) {
    case EPERM:
    case EACCES: return {code, 0, doing, "only root may (CAP_SYS_ADMIN)"};
    case ENODEV: return {code, 0, doing, name + ": there is no such ublk device"};
    case ECANCELED: return {code, 0, doing, name + ": given up"};
    default: return {code, 0, doing, name};
    }
}

Error cannot_open(int code) {
    if (code == ENOENT || code == ENODEV || code == ENXIO)
        return {ENOENT, 0, "open the ublk driver",
            std::string("no ") + kDriver +
                ": as root, modprobe ublk_drv; where there is no such module, a kernel that has it is needed (Debian "
                "12's"
                " has none: take the one of bookworm-backports)"};
    if (code == EPERM || code == EACCES)
        return {code, 0, "open the ublk driver", std::string(kDriver) + ": only root may"};
    return {code, 0, "open the ublk driver", kDriver};
}

Error too_old() {
    return {ENOTSUP, 0, "use the ublk driver", "this kernel's is too old to recover devices: Linux 6.5 or later"};
}

Info info_of(const DeviceRecord &record) {
    return {static_cast<int>(record.device), static_cast<DeviceState>(record.state), record.server, record.queues,
        record.depth, record.io_size, record.mark == kMark};
}

Result<void> write_setting(int id, const char *name, const std::string &value) {
    const std::string path = "/sys/block/" + disk_name(id) + "/queue/" + name;
    const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), value.data(), value.size()) < 0)
        return Error{errno, 0, "set up the device", path + " = " + value};
    return {};
}

std::uint8_t shift_of(std::size_t size) { return static_cast<std::uint8_t>(std::countr_zero(size)); }

} // namespace

Result<Control> Control::create() {
    Fd driver(::open(kDriver, O_RDWR | O_CLOEXEC));
    if (!driver) return cannot_open(errno);
    Ring ring = TRY(Ring::create(4, IORING_SETUP_SQE128));
    Control control(std::move(driver), std::move(ring));
    const int code =
        control.call({ControlOperation::get_features, -1, 0, &control.features_, sizeof control.features_, -1});
    if (code == EPERM || code == EACCES) return failed("use the ublk driver", -1, code);
    if (code != 0 || (control.features_ & kNeeded) != kNeeded) return too_old();
    return control;
}

Result<Info> Control::add(int id, const Shape &shape) {
    GMEMFS_ASSERT(shape.queues != 0 && shape.depth >= kDepthMin && shape.depth <= kDepthMax);
    GMEMFS_ASSERT(shape.io_size != 0 && shape.io_size <= kIoSizeMax);
    DeviceRecord record = {};
    record.queues = static_cast<std::uint16_t>(shape.queues);
    record.depth = static_cast<std::uint16_t>(shape.depth);
    record.io_size = static_cast<std::uint32_t>(shape.io_size);
    record.device = static_cast<std::uint32_t>(id);
    record.flags = kNeeded;
    record.mark = kMark;
    const int code = call({ControlOperation::add, id, 0, &record, sizeof record, -1});
    if (code == EEXIST)
        return Error{code, 0, "add a ublk device", disk_name(id) + " is there already: choose another number, or none"};
    if (code != 0) return failed("add a ublk device", id, code);
    return info_of(record);
}

Result<void> Control::set_parameters(int id, const Geometry &geometry) {
    GMEMFS_ASSERT(geometry.block_size == kSector || geometry.block_size == kPhysicalBlock);
    Parameters parameters = {};
    parameters.size = sizeof parameters;
    parameters.types = kHasBasic | kHasDiscard;
    // No volatile cache: each answer says that the device has the bytes. So the kernel sends no flush, and no FUA.
    BasicParameters &basic = parameters.basic;
    basic.attributes = geometry.mode == Mode::read_only ? kReadOnlyDevice : 0;
    basic.logical_shift = shift_of(geometry.block_size);
    basic.physical_shift = basic.minimal_shift = basic.optimal_shift = shift_of(kPhysicalBlock);
    basic.sectors_max = static_cast<std::uint32_t>(geometry.io_size / kSector);
    basic.sectors = round_down(geometry.size, geometry.block_size) / kSector;
    DiscardParameters &discard = parameters.discard;
    discard.granularity = kPhysicalBlock;
    discard.sectors_max = discard.zero_sectors_max = kZeroMax / kSector;
    discard.segments_max = 1;
    const int code = call({ControlOperation::set_parameters, id, 0, &parameters, sizeof parameters, -1});
    if (code != 0) return failed("set up the device", id, code);
    return {};
}

Result<void> Control::start(int id, pid_t server, int until) {
    const Info before = TRY(info(id));
    const int code = call({ControlOperation::start, id, static_cast<std::uint64_t>(server), nullptr, 0, until});
    if (code == EEXIST) return Error{code, 0, "start the device", disk_name(id) + " was started before"};
    if (code != 0) return failed("start the device", id, code);
    // Device memory has no order that is better than another.
    TRY(write_setting(id, "scheduler", "none"));
    // One command of each queue always waits: Linux 6.12 notices a server's death by those that wait. Where all that a
    // queue holds was with the server, recovery began 29.6 s after its death; with one request less, after 0.04 s.
    return write_setting(id, "nr_requests", std::to_string(before.depth - 1));
}

Result<void> Control::start_recovery(int id, int until) {
    for (;;) {
        const int code = call({ControlOperation::start_recovery, id, 0, nullptr, 0, -1});
        if (code == 0) return {};
        // Nobody has attached a queue since the last time: the device is ready as it is.
        if (code == EINVAL && TRY(info(id)).state == DeviceState::quiesced) return {};
        if (code != EBUSY) return failed("recover the device", id, code);
        // The kernel hasn't let go of the server yet, and doesn't say when it has.
        pollfd wait = {until, POLLIN, 0};
        if (::poll(&wait, 1, 1) > 0) return failed("recover the device", id, ECANCELED);
    }
}

Result<void> Control::end_recovery(int id, pid_t server, int until) {
    const int code = call({ControlOperation::end_recovery, id, static_cast<std::uint64_t>(server), nullptr, 0, until});
    if (code != 0) return failed("recover the device", id, code);
    return {};
}

Result<void> Control::stop(int id, int until) {
    const int code = call({ControlOperation::stop, id, 0, nullptr, 0, until});
    if (code != 0) return failed("stop the device", id, code);
    return {};
}

Result<void> Control::try_stop(int id, int until) {
    const int code = call({ControlOperation::try_stop, id, 0, nullptr, 0, until});
    if (code == 0) return {};
    const Error busy = {EBUSY, 0, "stop the device", disk_name(id) + " is in use: umount it, or swapoff, first"};
    if (code == EBUSY) return busy;
    if (code != EOPNOTSUPP && code != EINVAL) return failed("stop the device", id, code);
    // This kernel lacks the command. Whoever mounts a device or swaps on it claims it, as O_EXCL does.
    const std::string path = "/dev/" + disk_name(id);
    const Fd claim(::open(path.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    if (!claim && errno == EBUSY) return busy;
    return stop(id, until); // one that isn't started has no such file
}

Result<void> Control::remove(int id, int until) {
    const int code = call({ControlOperation::remove, id, 0, nullptr, 0, until});
    if (code != 0) return failed("remove the device", id, code);
    return {};
}

Result<Info> Control::info(int id) {
    DeviceRecord record = {};
    const int code = call({ControlOperation::get_info, id, 0, &record, sizeof record, -1});
    if (code != 0) return failed("look at the device", id, code);
    return info_of(record);
}

// 0, or the errno.
int Control::call(const Call &call) {
    io_uring_sqe *const sqe = io_uring_get_sqe(ring_.get());
    GMEMFS_ASSERT(sqe != nullptr); // one call at a time
    std::memset(sqe, 0, 2 * sizeof *sqe);
    sqe->opcode = IORING_OP_URING_CMD;
    sqe->fd = driver_.get();
    sqe->cmd_op = static_cast<std::uint32_t>(call.operation);
    sqe->user_data = kOurCall;
    ControlCommand command = {};
    command.device = static_cast<std::uint32_t>(call.id);
    command.queue = kNoQueue;
    command.size = static_cast<std::uint16_t>(call.size);
    command.address = reinterpret_cast<std::uintptr_t>(call.bytes);
    command.value = call.value;
    std::memcpy(sqe->cmd, &command, sizeof command);
    if (const int status = io_uring_submit(ring_.get()); status < 0) return -status;
    return wait_for_answer(call.until);
}

int Control::wait_for_answer(int until) {
    for (;;) {
        io_uring_cqe *completion = nullptr;
        while (io_uring_peek_cqe(ring_.get(), &completion) == 0) {
            const io_uring_cqe completed = *completion;
            io_uring_cqe_seen(ring_.get(), completion);
            if (completed.user_data != kOurCall) continue; // of a cancellation
            return completed.res == -EINTR ? ECANCELED : completed.res < 0 ? -completed.res : 0;
        }
        pollfd waits[] = {{ring_.fd(), POLLIN, 0}, {until, POLLIN, 0}};
        ::poll(waits, 2, -1);
        if (waits[1].revents == 0) continue;
        cancel();
        until = -1; // once
    }
}

void Control::cancel() {
    io_uring_sqe *const sqe = io_uring_get_sqe(ring_.get());
    GMEMFS_ASSERT(sqe != nullptr);
    std::memset(sqe, 0, 2 * sizeof *sqe);
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = kOurCall;
    sqe->user_data = kOurCancel;
    io_uring_submit(ring_.get());
}

} // namespace gmemfs::block::ublk
