#include "fuse/core/journal/record.hpp"

#include "fuse/core/journal/record_item.hpp"

#include <sys/stat.h>

namespace gmemfs {

using Item = RecordItem;

void RecordWriter::raw(const void *from, std::size_t size) {
    const auto *const first = static_cast<const std::byte *>(from);
    bytes_.insert(bytes_.end(), first, first + size);
}

void RecordWriter::number(std::uint64_t value, unsigned size) { raw(&value, size); } // little-endian machines alone

void RecordWriter::text(std::string_view value) {
    number(value.size(), 4);
    raw(value.data(), value.size());
}

void RecordWriter::keeper(std::uint64_t nonce) { begin(Item::keeper, nonce); }

void RecordWriter::next_inode(InodeId next) { begin(Item::next_inode, next); }

void RecordWriter::inode(InodeId id, const VolumeState::Node &node) {
    begin(Item::inode, id);
    for (const std::uint32_t value : {node.mode, node.links, node.uid, node.gid}) number(value, 4);
    number(node.device_number, 8);
    raw(node.times.data(), sizeof node.times);
    raw(node.placement.home.data(), node.placement.home.size());
    text(node.target);
    if (S_ISDIR(node.mode)) spread(id, node.placement); // a file's is its layout's
    if (node.protection != Protection::none) protection(id, node.protection);
    if (node.flags != 0) flags(id, node.flags);
    if (node.is_linkable) linkable(id);
}

// What the sixteen bytes of the home don't say.
void RecordWriter::spread(InodeId id, const VolumeState::Place &place) {
    if (place.others.empty() && !place.is_automatic) return;
    begin(Item::spread, id);
    number(place.is_automatic ? 1 : 0, 1);
    number(place.unit, 8);
    number(place.others.size(), 4);
    for (const VolumeState::Uuid &other : place.others) raw(other.data(), other.size());
}

void RecordWriter::protection(InodeId id, Protection protection) {
    begin(Item::parity, id);
    number(protection == Protection::parity ? 1 : 0, 1);
}

void RecordWriter::flags(InodeId id, std::uint32_t flags) {
    begin(Item::flags, id);
    number(flags, 4);
}

void RecordWriter::linkable(InodeId id) { begin(Item::linkable, id); }

void RecordWriter::generation(InodeId id, std::uint64_t generation) {
    begin(Item::generation, id);
    number(generation, 8);
}

void RecordWriter::gone(InodeId id) { begin(Item::gone, id); }

void RecordWriter::entry(InodeId directory, std::string_view name, InodeId inode, std::uint64_t cookie) {
    number(unsigned(Item::entry), 1);
    for (const std::uint64_t value : {directory, inode, cookie}) number(value, 8);
    text(name);
}

void RecordWriter::no_entry(InodeId directory, std::string_view name) {
    begin(Item::no_entry, directory);
    text(name);
}

void RecordWriter::xattr(InodeId id, std::string_view name, std::string_view value) {
    begin(Item::xattr, id);
    text(name);
    text(value);
}

void RecordWriter::no_xattr(InodeId id, std::string_view name) {
    begin(Item::no_xattr, id);
    text(name);
}

void RecordWriter::done(std::uint64_t request) { begin(Item::done, request); }

void RecordWriter::begin(RecordItem item, std::uint64_t id) {
    number(unsigned(item), 1);
    number(id, 8);
}

void RecordWriter::holder(std::uint64_t id, const VolumeState::Holder &holder) {
    begin(Item::holder, id);
    number(static_cast<std::uint32_t>(holder.pid), 4);
    for (const std::uint64_t value : {holder.start_time, holder.unanswered}) number(value, 8);
}

void RecordWriter::no_holder(std::uint64_t id) { begin(Item::no_holder, id); }
void RecordWriter::no_lease(std::uint64_t id) { begin(Item::no_lease, id); }
void RecordWriter::next_lease(std::uint64_t next) { begin(Item::next_lease, next); }

void RecordWriter::lease(std::uint64_t id, const VolumeState::Lease &lease) {
    begin(Item::lease, id);
    for (const std::uint64_t value : {lease.holder, lease.inode}) number(value, 8);
    number(lease.kind, 1);
    number(lease.extents.size(), 4);
    for (const std::uint64_t extent : lease.extents) number(extent, 8);
}

void RecordWriter::ticket_secret(const Secret &secret) {
    number(unsigned(Item::ticket_secret), 1);
    raw(secret.data(), secret.size());
}

void RecordWriter::size(InodeId id, std::uint64_t size) {
    begin(Item::size, id);
    number(size, 8);
}

void RecordWriter::residence(InodeId id, Residence residence, std::uint32_t nvcomp, NamedHandle named_handle) {
    begin(Item::residence, id);
    number(nvcomp != 0 ? kPackedByNvcomp : static_cast<std::uint64_t>(residence), 1);
    number(static_cast<std::uint64_t>(named_handle), 1);
    if (nvcomp != 0) number(nvcomp, 4);
}

void RecordWriter::layout(InodeId id, std::uint64_t size, std::uint64_t kept, const VolumeState::Place &place,
    std::span<const VolumeState::Piece> pieces) {
    number(unsigned(Item::layout), 1);
    for (const std::uint64_t value : {id, size, kept}) number(value, 8);
    raw(place.home.data(), place.home.size());
    number(pieces.size(), 4);
    for (const VolumeState::Piece &piece : pieces)
        for (const std::uint64_t value : {piece.extent, piece.offset, piece.length}) number(value, 8);
    spread(id, place);
}

} // namespace gmemfs
