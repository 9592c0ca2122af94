#include "fuse/session/ring_source.hpp"

#include "fuse/host/log.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// One thread submits, and work for it is done when it comes to wait: never in the middle of a request.
Result<io_uring> make_ring(unsigned entries) {
    io_uring_params parameters = {};
    parameters.flags =
        IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED;
    io_uring ring = {};
    const int status = io_uring_queue_init_params(entries, &ring, &parameters);
    if (status == 0) return ring;
    const char *what_to_do = "io_uring_setup(2) has the reasons";
    if (status == -EPERM)
        what_to_do = "sysctl kernel.io_uring_disabled=0, as root; in a container its seccomp profile must allow it";
    if (status == -ENOSYS) what_to_do = "this kernel has no io_uring (CONFIG_IO_URING)";
    if (status == -ENOMEM) what_to_do = "more memory may have to be locked: ulimit -l unlimited";
    return Error{-status, 0, "make an io_uring", what_to_do};
}

// What the kernel says of every entry once the mount, or this ring, is at its end.
bool is_end(int result) { return result == -ENOTCONN || result == -ECONNABORTED || result == -ECANCELED; }

RingEntry &entry_of(const io_uring_cqe &completion) {
    return *reinterpret_cast<RingEntry *>(completion.user_data); // NOLINT(performance-no-int-to-ptr): prepare() set it
}

Error refused(const io_uring_cqe &completion) {
    const std::string processor = std::to_string(entry_of(completion).queue());
    return {-completion.res, 0, "serve by io_uring",
        "the kernel refuses the queue of processor " + processor + "; mount without io_uring"};
}

} // namespace

Result<void> check_rings(const char *parameter) {
    std::ifstream file(parameter);
    std::string value;
    if (!(file >> value))
        return Error{ENOTSUP, 0, "use io_uring",
            "this kernel has no FUSE over it: Linux 6.14 or later, built with CONFIG_FUSE_IO_URING"};
    if (value != "Y")
        return Error{ENOTSUP, 0, "use io_uring",
            "it is switched off for FUSE: as root, before the mount: echo Y > " + std::string(parameter)};
    io_uring ring = TRY(make_ring(1));
    io_uring_queue_exit(&ring);
    return {};
}

Result<std::unique_ptr<RequestSource>> RingSource::create(
    Device &device, Session &session, Handshake &handshake, const RingPlan &plan) {
    const io_uring ring = TRY(make_ring(static_cast<unsigned>(plan.queues.size())));
    std::unique_ptr<RingSource> source(new RingSource(ring, session, handshake, plan.processor));
    for (const unsigned queue : plan.queues)
        source->entries_.push_back(
            plan.is_idle ? RingEntry::create_unpinned(queue) : TRY(RingEntry::create(device, queue)));
    return std::unique_ptr<RequestSource>(std::move(source));
}

// Where that fails (a container's share of the processors), it is slower.
void RingSource::bind() const {
    if (!processor_) return;
    const std::size_t size = CPU_ALLOC_SIZE(*processor_ + 1);
    cpu_set_t *const set = CPU_ALLOC(*processor_ + 1);
    CPU_ZERO_S(size, set);
    CPU_SET_S(*processor_, size, set);
    ::pthread_setaffinity_np(::pthread_self(), size, set);
    CPU_FREE(set);
}

Result<bool> RingSource::begin() {
    if (!handshake_.wait_for_ring()) return false;
    ::pthread_setname_np(::pthread_self(), "ring worker");
    bind();
    // io_uring_enable_rings(), which liburing 2.3 declares and doesn't export. From here on this thread alone submits.
    if (::syscall(SYS_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) < 0)
        return Error{errno, 0, "begin with io_uring"};
    // A command on a registered file takes no reference to it.
    const int channel = session_.channel();
    if (const int status = io_uring_register_files(&ring_, &channel, 1); status < 0)
        return Error{-status, 0, "give the FUSE device to io_uring"};
    for (const auto &entry : entries_) prepare(*entry, Command::register_entry);
    if (const int status = io_uring_submit(&ring_); status < 0) return Error{-status, 0, "begin with io_uring"};
    // An entry that the kernel has taken completes with its first request; one that it refuses has done so already.
    io_uring_cqe *completion = nullptr;
    unsigned head = 0;
    io_uring_for_each_cqe(&ring_, head, completion) {
        if (completion->res < 0 && !is_end(completion->res)) return refused(*completion);
    }
    handshake_.ring_taken();
    return true;
}

void RingSource::prepare(RingEntry &entry, Command command) {
    io_uring_sqe *const sqe = io_uring_get_sqe(&ring_);
    GMEMFS_ASSERT(sqe != nullptr); // an entry has one command at a time, and the ring has room for all entries
    std::memset(sqe, 0, 2 * sizeof *sqe);
    sqe->opcode = IORING_OP_URING_CMD;
    sqe->fd = 0; // of the registered files
    sqe->flags = IOSQE_FIXED_FILE;
    sqe->cmd_op = static_cast<std::uint32_t>(command);
    if (command == Command::register_entry) {
        sqe->addr = reinterpret_cast<std::uint64_t>(entry.buffers());
        sqe->len = 2;
    }
    RingCommand what = {};
    what.commit_id = entry.headers().commit.commit_id;
    what.queue = static_cast<std::uint16_t>(entry.queue());
    std::memcpy(sqe->cmd, &what, sizeof what);
    io_uring_sqe_set_data(sqe, &entry);
}

Result<std::span<std::byte>> RingSource::receive() {
    if (session_.has_ended()) { // the last answer goes out all the same
        io_uring_submit(&ring_);
        return Error{ENODEV, 0, "receive request"};
    }
    const int status = io_uring_submit_and_wait(&ring_, 1);
    if (status < 0 && status != -EINTR && status != -EAGAIN) return Error{-status, 0, "wait for the ring"};
    io_uring_cqe *completion = nullptr;
    if (io_uring_peek_cqe(&ring_, &completion) != 0) return std::span<std::byte>();
    const io_uring_cqe completed = *completion;
    io_uring_cqe_seen(&ring_, completion);
    if (is_end(completed.res)) return Error{ENODEV, 0, "receive request"};
    if (completed.res < 0) return refused(completed);
    RingEntry &entry = entry_of(completed);
    const std::span<std::byte> request = TRY(entry.take_request());
    present_ = &entry;
    requests_.store(requests_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return request;
}

bool RingSource::answer(std::span<const iovec> parts) {
    if (present_ == nullptr || !present_->put_answer(parts)) return false;
    prepare(*present_, Command::commit_and_fetch);
    return true;
}

void RingSource::done() {
    if (present_->is_open()) { // a bug of ours; but no client is to wait for ever
        present_->put_error(EIO);
        prepare(*present_, Command::commit_and_fetch);
    }
    present_ = nullptr;
}

} // namespace gmemfs
