#include "fuse/core/volume.hpp"

#include "fuse/core/journal/journal.hpp"

namespace gmemfs {

template <typename Operation>
auto Volume::making_room(const Caller &caller, Inode &inode, Operation operation) -> decltype(operation()) {
    auto result = operation();
    while (!result && has_wishes_ && is_no_space(result.error()) && evict_replicas(inode, result.error()))
        result = operation();
    while (!result && result.error().code == ENOSPC && make_room_ && make_room_(caller, inode)) result = operation();
    return result;
}

Result<InodeRef> Volume::make_node(
    const Caller &caller, InodeId parent, std::string_view name, mode_t mode, dev_t number) {
    return names_.create(parent, name, mode, caller.who, caller.at(), [&](Inode &made, const Inode &directory) {
        if (made.is_file())
            hold_new_file(made, directory);
        else
            made.hold_device_number(number);
    });
}

Result<InodeRef> Volume::make_unnamed(const Caller &caller, InodeId parent, mode_t mode) {
    return names_.create_unnamed(parent, S_IFREG | mode, caller.who, caller.at(),
        [&](Inode &made, const Inode &directory) { hold_new_file(made, directory); });
}

void Volume::hold_new_file(Inode &made, const Inode &directory) {
    made.hold_file(std::make_unique<File>(storage_, directory.placement(), made.attributes().uid));
    (void)made.file()->set_protection(directory.protection()); // the file has no memory yet, so this can't fail
    made.file()->record_in(journal_, made.id());
}

Result<InodeRef> Volume::take_donation(const Caller &caller, InodeId parent, std::string_view name, Donation donation) {
    const Result<InodeRef> above = names_.find(parent);
    if (!above) return Error(above.error());
    if (!(*above)->is_directory()) return Error{ENOTDIR, 0, "take memory"};
    if (!(*above)->may_write_and_search(caller.who))
        return Error{EACCES, 0, "take memory", "the directory's mode doesn't let this user make files in it"};
    const Result<InodeRef> made = make_node(caller, parent, name, S_IFREG | 0600, 0);
    if (!made) return Error(made.error());
    const InodeRef inode = *made;
    names_.forget(inode->id(), 1); // the kernel hasn't looked it up
    Result<std::shared_ptr<Extent>> extent = making_room(caller, *inode, [&]() -> Result<std::shared_ptr<Extent>> {
        Result<Fd> memory = donation.memory.duplicate();
        if (!memory) return Error(memory.error());
        return storage_.take_donation(donation.device_uuid, donation.size, *std::move(memory));
    });
    Result<void> taken;
    if (!extent)
        taken = Error(extent.error());
    else
        taken = inode->file()->take_donation(*std::move(extent));
    if (taken) taken = check_recorded();
    if (taken) return InodeRef(inode);
    (void)names_.unlink(parent, name, caller.at());
    return Error(taken.error());
}

Result<InodeRef> Volume::make_directory(const Caller &caller, InodeId parent, std::string_view name, mode_t mode) {
    return names_.create(
        parent, name, S_IFDIR | (mode & 07777), caller.who, caller.at(), [](Inode &made, const Inode &directory) {
            made.place(directory.placement());
            made.hand_down(directory.protection());
        });
}

Result<InodeRef> Volume::make_symlink(
    const Caller &caller, InodeId parent, std::string_view name, std::string_view target) {
    if (target.empty()) return Error{ENOENT, 0, "make symbolic link"};
    if (target.size() > kSymlinkMax) return Error{ENAMETOOLONG, 0, "make symbolic link"};
    return names_.create(parent, name, S_IFLNK | 0777, caller.who, caller.at(),
        [&](Inode &made, const Inode &) { made.hold_target(std::string(target)); });
}

Result<void> Volume::set_attributes(const Caller &caller, Inode &inode, const AttributeChanges &changes) {
    const bool is_attribute = changes.mode || changes.uid || changes.gid || changes.accessed || changes.modified;
    const bool is_more = changes.size || changes.mode || changes.uid || changes.gid;
    TRY(inode.check_flags(changes.is_touch && !is_more ? kImmutable : kFixed));
    if (changes.size) {
        TRY(inode.check_unused());
        if (inode.is_directory()) return Error{EISDIR, 0, "truncate"};
        if (!inode.is_file()) return Error{EINVAL, 0, "truncate"};
        TRY(making_room(caller, inode, [&] { return inode.file()->resize(caller.copiers, *changes.size); }));
        TRY(check_recorded());
        if (inode.written(caller.now, caller.who)) TRY(record_xattr(caller, inode, kFileCapabilities));
    }
    if (changes.uid && inode.is_file()) TRY(inode.file()->set_owner(*changes.uid));
    if (is_attribute)
        inode.change(changes, caller.now, caller.who);
    else
        inode.changed(caller.now);
    if (changes.mode && inode.xattr(kAccessAcl)) TRY(record_xattr(caller, inode, kAccessAcl));
    return changes.uid || changes.gid ? record_xattr(caller, inode, kFileCapabilities) : record_inode(inode);
}

Result<void> Volume::open(const Caller &caller, Inode &inode, OpenMode mode) {
    if (mode == OpenMode::truncate && inode.is_file()) {
        TRY(inode.check_flags(kFixed));
        TRY(inode.check_unused());
        TRY(inode.file()->resize(caller.copiers, 0));
        TRY(inode.written(caller.now, caller.who) ? record_xattr(caller, inode, kFileCapabilities)
                                                  : record_inode(inode));
    }
    if (inode.is_file()) inode.file()->used();
    inode.opens.fetch_add(1, std::memory_order_relaxed);
    inode.is_closing.store(false, std::memory_order_relaxed);
    return {};
}

Result<void> Volume::close(const Caller &caller, Inode &inode) {
    if (inode.is_file()) inode.file()->used();
    const int before = inode.opens.fetch_sub(1, std::memory_order_acq_rel);
    GMEMFS_ASSERT(before > 0);
    if (inode.has_unrecorded_times.exchange(false, std::memory_order_relaxed)) TRY(record_inode(inode));
    // A file without a name is about to go, and settling it would be work for nobody.
    if (before != 1 || !inode.is_file() || inode.links() == 0) return {};
    TRY(inode.file()->settle(caller.copiers));
    return has_wishes_ ? replicate(caller, inode) : Result<void>();
}

Result<void> Volume::flush(const Caller &caller, Inode &inode) {
    // The kernel sends the last close's release after close(2) has returned. A process that then asks for a handle
    // shall find one extent. So the flush of the only open settles. A descriptor that was duplicated may be closed
    // earlier, which costs one copy on the device too many. Opens of a server before this one aren't counted.
    if (inode.opens.load(std::memory_order_relaxed) <= 1) inode.is_closing.store(true, std::memory_order_relaxed);
    if (inode.has_unrecorded_times.exchange(false, std::memory_order_relaxed)) TRY(record_inode(inode));
    if (!inode.is_file() || inode.links() == 0 || inode.opens.load(std::memory_order_acquire) > 1) return {};
    // A file that can't be settled is whole, only looser. With a dead keeper every close would fail otherwise, and so
    // would the cp that brings the file to safety. close() tries again and has the failure logged; a journal that can't
    // be written counts.
    if (const Result<void> settled = inode.file()->settle(caller.copiers); !settled) return check_recorded();
    if (has_wishes_) (void)replicate(caller, inode); // close() tries again, and has a failure logged
    return {};
}

Result<std::size_t> Volume::read(
    const Caller &caller, Inode &inode, std::uint64_t offset, std::span<std::byte> to, File::By by) {
    GMEMFS_ASSERT(inode.is_file());
    const std::size_t count = TRY(inode.file()->read(caller.copiers, offset, to, by));
    accessed(caller, inode);
    return count;
}

// Recorded with the next change, so that readers don't wait for the journal.
void Volume::accessed(const Caller &caller, Inode &inode) const {
    if (!caller.leaves_no_trace) inode.accessed(caller.now, access_times_.load(std::memory_order_relaxed));
}

Result<void> Volume::write(
    const Caller &caller, Inode &inode, std::uint64_t offset, std::span<const std::byte> from, File::By by) {
    GMEMFS_ASSERT(inode.is_file());
    TRY(making_room(caller, inode, [&] { return inode.file()->write(caller.copiers, offset, from, by); }));
    if (by == File::By::call) return data_changed(caller, inode);
    inode.modified(caller.now);
    return times_changed(inode);
}

Result<void> Volume::allocate(
    const Caller &caller, Inode &inode, std::uint64_t offset, std::uint64_t length, File::SizeMode mode) {
    GMEMFS_ASSERT(inode.is_file());
    TRY(inode.check_flags(kImmutable));
    TRY(making_room(caller, inode, [&] { return inode.file()->allocate(caller.copiers, offset, length, mode); }));
    return data_changed(caller, inode);
}

Result<void> Volume::punch(const Caller &caller, Inode &inode, std::uint64_t offset, std::uint64_t length) {
    GMEMFS_ASSERT(inode.is_file());
    TRY(inode.check_flags(kFixed));
    TRY(making_room(caller, inode, [&] { return inode.file()->punch(caller.copiers, offset, length); }));
    return data_changed(caller, inode);
}

Result<void> Volume::zero(const Caller &caller, Inode &inode, std::uint64_t offset, std::uint64_t length) {
    GMEMFS_ASSERT(inode.is_file());
    TRY(inode.check_flags(kFixed));
    TRY(making_room(caller, inode, [&] { return inode.file()->zero(caller.copiers, offset, length); }));
    return data_changed(caller, inode);
}

Result<std::uint64_t> Volume::copy(const Caller &caller, Inode &source, std::uint64_t source_offset, Inode &target,
    std::uint64_t target_offset, std::uint64_t length) {
    GMEMFS_ASSERT(source.is_file());
    GMEMFS_ASSERT(target.is_file());
    TRY(target.check_flags(kFixed));
    const std::uint64_t count = TRY(making_room(caller, target, [&] {
        return target.file()->copy_from(caller.copiers, *source.file(), source_offset, target_offset, length);
    }));
    accessed(caller, source);
    if (count > 0) TRY(data_changed(caller, target));
    return count;
}

Result<std::vector<FabricHandle>> Volume::fabric_handles(const Caller &caller, Inode &inode) {
    if (!inode.is_file()) return Error{ENODATA, 0, "export fabric handle", "only a file has device memory"};
    TRY(inode.check_handle(caller.who));
    return making_room(caller, inode, [&] { return inode.file()->fabric_handles(caller.copiers); });
}

Result<std::vector<File::Shared>> Volume::share(const Caller &caller, Inode &inode, File::ShareBy by) {
    if (!inode.is_file()) return Error{ENODATA, 0, "share file", "only a file has device memory"};
    TRY(inode.check_handle(caller.who));
    return making_room(caller, inode, [&] { return inode.file()->share(caller.copiers, by); });
}

Result<std::uint64_t> Volume::allocation_size(const Caller &caller, Inode &inode) {
    if (!inode.is_file()) return Error{ENODATA, 0, "read allocation size", "only a file has device memory"};
    TRY(inode.file()->settle(caller.copiers));
    return inode.file()->mappable();
}

Result<Digest> Volume::digest(const Caller &caller, Inode &inode) {
    if (!inode.is_file()) return Error{ENODATA, 0, "digest", "only a file has contents"};
    return making_room(caller, inode, [&] { return inode.file()->digest(caller.copiers); });
}

Result<File::PackOutcome> Volume::pack(const Caller &caller, Inode &inode, PackBy by) {
    if (!inode.is_file()) return Error{ENODATA, 0, "pack", "only a file has device memory"};
    const File::PackOutcome outcome = TRY(inode.file()->pack(caller.copiers, by));
    TRY(check_recorded());
    return outcome;
}

Result<File::OffloadOutcome> Volume::offload(const Caller &caller, Inode &inode, File::Form form, PackBy by) {
    if (!inode.is_file()) return Error{ENODATA, 0, "move to host memory", "only a file has device memory"};
    const File::OffloadOutcome outcome = TRY(inode.file()->offload(caller.copiers, form, by));
    TRY(check_recorded());
    return outcome;
}

Result<void> Volume::wake(const Caller &caller, Inode &inode) {
    if (!inode.is_file()) return Error{ENODATA, 0, "unpack", "only a file has device memory"};
    TRY(making_room(caller, inode, [&] { return inode.file()->wake(caller.copiers); }));
    return check_recorded();
}

Result<void> Volume::prepare_codecs() {
    for (const InodeId id : names_.files_where([](const Inode &inode) { return inode.file()->is_cold(); }))
        if (const Result<InodeRef> inode = names_.find(id)) TRY((*inode)->file()->prepare_codecs());
    return {};
}

Result<std::unique_ptr<OpenImage>> Volume::open_image(const Caller &caller, Inode &inode, File::ImageOf which) {
    if (!inode.is_file()) return Error{ENODATA, 0, "open image", "only a file has one"};
    std::unique_ptr<OpenImage> image = TRY(inode.file()->open_image(caller.copiers, which, caller.who.uid));
    accessed(caller, inode);
    return image;
}

Result<void> Volume::take_image(const Caller &caller, Inode &inode) {
    if (!inode.is_file()) return Error{ENODATA, 0, "take image", "only a file has one"};
    TRY(inode.check_flags(kFixed));
    TRY(inode.file()->take_image(caller.copiers));
    TRY(check_recorded());
    return data_changed(caller, inode);
}

Result<void> Volume::set_protection(Inode &inode, Protection protection) {
    TRY(inode.check_flags(kFixed));
    if (protection == Protection::parity) TRY(storage_.check_parity());
    if (inode.is_file())
        TRY(inode.file()->set_protection(protection));
    else
        inode.hand_down(protection);
    if (journal_ == nullptr) return {};
    return journal_->append([&](RecordWriter &record) { record.protection(inode.id(), inode.protection()); });
}

} // namespace gmemfs
