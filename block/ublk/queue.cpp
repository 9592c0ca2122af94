#include "block/ublk/queue.hpp"

#include <cstring>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gmemfs::block::ublk {
namespace {

std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

std::size_t descriptors_size(unsigned depth) { return round_up(depth * sizeof(Descriptor), page_size()); }

// Puts the calling thread's CAP_SYS_ADMIN aside. The kernel doesn't look for partitions of a device that a thread
// without it serves. Before Linux 7.0 it looks while it starts the device, and holds what recovery and removal need: a
// process that died then left a device that couldn't even be removed (seen with 6.12).
class WithoutAdmin {
public:
    WithoutAdmin() {
        if (::syscall(SYS_capget, &header_, before_) != 0) return;
        __user_cap_data_struct without[2] = {before_[0], before_[1]};
        without[0].effective &= ~(1U << CAP_SYS_ADMIN);
        is_aside_ = ::syscall(SYS_capset, &header_, without) == 0;
    }
    ~WithoutAdmin() {
        if (is_aside_) ::syscall(SYS_capset, &header_, before_);
    }
    WithoutAdmin(const WithoutAdmin &) = delete;
    WithoutAdmin &operator=(const WithoutAdmin &) = delete;

private:
    __user_cap_header_struct header_ = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct before_[2] = {};
    bool is_aside_ = false;
};

Error refused(unsigned index, int code) {
    const std::string queue = "queue " + std::to_string(index);
    if (code == EBUSY) return Error{code, 0, "serve a ublk device", queue + " is served by another thread already"};
    if (code == ENODEV) return Error{code, 0, "serve a ublk device", "it was stopped"};
    return Error{code, 0, "serve a ublk device", "the kernel refuses " + queue};
}

} // namespace

Result<Fd> open_channel(int id) {
    const std::string path = "/dev/ublkc" + std::to_string(id);
    for (int tries = 0;; ++tries) {
        Fd channel(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        if (channel) return channel;
        if (errno != EBUSY || tries == 5000) return Error{errno, 0, "open the ublk device", path};
        ::poll(nullptr, 0, 1); // a millisecond
    }
}

Queue::Queue(Disk &disk, Ring ring, Lane lane, unsigned depth, std::size_t io_size)
    : disk_(disk), lane_(std::move(lane)), ring_(std::move(ring)),
      depth_(depth), limits_{disk.size(), io_size, disk.checksums() != nullptr ? kCheckedSize : kSector} {
    batch_.reserve(depth);
    tags_.reserve(depth);
}

Queue::~Queue() {
    if (!descriptors_.empty())
        ::munmap(const_cast<Descriptor *>(descriptors_.data()), descriptors_size(depth_)); // as mmap(2) gave it
}

Result<std::unique_ptr<Queue>> Queue::create(Disk &disk, unsigned depth, std::size_t io_size) {
    GMEMFS_ASSERT(depth != 0 && depth <= kDepthMax);
    GMEMFS_ASSERT(io_size != 0 && io_size <= kIoSizeMax && io_size % page_size() == 0);
    // The kernel copies in the thread that serves, when it comes to wait: never in the middle of a batch.
    Ring ring =
        TRY(Ring::create(depth, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED));
    if (const int status = io_uring_register_files_sparse(ring.get(), 1); status < 0)
        return Error{-status, 0, "make an io_uring"};
    Lane lane = TRY(Lane::create(disk, depth * io_size));
    return std::unique_ptr<Queue>(new Queue(disk, std::move(ring), std::move(lane), depth, io_size));
}

Result<void> Queue::attach(int channel, unsigned index) {
    GMEMFS_ASSERT(descriptors_.empty());
    index_ = index;
    const std::size_t offset = index * descriptors_size(kDepthMax);
    void *const memory = ::mmap(
        nullptr, descriptors_size(depth_), PROT_READ, MAP_SHARED | MAP_POPULATE, channel, static_cast<off_t>(offset));
    if (memory == MAP_FAILED) return refused(index, errno);
    descriptors_ = {static_cast<const Descriptor *>(memory), depth_};
    // A command on a registered file takes no reference to it, so that queues don't contend for one count.
    if (const int status = io_uring_register_files_update(ring_.get(), 0, &channel, 1); status < 0)
        return refused(index, -status);
    return {};
}

void Queue::prepare(IoOperation operation, std::uint16_t tag, std::int32_t result) {
    io_uring_sqe *const sqe = io_uring_get_sqe(ring_.get());
    GMEMFS_ASSERT(sqe != nullptr); // a tag has one command at a time, and the ring has room for all tags
    std::memset(sqe, 0, sizeof *sqe);
    sqe->opcode = IORING_OP_URING_CMD;
    sqe->fd = 0; // of the registered files
    sqe->flags = IOSQE_FIXED_FILE;
    sqe->cmd_op = static_cast<std::uint32_t>(operation);
    sqe->user_data = tag;
    const IoCommand command = {
        static_cast<std::uint16_t>(index_), tag, result, reinterpret_cast<std::uintptr_t>(buffer(tag))};
    std::memcpy(sqe->cmd, &command, sizeof command);
}

Result<void> Queue::run() {
    GMEMFS_ASSERT(!descriptors_.empty());
    TRY(ring_.enable());
    for (unsigned tag = 0; tag < depth_; ++tag) prepare(IoOperation::fetch, static_cast<std::uint16_t>(tag), 0);
    {
        const WithoutAdmin without;
        if (const int status = io_uring_submit(ring_.get()); status < 0) return refused(index_, -status);
    }
    for (;;) {
        const int status = io_uring_submit_and_wait(ring_.get(), 1);
        if (status < 0 && status != -EINTR && status != -EAGAIN) return refused(index_, -status);
        if (TRY(gather()) == Came::end) return {};
        lane_.run(batch_);
        if (disk_.has_failed()) return Error{EIO, 0, "serve a ublk device", "the disk's device has failed"};
        for (std::size_t index = 0; index < batch_.size(); ++index) {
            const Request &request = batch_[index];
            // Of what is cleared no bytes are counted: it may be more than a result can say.
            const std::uint64_t done = has_bytes(request.kind) ? request.length : 0;
            prepare(IoOperation::commit_and_fetch, tags_[index],
                request.code != 0 ? -request.code : static_cast<std::int32_t>(done));
        }
    }
}

// Takes all completions; of what needs no disk, the answer is prepared at once.
Result<Queue::Came> Queue::gather() {
    batch_.clear();
    tags_.clear();
    Came came = Came::requests;
    int code = 0;
    io_uring_cqe *completion = nullptr;
    unsigned head = 0, count = 0;
    io_uring_for_each_cqe(ring_.get(), head, completion) {
        ++count;
        if (completion->res == kRequestCame)
            take(static_cast<std::uint16_t>(completion->user_data));
        else if (completion->res == kDeviceStopped)
            came = Came::end;
        else
            code = completion->res < 0 ? -completion->res : EPROTO;
    }
    io_uring_cq_advance(ring_.get(), count);
    if (came == Came::end) return came; // what has come besides is sent once more, or nobody waits for it
    if (code != 0) return refused(index_, code);
    return came;
}

void Queue::take(std::uint16_t tag) {
    const Descriptor descriptor = descriptors_[tag]; // once, because its memory is shared
    const Demand demand = read_descriptor(descriptor, buffer(tag), limits_);
    if (!demand.request) return prepare(IoOperation::commit_and_fetch, tag, -demand.code);
    batch_.push_back(*demand.request);
    tags_.push_back(tag);
}

} // namespace gmemfs::block::ublk
