// Volume, recorded and restored: what of a volume goes to the journal, and how a volume is made from one.
//
// Names are Namespace's, layouts File's; here are attributes. A write within a file records nothing. Its times are
// recorded when the file is closed or the server makes way for another one, and a crash loses them (docs/keeper.md).
#include "fuse/core/file/placement_record.hpp"
#include "fuse/core/journal/journal.hpp"
#include "fuse/core/names/inode_record.hpp"
#include "fuse/core/volume.hpp"

#include <algorithm>
#include <unordered_map>

namespace gmemfs {
namespace {

// The extents of a journal's files, mapped here; the keeper keeps them when this goes without being committed.
class Adopted {
public:
    Adopted() = default;
    Adopted(const Adopted &) = delete;
    Adopted &operator=(const Adopted &) = delete;
    ~Adopted() {
        for (const auto &[id, extent] : extents_)
            if (!is_committed_) extent->abandon();
    }
    Result<void> adopt(Storage &storage, const Keeper::Held &held) {
        extents_.emplace(held.id, TRY(storage.adopt(held)));
        return {};
    }
    Result<std::shared_ptr<Extent>> find(Keeper::Id id) const {
        const auto found = extents_.find(id);
        if (found == extents_.end())
            return Error{EBADMSG, 0, "restore file", "the keeper doesn't hold extent " + std::to_string(id)};
        return std::shared_ptr<Extent>(found->second);
    }
    void commit() { is_committed_ = true; }

private:
    std::unordered_map<Keeper::Id, std::shared_ptr<Extent>> extents_;
    bool is_committed_ = false;
};

} // namespace

void Volume::record_in(Journal *journal) {
    journal_ = journal;
    names_.record_in(journal);
    leases_.record_in(journal);
}

Result<void> Volume::record_root() { return record_inode(*names_.root()); }

Result<void> Volume::record_inode(Inode &inode) {
    if (journal_ == nullptr) return {};
    return journal_->append([&](RecordWriter &record) { gmemfs::record_inode(record, inode); });
}

Result<void> Volume::sync(Inode &inode) {
    if (inode.is_file()) TRY(inode.file()->seal());
    if (!inode.has_unrecorded_times.exchange(false, std::memory_order_relaxed)) return check_recorded();
    return record_inode(inode);
}

Result<void> Volume::record_times() {
    for (const InodeRef &inode : names_.with_unrecorded_times()) TRY(record_inode(*inode));
    return {};
}

Result<void> Volume::check_recorded() const { return journal_ == nullptr ? Result<void>() : journal_->check(); }

Result<void> Volume::times_changed(Inode &inode) {
    if (journal_ == nullptr) return {};
    // A store would make workers that write to one file fight for its cache line.
    if (!inode.has_unrecorded_times.load(std::memory_order_relaxed)) inode.has_unrecorded_times = true;
    return journal_->check();
}

// After a file's bytes have changed. The size was recorded by File, where it changed.
Result<void> Volume::data_changed(const Caller &caller, Inode &inode) {
    // What a write takes away must not come back with a restart.
    if (inode.written(caller.now, caller.who)) return record_xattr(caller, inode, kFileCapabilities);
    return times_changed(inode);
}

Result<void> Volume::set_xattr(
    const Caller &caller, Inode &inode, std::string_view name, std::string_view value, Inode::XattrMode mode) {
    TRY(inode.check_flags(kFixed));
    if (name == kPackAfter || name == kHostAfter) has_own_ages_ = true;
    if (name == kReplicasWanted) has_wishes_ = true;
    if (is_acl(name))
        TRY(inode.set_acl(name, value, caller.who, caller.now)); // the kernel has no modes for these
    else
        TRY(inode.set_xattr(name, value, mode, caller.now));
    return record_xattr(caller, inode, name);
}

Result<void> Volume::remove_xattr(const Caller &caller, Inode &inode, std::string_view name) {
    TRY(inode.check_flags(kFixed));
    if (is_acl(name))
        inode.remove_acl(name, caller.who, caller.now);
    else
        TRY(inode.remove_xattr(name, caller.now));
    return record_xattr(caller, inode, name);
}

// The attribute's value now, which another caller may have set; with the inode's time, and the mode, which an ACL
// changes.
Result<void> Volume::record_xattr(const Caller &caller, const Inode &inode, std::string_view name) {
    if (journal_ == nullptr) return {};
    return journal_->append(caller.request, [&](RecordWriter &record) {
        gmemfs::record_inode(record, inode);
        gmemfs::record_xattr(record, inode, name);
    });
}

Result<void> Volume::set_flags(const Caller &caller, Inode &inode, InodeFlags flags) {
    if ((flags & ~kAllFlags) != 0) return Error{EOPNOTSUPP, 0, "set inode flags", "there are i, a, c, d and A"};
    if ((flags & kCompress) != 0) has_own_ages_ = true;
    inode.set_flags(flags, caller.now);
    if (journal_ == nullptr) return {};
    return journal_->append([&](RecordWriter &record) {
        gmemfs::record_inode(record, inode);
        record.flags(inode.id(), inode.flags()); // none, too
    });
}

Result<void> Volume::place(Inode &inode, const Placement &placement) {
    TRY(inode.check_flags(kFixed));
    for (std::size_t index = 0; placement.home != nullptr && index < placement.count(); ++index)
        if (const Device &device = placement.device(index); !device.check_alive())
            return Error{ENODEV, 0, "place", device.info().uuid_text() + " is lost to this server, whose log says why"};
    if (inode.is_file()) {
        TRY(inode.file()->place(placement));
        return check_recorded();
    }
    inode.place(placement);
    return record_inode(inode);
}

Result<void> Volume::restore(
    const VolumeState &state, const std::vector<Keeper::Held> &held, Namespace::KernelMemory memory) {
    std::unordered_map<Keeper::Id, bool> wanted;
    for (const auto &[id, node] : state.nodes)
        for (const VolumeState::Piece &piece : node.pieces) wanted[piece.extent] = true;
    for (const auto &[id, lease] : state.leases) // of files that are cut or gone, too
        for (const Keeper::Id extent : lease.extents) wanted[extent] = true;
    Adopted adopted;
    for (const Keeper::Held &each : held)
        if (wanted.count(each.id) != 0) TRY(adopted.adopt(storage_, each));
    TRY(names_.restore(state, memory, [&](Inode &made, const VolumeState::Node &node) -> Result<void> {
        Placement placement = find_placement(storage_, node.placement);
        made.restore(node, made.is_directory() ? placement : Placement());
        const bool has_age =
            node.xattrs.contains(std::string(kPackAfter)) || node.xattrs.contains(std::string(kHostAfter));
        if (node.xattrs.contains(std::string(kReplicasWanted))) has_wishes_ = true;
        if (has_age || (node.flags & kCompress) != 0) has_own_ages_ = true;
        if (!made.is_file()) return {};
        ExtentList::Pieces pieces;
        for (const VolumeState::Piece &piece : node.pieces)
            pieces.push_back(TRY(storage_.adopt_piece(TRY(adopted.find(piece.extent)), piece.offset, piece.length)));
        ExtentList list(std::move(pieces));
        if (node.residence == Residence::packed && (list.empty() || list.is_slot()))
            return Error{EBADMSG, 0, "restore file", "it is packed, and has no image"};
        if (node.residence == Residence::plain && node.size > list.size())
            return Error{EBADMSG, 0, "restore file", "it is longer than its memory"};
        // Where it lives; a file in host memory that lives on no device of this mount stays where it is.
        if (placement.home == nullptr && !list.empty()) placement = &list.pieces().front().extent->device();
        made.hold_file(std::make_unique<File>(storage_, placement, node.uid));
        made.file()->restore(std::move(list), node);
        made.file()->record_in(journal_, made.id());
        return {};
    }));
    const auto find_inode = [this](InodeId id) { return names_.find(id) ? *names_.find(id) : nullptr; };
    TRY(leases_.restore(state, find_inode, [&](Keeper::Id id) {
        const Result<std::shared_ptr<Extent>> found = adopted.find(id);
        return found ? *found : nullptr;
    }));
    const bool knows_leases = state.ticket_secret != Secret{};
    for (const auto &[id, node] : state.nodes)
        if (const InodeRef inode = find_inode(id); !knows_leases && inode && inode->is_file())
            if (inode->file()->is_exported()) leases_.distrust(inode);
    adopted.commit();
    for (const Keeper::Held &each : held)
        if (wanted.count(each.id) == 0) storage_.give_back(each.id); // made, and never recorded
    return {};
}

} // namespace gmemfs
