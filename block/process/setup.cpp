#include "block/process/setup.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <iterator>
#include <span>

namespace gmemfs::block {
namespace {

constexpr std::uint32_t kMagic = 0x47424c4b; // "GBLK"

// The first message; the extents' records follow, kExtentsPerMessage in each message.
struct Head {
    std::uint32_t magic;
    DoorKind door;
    Mode mode;
    Locking locking;
    std::uint8_t has_listener;
    std::uint32_t queues, depth, io_size;
    std::int32_t number;
    std::uint32_t extent_count;
    std::uint64_t size, sums, allocated;
    std::array<char, PATH_MAX> driver, file;
};

Error broken() { return Error{EPROTO, 0, "receive what to serve", "the supervisor is of another version"}; }

Result<Received> receive(int socket, std::span<std::byte> bytes) {
    Received received = TRY(receive_message(socket, bytes));
    if (received.size == 0) return Error{ECONNRESET, 0, "receive what to serve", "the supervisor has gone"};
    if (received.lacks_fds)
        return Error{EMFILE, 0, "receive what to serve", "this process may open no more descriptors: raise ulimit -n"};
    if (received.size != bytes.size()) return broken();
    return received;
}

Head head_of(const Setup &setup) {
    const Plan &plan = setup.plan;
    Head head = {kMagic, plan.door, plan.mode, plan.locking, static_cast<std::uint8_t>(setup.listener ? 1 : 0),
        plan.queues, plan.depth, plan.io_size, plan.number, static_cast<std::uint32_t>(setup.attached.extents.size()),
        plan.size, plan.sums, setup.attached.allocated, {}, {}};
    plan.driver.copy(head.driver.data(), head.driver.size() - 1);
    plan.file.copy(head.file.data(), head.file.size() - 1);
    return head;
}

} // namespace

Result<void> send_setup(int socket, const Setup &setup) {
    const Head head = head_of(setup);
    std::vector<const Fd *> fds;
    if (setup.sums) fds.push_back(&setup.sums);
    if (setup.listener) fds.push_back(&setup.listener);
    TRY(send_with_fds(socket, std::as_bytes(std::span(&head, 1)), fds));
    const std::vector<protocol::ExtentRecord> &extents = setup.attached.extents;
    GMEMFS_ASSERT(setup.attached.fds.size() == extents.size());
    for (std::size_t first = 0; first < extents.size(); first += protocol::kExtentsPerMessage) {
        const std::size_t count = std::min(extents.size() - first, protocol::kExtentsPerMessage);
        fds.clear();
        for (std::size_t index = first; index < first + count; ++index) fds.push_back(&setup.attached.fds[index]);
        TRY(send_with_fds(socket, std::as_bytes(std::span(extents).subspan(first, count)), fds));
    }
    return {};
}

Result<Setup> receive_setup(int socket) {
    Head head = {};
    Received received = TRY(receive(socket, std::as_writable_bytes(std::span(&head, 1))));
    const std::size_t expected = (head.sums != 0 ? 1 : 0) + (head.has_listener != 0 ? 1 : 0);
    if (head.magic != kMagic || received.fds.size() != expected || head.extent_count > kExtentsPerFileMax)
        return broken();
    Setup setup;
    setup.plan = {head.door, head.mode, head.locking, head.queues, head.depth, head.io_size, head.number, head.size,
        head.sums, std::string(head.driver.data()), std::string(head.file.data())};
    auto fd = received.fds.begin();
    if (head.sums != 0) setup.sums = std::move(*fd++);
    if (head.has_listener != 0) setup.listener = std::move(*fd++);
    client::Attached &attached = setup.attached;
    attached.size = head.size;
    attached.allocated = head.allocated;
    attached.extents.resize(head.extent_count);
    for (std::size_t first = 0; first < attached.extents.size(); first += protocol::kExtentsPerMessage) {
        const std::size_t count = std::min(attached.extents.size() - first, protocol::kExtentsPerMessage);
        received = TRY(receive(socket, std::as_writable_bytes(std::span(attached.extents).subspan(first, count))));
        if (received.fds.size() != count) return broken();
        std::move(received.fds.begin(), received.fds.end(), std::back_inserter(attached.fds));
    }
    return setup;
}

} // namespace gmemfs::block
