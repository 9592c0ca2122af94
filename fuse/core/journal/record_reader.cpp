// Record, read: what each item says is put into the state of a volume.
#include "fuse/core/journal/record.hpp"
#include "fuse/core/journal/record_item.hpp"

#include <algorithm>
#include <cstring>
#include <sys/stat.h>

namespace gmemfs {
namespace {

using Item = RecordItem;

Error malformed() { return Error{EBADMSG, 0, "read journal", "a record is malformed"}; }

class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}
    bool is_at_end() const { return left_.empty(); }
    bool has_failed() const { return failed_; } ///< something was read past the end: it was 0, or empty

    template <typename Number>
    Number number() {
        Number value = 0;
        raw(&value, sizeof value);
        return value;
    }
    std::string text() {
        const auto size = number<std::uint32_t>();
        if (size > left_.size()) return failed_ = true, std::string();
        std::string value(reinterpret_cast<const char *>(left_.data()), size);
        left_ = left_.subspan(size);
        return value;
    }
    template <typename Array>
    Array array() {
        Array value = {};
        raw(value.data(), value.size());
        return value;
    }
    VolumeState::Uuid uuid() { return array<VolumeState::Uuid>(); }
    bool has(std::uint64_t size) const { return size <= left_.size(); }

private:
    void raw(void *to, std::size_t size) {
        if (size > left_.size()) {
            failed_ = true;
            left_ = {};
            return;
        }
        std::memcpy(to, left_.data(), size);
        left_ = left_.subspan(size);
    }
    std::span<const std::byte> left_;
    bool failed_ = false;
};

// A count in a record makes the reader allocate no more than the record has bytes for.
bool read_layout(Reader &reader, VolumeState &state) {
    VolumeState::Node &node = state.nodes[reader.number<std::uint64_t>()];
    node.size = reader.number<std::uint64_t>();
    node.kept = reader.number<std::uint64_t>();
    node.placement = {reader.uuid(), {}, 0, false};
    const auto count = reader.number<std::uint32_t>();
    if (!reader.has(std::uint64_t(count) * 3 * sizeof(std::uint64_t))) return false;
    node.residence = Residence::plain;
    node.nvcomp = 0;
    node.named_handle = NamedHandle::none;
    node.pieces.clear();
    node.pieces.reserve(count);
    for (std::uint32_t index = 0; index < count; ++index) {
        const auto extent = reader.number<std::uint64_t>();
        const auto offset = reader.number<std::uint64_t>();
        node.pieces.push_back({extent, offset, reader.number<std::uint64_t>()});
    }
    return true;
}

bool read_spread(Reader &reader, VolumeState &state) {
    VolumeState::Place &place = state.nodes[reader.number<std::uint64_t>()].placement;
    place.is_automatic = reader.number<std::uint8_t>() != 0;
    place.unit = reader.number<std::uint64_t>();
    place.others.clear();
    const auto count = reader.number<std::uint32_t>();
    if (!reader.has(std::uint64_t(count) * sizeof(VolumeState::Uuid))) return false;
    for (std::uint32_t index = 0; index < count; ++index) place.others.push_back(reader.uuid());
    return true;
}

bool read_residence(Reader &reader, VolumeState &state) {
    VolumeState::Node &node = state.nodes[reader.number<std::uint64_t>()];
    const auto residence = reader.number<std::uint8_t>();
    if (residence > kPackedByNvcomp) return false;
    node.residence = residence == 0 ? Residence::plain : Residence::packed;
    node.named_handle = reader.number<std::uint8_t>() != 0 ? NamedHandle::given : NamedHandle::none;
    node.nvcomp = residence == kPackedByNvcomp ? reader.number<std::uint32_t>() : 0;
    return true;
}

void read_inode(Reader &reader, VolumeState &state) {
    const auto id = reader.number<std::uint64_t>();
    VolumeState::Node &node = state.nodes[id];
    if (id >= state.next_inode) state.next_inode = id + 1;
    node.mode = reader.number<std::uint32_t>();
    node.links = reader.number<std::uint32_t>();
    if (node.links != 0) node.is_linkable = false;
    node.uid = reader.number<std::uint32_t>();
    node.gid = reader.number<std::uint32_t>();
    node.device_number = reader.number<std::uint64_t>();
    for (std::int64_t &time : node.times) time = reader.number<std::int64_t>();
    const VolumeState::Uuid placement = reader.uuid();
    if (S_ISDIR(node.mode)) node.placement = {placement, {}, 0, false}; // a file's is its layout's
    node.target = reader.text();
}

void read_name(Item item, Reader &reader, VolumeState &state) {
    auto &names = state.directories[reader.number<std::uint64_t>()];
    if (item == Item::no_entry) {
        names.erase(reader.text());
        return;
    }
    const auto inode = reader.number<std::uint64_t>();
    const auto cookie = reader.number<std::uint64_t>();
    names[reader.text()] = {inode, cookie};
}

// False: no such number was ever given.
bool know_number(std::uint64_t number, VolumeState &state) {
    constexpr std::uint64_t kEnd = std::uint64_t(1) << 60;
    if (number == 0 || number >= kEnd) return false;
    state.next_lease = std::max(state.next_lease, number + 1);
    return true;
}

bool read_lease(Reader &reader, VolumeState &state) {
    const auto id = reader.number<std::uint64_t>();
    VolumeState::Lease lease;
    lease.holder = reader.number<std::uint64_t>();
    lease.inode = reader.number<std::uint64_t>();
    lease.kind = reader.number<std::uint8_t>();
    const auto count = reader.number<std::uint32_t>();
    if (!reader.has(std::uint64_t(count) * sizeof(std::uint64_t))) return false;
    for (std::uint32_t index = 0; index < count; ++index) lease.extents.push_back(reader.number<std::uint64_t>());
    if (!know_number(id, state)) return false;
    state.leases[id] = std::move(lease);
    return true;
}

// What is recorded of peers.
bool read_peer_item(Item item, Reader &reader, VolumeState &state) {
    switch (item) {
    case Item::ticket_secret: state.ticket_secret = reader.array<Secret>(); return true;
    case Item::next_lease: return know_number(reader.number<std::uint64_t>() - 1, state);
    case Item::lease: return read_lease(reader, state);
    case Item::no_lease: state.leases.erase(reader.number<std::uint64_t>()); return true;
    case Item::holder: {
        const auto id = reader.number<std::uint64_t>();
        if (!know_number(id, state)) return false;
        VolumeState::Holder &holder = state.holders[id];
        holder.pid = reader.number<std::int32_t>();
        holder.start_time = reader.number<std::uint64_t>();
        holder.unanswered = reader.number<std::uint64_t>();
        return true;
    }
    case Item::no_holder: {
        const auto id = reader.number<std::uint64_t>();
        state.holders.erase(id);
        std::erase_if(state.leases, [id](const auto &lease) { return lease.second.holder == id; });
        return true;
    }
    default: return false;
    }
}

bool read_item(Item item, Reader &reader, VolumeState &state) {
    switch (item) {
    case Item::keeper: state.keeper_nonce = reader.number<std::uint64_t>(); return true;
    case Item::next_inode: state.next_inode = reader.number<std::uint64_t>(); return true;
    case Item::inode: read_inode(reader, state); return true;
    case Item::gone: {
        const auto id = reader.number<std::uint64_t>();
        state.nodes.erase(id);
        state.directories.erase(id);
        return true;
    }
    case Item::entry:
    case Item::no_entry: read_name(item, reader, state); return true;
    case Item::xattr: {
        auto &xattrs = state.nodes[reader.number<std::uint64_t>()].xattrs;
        const std::string name = reader.text();
        xattrs[name] = reader.text();
        return true;
    }
    case Item::no_xattr: state.nodes[reader.number<std::uint64_t>()].xattrs.erase(reader.text()); return true;
    case Item::size: {
        const auto id = reader.number<std::uint64_t>();
        state.nodes[id].size = reader.number<std::uint64_t>();
        return true;
    }
    case Item::parity: {
        const auto id = reader.number<std::uint64_t>();
        state.nodes[id].protection = reader.number<std::uint8_t>() != 0 ? Protection::parity : Protection::none;
        return true;
    }
    case Item::generation: {
        const auto id = reader.number<std::uint64_t>();
        state.nodes[id].generation = reader.number<std::uint64_t>();
        return true;
    }
    case Item::flags: {
        const auto id = reader.number<std::uint64_t>();
        state.nodes[id].flags = reader.number<std::uint32_t>();
        return true;
    }
    case Item::linkable: state.nodes[reader.number<std::uint64_t>()].is_linkable = true; return true;
    case Item::layout: return read_layout(reader, state);
    case Item::spread: return read_spread(reader, state);
    case Item::residence: return read_residence(reader, state);
    case Item::done: {
        const auto request = reader.number<std::uint64_t>();
        if (request == 0) // a new mount, whose kernel counts from the beginning again
            state.done.clear();
        else
            state.done.insert(request);
        if (state.done.size() > VolumeState::kDoneMax)
            state.done.erase(state.done.begin()); // the kernel counts upwards
        return true;
    }
    default: return read_peer_item(item, reader, state);
    }
}

} // namespace

Result<void> apply_record(std::span<const std::byte> record, VolumeState &state) {
    Reader reader(record);
    while (!reader.is_at_end())
        if (!read_item(static_cast<Item>(reader.number<std::uint8_t>()), reader, state) || reader.has_failed())
            return malformed();
    return {};
}

} // namespace gmemfs
