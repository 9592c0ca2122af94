// Record: one change of a volume as bytes, which is applied whole or not at all.
//
// A record is a list of items, each the new state of one thing. docs/formats.md describes the bytes.
#pragma once

#include "fuse/core/journal/volume_state.hpp"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace gmemfs {

enum class RecordItem : std::uint8_t;

/// Builds a record. An item says what is so now, not what was done, so applying it twice changes nothing. Not
/// thread-safe.
class RecordWriter {
public:
    void keeper(std::uint64_t nonce);
    void next_inode(InodeId next);                         ///< inode numbers below it aren't given again
    void inode(InodeId id, const VolumeState::Node &node); ///< not xattrs and layout
    void protection(InodeId id, Protection protection);    ///< inode() tells where there is one
    void flags(InodeId id, std::uint32_t flags);           ///< InodeFlags; inode() tells where there are any
    void linkable(InodeId id);                             ///< may get a first name; ends when it gets one
    void gone(InodeId id);                                 ///< nobody knows the inode any more
    void entry(InodeId directory, std::string_view name, InodeId inode, std::uint64_t cookie);
    void no_entry(InodeId directory, std::string_view name);
    void xattr(InodeId id, std::string_view name, std::string_view value);
    void no_xattr(InodeId id, std::string_view name);
    void holder(std::uint64_t id, const VolumeState::Holder &holder);
    void no_holder(std::uint64_t id); ///< nor any of its leases
    void lease(std::uint64_t id, const VolumeState::Lease &lease);
    void no_lease(std::uint64_t id);
    void next_lease(std::uint64_t next); ///< numbers below it aren't given again
    void ticket_secret(const Secret &secret);
    /// The kernel's number of the request that this change is for. 0: a new session begins, and no earlier number
    /// counts.
    void done(std::uint64_t request);
    void size(InodeId id, std::uint64_t size);
    void generation(InodeId id, std::uint64_t generation);
    void layout(InodeId id, std::uint64_t size, std::uint64_t kept, const VolumeState::Place &place,
        std::span<const VolumeState::Piece> pieces);
    /// After the layout, which says that the file is plain, and that nobody has a handle.
    void residence(InodeId id, Residence residence, std::uint32_t nvcomp, NamedHandle named_handle);

    std::span<const std::byte> bytes() const { return bytes_; }
    void clear() { bytes_.clear(); }

private:
    void spread(InodeId id, const VolumeState::Place &place);
    void begin(RecordItem item, std::uint64_t id);
    void number(std::uint64_t value, unsigned size);
    void text(std::string_view value);
    void raw(const void *from, std::size_t size);

    std::vector<std::byte> bytes_;
};

/// Applies a record to `state`. EBADMSG: `record` is none; `state` may have some of its items then.
Result<void> apply_record(std::span<const std::byte> record, VolumeState &state);

} // namespace gmemfs
