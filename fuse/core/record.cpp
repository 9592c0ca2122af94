#include "fuse/core/record.hpp"

#include <cstring>

namespace gmemfs {
namespace {

// An item begins with one of these, in one byte. Numbers are little-endian; a text is its size in 4 bytes, and itself.
enum class Item : std::uint8_t {
    keeper = 1,      // nonce 8
    next_inode = 2,  // number 8
    inode = 3,       // number 8, mode 4, links 4, uid 4, gid 4, device number 8, times 6 x 8, placement 16, target text
    gone = 4,        // number 8
    entry = 5,       // directory 8, inode 8, cookie 8, name text
    no_entry = 6,    // directory 8, name text
    xattr = 7,       // number 8, name text, value text
    no_xattr = 8,    // number 8, name text
    size = 9,        // number 8, size 8
    layout = 10,     // number 8, size 8, kept 8, device 16, count 4, count x (extent 8, offset 8, length 8)
    done = 11,       // request 8
    parity = 12,     // number 8, 1 or 0: 1
    generation = 13, // number 8, generation 8
    flags = 14,      // number 8, flags 4
    linkable = 20,   // number 8
};

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
    VolumeState::Uuid uuid() {
        VolumeState::Uuid value = {};
        raw(value.data(), value.size());
        return value;
    }
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

// No bytes but what a record holds can make it allocate more than they say.
bool read_layout(Reader &reader, VolumeState &state) {
    VolumeState::Node &node = state.nodes[reader.number<std::uint64_t>()];
    node.size = reader.number<std::uint64_t>();
    node.kept = reader.number<std::uint64_t>();
    node.placement = reader.uuid();
    const auto count = reader.number<std::uint32_t>();
    if (!reader.has(std::uint64_t(count) * 3 * sizeof(std::uint64_t))) return false;
    node.pieces.clear();
    node.pieces.reserve(count);
    for (std::uint32_t index = 0; index < count; ++index) {
        const auto extent = reader.number<std::uint64_t>();
        const auto offset = reader.number<std::uint64_t>();
        node.pieces.push_back({extent, offset, reader.number<std::uint64_t>()});
    }
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
    if (S_ISDIR(node.mode)) node.placement = placement; // a file's is its layout's
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
        state.nodes[id].has_parity = reader.number<std::uint8_t>() != 0;
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
    }
    return false;
}

} // namespace

Result<void> apply_record(std::span<const std::byte> record, VolumeState &state) {
    Reader reader(record);
    while (!reader.is_at_end())
        if (!read_item(static_cast<Item>(reader.number<std::uint8_t>()), reader, state) || reader.has_failed())
            return malformed();
    return {};
}

void RecordWriter::raw(const void *from, std::size_t size) {
    const auto *const first = static_cast<const std::byte *>(from);
    bytes_.insert(bytes_.end(), first, first + size);
}

void RecordWriter::number(std::uint64_t value, unsigned size) { raw(&value, size); } // little-endian machines alone

void RecordWriter::text(std::string_view value) {
    number(value.size(), 4);
    raw(value.data(), value.size());
}

void RecordWriter::keeper(std::uint64_t nonce) {
    number(unsigned(Item::keeper), 1);
    number(nonce, 8);
}

void RecordWriter::next_inode(InodeId next) {
    number(unsigned(Item::next_inode), 1);
    number(next, 8);
}

void RecordWriter::inode(const Inode &inode) {
    const Attributes now = inode.attributes();
    const Device *const placement = inode.placement();
    VolumeState::Node node;
    node.mode = now.mode;
    node.links = now.links;
    node.uid = now.uid;
    node.gid = now.gid;
    node.device_number = now.device_number;
    node.times = {now.accessed.tv_sec, now.accessed.tv_nsec, now.modified.tv_sec, now.modified.tv_nsec,
        now.changed.tv_sec, now.changed.tv_nsec};
    if (placement != nullptr) node.placement = placement->info().uuid;
    node.target = inode.target();
    node.has_parity = inode.has_parity();
    node.flags = inode.flags();
    this->inode(inode.id(), node);
}

void RecordWriter::inode(InodeId id, const VolumeState::Node &node) {
    number(unsigned(Item::inode), 1);
    number(id, 8);
    for (const std::uint32_t value : {node.mode, node.links, node.uid, node.gid}) number(value, 4);
    number(node.device_number, 8);
    raw(node.times.data(), sizeof node.times);
    raw(node.placement.data(), node.placement.size());
    text(node.target);
    if (node.has_parity) parity(id, true);
    if (node.flags != 0) flags(id, node.flags);
    if (node.is_linkable) linkable(id);
}

void RecordWriter::new_inode(const Inode &inode) {
    this->inode(inode);
    for (const std::string &name : inode.xattr_names()) xattr(inode, name);
}

void RecordWriter::parity(InodeId id, bool on) {
    number(unsigned(Item::parity), 1);
    number(id, 8);
    number(on ? 1 : 0, 1);
}

void RecordWriter::flags(InodeId id, std::uint32_t flags) {
    number(unsigned(Item::flags), 1);
    number(id, 8);
    number(flags, 4);
}

void RecordWriter::linkable(InodeId id) {
    number(unsigned(Item::linkable), 1);
    number(id, 8);
}

void RecordWriter::generation(InodeId id, std::uint64_t generation) {
    number(unsigned(Item::generation), 1);
    number(id, 8);
    number(generation, 8);
}

void RecordWriter::gone(InodeId id) {
    number(unsigned(Item::gone), 1);
    number(id, 8);
}

void RecordWriter::entry(InodeId directory, std::string_view name, InodeId inode, std::uint64_t cookie) {
    number(unsigned(Item::entry), 1);
    for (const std::uint64_t value : {directory, inode, cookie}) number(value, 8);
    text(name);
}

void RecordWriter::no_entry(InodeId directory, std::string_view name) {
    number(unsigned(Item::no_entry), 1);
    number(directory, 8);
    text(name);
}

void RecordWriter::xattr(InodeId id, std::string_view name, std::string_view value) {
    number(unsigned(Item::xattr), 1);
    number(id, 8);
    text(name);
    text(value);
}

void RecordWriter::no_xattr(InodeId id, std::string_view name) {
    number(unsigned(Item::no_xattr), 1);
    number(id, 8);
    text(name);
}

void RecordWriter::xattr(const Inode &inode, std::string_view name) {
    const Result<std::string> value = inode.xattr(name);
    if (value)
        xattr(inode.id(), name, *value);
    else
        no_xattr(inode.id(), name);
}

void RecordWriter::done(std::uint64_t request) {
    number(unsigned(Item::done), 1);
    number(request, 8);
}

void RecordWriter::size(InodeId id, std::uint64_t size) {
    number(unsigned(Item::size), 1);
    number(id, 8);
    number(size, 8);
}

void RecordWriter::layout(InodeId id, std::uint64_t size, std::uint64_t kept, const VolumeState::Uuid &device,
    std::span<const VolumeState::Piece> pieces) {
    number(unsigned(Item::layout), 1);
    for (const std::uint64_t value : {id, size, kept}) number(value, 8);
    raw(device.data(), device.size());
    number(pieces.size(), 4);
    for (const VolumeState::Piece &piece : pieces)
        for (const std::uint64_t value : {piece.extent, piece.offset, piece.length}) number(value, 8);
}

} // namespace gmemfs
