#include "block/process/setup.hpp"

#include "block/process/signal.hpp"

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
    std::uint64_t size, sums, parts, allocated;
    std::array<char, PATH_MAX> driver, device, file;
};
constexpr std::size_t kExtentsPerPart = kPartSize / (2 * MiB); // at the most: that is the least of memory

Error broken() { return Error{EPROTO, 0, "receive what to serve", "the supervisor is of another version"}; }

Result<Received> receive(int socket, std::span<std::byte> bytes) {
    Received received = TRY(receive_message(socket, bytes));
    if (received.size == 0) return Error{ECONNRESET, 0, "receive what to serve", "the supervisor has gone"};
    if (received.lacks_fds)
        return Error{EMFILE, 0, "receive what to serve", "this process may open no more descriptors: raise ulimit -n"};
    if (received.size != bytes.size()) return broken();
    return received;
}

// A thin disk's parts as one list, with offsets of the disk.
struct Flat {
    std::vector<protocol::ExtentRecord> extents;
    std::vector<const Fd *> fds;
};

void add_to(Flat &flat, const client::Attached &attached, std::uint64_t start) {
    GMEMFS_ASSERT(attached.fds.size() == attached.extents.size());
    for (protocol::ExtentRecord extent : attached.extents) {
        extent.offset += start;
        flat.extents.push_back(extent);
    }
    for (const Fd &fd : attached.fds) flat.fds.push_back(&fd);
}

Head head_of(const Setup &setup, std::size_t extent_count) {
    const Plan &plan = setup.plan;
    Head head = {kMagic, plan.door, plan.mode, plan.locking, static_cast<std::uint8_t>(setup.listener ? 1 : 0),
        plan.queues, plan.depth, plan.io_size, plan.number, static_cast<std::uint32_t>(extent_count), plan.size,
        plan.sums, plan.parts, setup.attached.allocated, {}, {}, {}};
    plan.driver.copy(head.driver.data(), head.driver.size() - 1);
    plan.device.copy(head.device.data(), head.device.size() - 1);
    plan.file.copy(head.file.data(), head.file.size() - 1);
    return head;
}

bool is_sound(const Head &head, std::size_t fd_count) {
    const bool has_shared = head.sums != 0 || head.parts != 0;
    const std::size_t most = head.parts != 0 ? head.parts * kExtentsPerPart : kExtentsPerFileMax;
    return head.magic == kMagic && fd_count == std::size_t(has_shared ? 1 : 0) + (head.has_listener != 0 ? 1 : 0) &&
           head.extent_count <= most;
}

void add_extent(Setup &setup, const protocol::ExtentRecord &extent, Fd fd) {
    client::Attached *attached = &setup.attached;
    protocol::ExtentRecord placed = extent;
    if (setup.plan.parts != 0) {
        attached = &setup.parts[static_cast<std::uint32_t>(extent.offset / kPartSize)];
        placed.offset = extent.offset % kPartSize;
        attached->size = attached->allocated = placed.offset + extent.length;
    }
    attached->extents.push_back(placed);
    attached->fds.push_back(std::move(fd));
}

} // namespace

Result<void> send_setup(int socket, const Setup &setup) {
    Flat flat;
    add_to(flat, setup.attached, 0);
    for (const auto &[index, part] : setup.parts) add_to(flat, part, index * kPartSize);
    const Head head = head_of(setup, flat.extents.size());
    std::vector<const Fd *> fds;
    if (setup.shared) fds.push_back(&setup.shared);
    if (setup.listener) fds.push_back(&setup.listener);
    TRY(send_with_fds(socket, std::as_bytes(std::span(&head, 1)), fds));
    for (std::size_t first = 0; first < flat.extents.size(); first += protocol::kExtentsPerMessage) {
        const std::size_t count = std::min(flat.extents.size() - first, protocol::kExtentsPerMessage);
        TRY(send_with_fds(socket, std::as_bytes(std::span(flat.extents).subspan(first, count)),
            std::span(flat.fds).subspan(first, count)));
    }
    return {};
}

Result<Setup> receive_setup(int socket) {
    Head head = {};
    Received received = TRY(receive(socket, std::as_writable_bytes(std::span(&head, 1))));
    if (!is_sound(head, received.fds.size())) return broken();
    Setup setup;
    setup.plan = {head.door, head.mode, head.locking, head.queues, head.depth, head.io_size, head.number, head.size,
        head.sums, head.parts, std::string(head.driver.data()), std::string(head.device.data()),
        std::string(head.file.data())};
    auto fd = received.fds.begin();
    if (head.sums != 0 || head.parts != 0) setup.shared = std::move(*fd++);
    if (head.has_listener != 0) setup.listener = std::move(*fd++);
    setup.attached.size = head.size;
    setup.attached.allocated = head.allocated;
    std::vector<protocol::ExtentRecord> extents(std::min<std::size_t>(head.extent_count, protocol::kExtentsPerMessage));
    for (std::size_t left = head.extent_count; left != 0; left -= extents.size()) {
        extents.resize(std::min(left, extents.size()));
        received = TRY(receive(socket, std::as_writable_bytes(std::span(extents))));
        if (received.fds.size() != extents.size()) return broken();
        for (std::size_t index = 0; index < extents.size(); ++index)
            add_extent(setup, extents[index], std::move(received.fds[index]));
    }
    return setup;
}

// Two messages, which nothing comes between: one thread sends.
Result<void> send_part(int socket, std::uint32_t index, const client::Attached &part) {
    const int count = static_cast<int>(part.extents.size());
    TRY(try_send_signal(socket, make_part_signal(Signal::Kind::part, index, count)));
    std::vector<const Fd *> fds;
    for (const Fd &fd : part.fds) fds.push_back(&fd);
    return send_with_fds(socket, std::as_bytes(std::span(part.extents)), fds);
}

Result<client::Attached> receive_part(int socket, std::size_t extent_count) {
    if (extent_count == 0 || extent_count > kExtentsPerPart) return broken();
    client::Attached part;
    part.extents.resize(extent_count);
    Received received = TRY(receive(socket, std::as_writable_bytes(std::span(part.extents))));
    if (received.fds.size() != extent_count) return broken();
    part.fds = std::move(received.fds);
    part.size = part.allocated = part.extents.back().offset + part.extents.back().length;
    return part;
}

} // namespace gmemfs::block
