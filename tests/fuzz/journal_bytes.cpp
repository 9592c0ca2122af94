// Fuzzer: the bytes of a journal, with checksums that fit: replayed, restored or refused, and never believed.
#include "fuse/core/journal/journal.hpp"
#include "fuse/core/lease.hpp"

// The first bytes of the input are one record each: a size, and so many bytes of items.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    using namespace gmemfs;
    std::span<const std::uint8_t> left(data, size);
    (void)[&] { // as it stands: magic, lengths and checksums rarely fit
        VolumeState ignored;
        return replay_journal(std::as_bytes(left), ignored);
    }
    ();
    VolumeState state;
    while (!left.empty()) {
        const std::size_t length = std::min<std::size_t>(left[0], left.size() - 1);
        (void)apply_record(std::as_bytes(left.subspan(1, length)), state);
        left = left.subspan(1 + length);
    }
    for (const auto memory : {Namespace::KernelMemory::none, Namespace::KernelMemory::kept}) {
        Namespace names({}, 0755, 1000, {});
        const Result<void> restored = names.restore(state, memory, [](Inode &made, const VolumeState::Node &node) {
            made.restore(node, nullptr);
            return Result<void>();
        });
        if (!restored) GMEMFS_ASSERT(restored.error().code == EBADMSG);
        if (!restored) continue;
        Leases leases;
        const Result<void> held = leases.restore(
            state, [&](InodeId id) { return names.find(id) ? *names.find(id) : nullptr; },
            [](Keeper::Id) { return nullptr; });
        if (!held) GMEMFS_ASSERT(held.error().code == EBADMSG);
        if (held) { // each goes with its holder, and a number that is given now was never one of theirs
            GMEMFS_ASSERT(leases.count() == state.leases.size());
            const Leases::Id made = leases.add_holder(1, 1);
            GMEMFS_ASSERT(state.holders.count(made) == 0 && state.leases.count(made) == 0);
            for (const auto &[id, holder] : state.holders) leases.remove_holder(id);
            GMEMFS_ASSERT(leases.count() == 0);
        }
        // What was restored can be walked, and goes on: nothing of it is in two places.
        std::size_t seen = 0;
        for (const auto &[id, node] : state.nodes)
            if (S_ISDIR(node.mode))
                (void)names.list(
                    id, 2, UINT64_MAX, [&](const Namespace::Entry &) { return ++seen, Namespace::Visit::next; });
        std::size_t entries = 0;
        for (const auto &[id, listed] : state.directories) entries += listed.size();
        GMEMFS_ASSERT(seen <= entries);
        (void)names.create(kRootInode, "new", S_IFREG, {}, {}, [](Inode &, const Inode &) {});
    }
    return 0;
}
