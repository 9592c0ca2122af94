#!/usr/bin/env python3
# Canary: plants one bug at a time in a copy of the tree, and demands that the tests notice: the unit tests, or the
# scenario, the Python test or the conformance test that the bug's row names.
#
# It answers mechanically which check can't fail. `make canary` runs it; it takes half a minute a bug, so it isn't part
# of `make test`. A bug whose text is no longer found in its file is an error: the list has to follow the code.
import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

PROCESS, LIFETIME = "tests/mount/peers/lease_is_the_process.sh", "tests/python/test_lifetime.py::"
CONFORMANCE = "build/conformance-tests"  # and a filter of tests behind a blank

# (what is wrong, file, text that is there, text that takes its place, and who notices where it isn't the unit tests)
BUGS = [
    ("new memory isn't cleared", "fuse/core/space/storage.cpp",
     "TRY(copier.queue_zero({extent.get(), clear_from, extent->size() - clear_from}));", ""),
    ("the clear isn't waited for", "fuse/core/space/storage.cpp",
     "    TRY(copier.wait());\n", ""),
    ("a read isn't waited for", "fuse/core/file/file.cpp",
     "Result<void> read = copiers.wait_after(queued);", "Result<void> read = queued;"),
    ("a write isn't waited for", "fuse/core/file/file.cpp",
     "return copiers.wait_after(queued);", "return queued;"),
    ("a merged extent is published before its copy has ended", "fuse/core/file/file_layout.cpp",
     "        from += length;\n    }\n    return copiers.wait_after(queued);",
     "        from += length;\n    }\n    return queued;"),
    ("a part of a file is on another device than its placement says", "fuse/core/file/file_placement.cpp",
     "storage_.create(copiers, *part.device,", "storage_.create(copiers, home(),"),
    ("a shrink leaves the old bytes behind the end", "fuse/core/file/file_layout.cpp",
     "    if (!clear(copiers, new_size, old_end)) tail_dirty_ = true;\n", "    (void)old_end;\n"),
    ("growth shows what a peer wrote past the end", "fuse/core/file/file_layout.cpp",
     "if (!tail_dirty_ && !extents_.any_exported()) return {};", "return {};"),
    ("a failed write past the end isn't remembered", "fuse/core/file/file.cpp",
     "tail_dirty_.exchange(true)", "tail_dirty_.load()"),
    ("an exported extent is merged", "fuse/core/file/file_placement.cpp",
     "extents.is_slot() || extents.any_exported()) return Layout", "extents.is_slot()) return Layout"),
    ("a merge loses the last byte", "fuse/core/file/file_layout.cpp",
     "extents_.for_each(from, length,", "extents_.for_each(from, length - 1,"),
    ("a server makes way for a device that serves nobody", "fuse/session/server_loss.cpp",
     "may_heal() && serves_another_process(device)", "may_heal()", "tests/mount/devices/lost.sh"),
    ("what lies before a lost device isn't read", "fuse/core/file/file.cpp",
     "if (!read && by == By::call)", "if (!read && by != By::call && by != By::page_cache)",
     "tests/mount/devices/lost_part.sh"),
    ("a server can't begin beside a device that is lost", "vmm/memory/extent.cpp",
     "    if (!device.check_alive()) return extent;\n", "", "tests/mount/devices/lost_at_start.sh"),
    ("a lost device's copy keeps another's from being marked", "vmm/memory/copiers.cpp",
     "if (!copier.device().failed()) marks_", "marks_"),
    ("what the journal has no room for is forgotten", "fuse/core/journal/journal.cpp",
     "        if (!record.empty()) frame(pending_, record);\n", ""),
    ("a torn body stays behind the journal's end", "fuse/core/journal/journal.cpp",
     "(*file)->cut(good); !cut)", "Result<void>(); !cut)"),
    ("a lease to write doesn't keep its file open", "fuse/core/lease.cpp",
     "lease.inode->file()->begin_writing();", "(void)lease;"),
    ("the next server doesn't know which answers were lost", "fuse/core/lease.cpp",
     "    if (holder.unanswered == 0) holder.unanswered = id;\n", ""),
    ("an extent that a peer has mapped is given away by the next server", "fuse/core/volume_record.cpp",
     "for (const Keeper::Id extent : lease.extents) wanted[extent] = true;", "(void)lease;"),
    ("another process is taken for a peer because it has its number", "fuse/broker/peer_process.cpp",
     "peer.start_time_ != 0 && peer.start_time_ != start_time", "peer.start_time_ == 0 && start_time == 0"),
    ("a lease isn't recorded", "fuse/core/lease.cpp", "        record.lease(id, state);\n", ""),
    ("the next server takes an exclusive lease for a shared one", "fuse/core/lease.cpp",
     "    if (lease.sharing == Sharing::exclusive) state.kind |= kExclusive;\n", ""),
    ("the next server has leases that have ended", "fuse/core/lease.cpp",
     "            record.no_lease(id);\n", ""),
    ("a child's release ends its parent's lease", "fuse/broker/broker.cpp",
     "if (is_own) TRY(release(", "TRY(release(", PROCESS),
    ("a child's connection keeps its parent's leases", "fuse/broker/broker_peers.cpp",
     "peer.process.start_time());\n    watch_process(peer);\n", "peer.process.start_time());\n", PROCESS),
    ("a lease outlives the program that took it", "fuse/broker/broker_peers.cpp",
     "now - peer.ended_us > kExecTime && peer.process.has_left_memory()", "false", PROCESS),
    ("a connection without a lease stays for ever", "fuse/broker/broker.cpp",
     "const bool has_files = lease_count_of(peer) != 0", "const bool has_files = peer.holder != 0",
     "tests/mount/peers/connection_stays.sh"),
    ("unmapping waits for nothing", "client/lib/device_wait.cpp",
     "return driver.cuMemFree(token);", "return CUDA_SUCCESS;",
     LIFETIME + "test_the_last_reference_waits_in_a_thread_without_a_context"),
    ("unmapping waits for the current context alone", "client/lib/device_wait.cpp",
     "        wait_once(primary);\n", "",
     LIFETIME + "test_the_last_reference_waits_in_a_thread_without_a_context"),
    ("unmapping waits for primary contexts alone", "client/lib/device_wait.cpp",
     "    wait_once(current_context(driver));\n", "",
     LIFETIME + "test_a_context_of_ones_own_is_waited_for_where_it_is_current"),
    ("unmapping breaks captures", "client/lib/file_mapping.cpp",
     "    const RelaxedCapture relaxed(*devices_->driver);\n", "",
     LIFETIME + "test_unmapping_leaves_another_threads_capture_whole"),
    ("waiting breaks captures", "client/lib/gmemfs.cpp",
     "    const RelaxedCapture relaxed(*devices->driver);\n", "", LIFETIME + "test_waiting_leaves_captures_whole"),
    ("a capsule that nobody takes keeps its tensor", "client/lib/dlpack.cpp",
     "drop<Plain>(its.capsule_get_pointer(capsule, kPlainName));", "return;",
     "tests/python/test_package.py::test_a_capsule_that_nobody_takes_lets_go"),
    ("what an exception leaves of a mapping stays", "client/lib/python.cpp",
     "        gmemfs_release(last->mapping);\n", "",
     LIFETIME + "test_an_exception_of_a_signal_comes_through_and_leaves_no_lease"),
    ("a copy of the process is taken for the process", "client/lib/origin.cpp",
     "return original != nullptr && *original != ::getpid();", "return false;",
     LIFETIME + "test_a_forked_child_is_told_to_start_anew"),
    ("the keeper loses the server's descriptors", "vmm/keeper/service.cpp",
     "    fds_.insert_or_assign(request.id, KeptFd{std::move(fd), static_cast<Keep>(request.size)});\n", ""),
    ("an answer by a ring has the request's size", "fuse/session/ring_entry.cpp",
     "    headers().commit.payload_size = static_cast<std::uint32_t>(size);\n", ""),
    ("a copier is busy for ever", "vmm/memory/copier.cpp",
     "    end_large();\n    return waited;", "    return waited;"),
    ("the budget isn't given back", "fuse/core/space/storage.cpp",
     "        held.reset();\n        budget.release(bytes);\n", "        held.reset();\n"),
    ("a failed mapping leaks the memory", "vmm/memory/extent.hpp",
     "if (!abandoned_) keeper_.release(id_);", ""),
    ("a slice starts one extent too late", "vmm/memory/extent_list.cpp",
     "std::upper_bound(ends_.begin(), ends_.end(), offset)",
     "std::upper_bound(ends_.begin(), ends_.end(), offset + 1)"),
    ("staging reuses a slot too early", "vmm/memory/copier.cpp",
     "if (index >= count) // the slot's last chunk must have left it", "if (index >= 2 * count)"),
    ("a directory moves into itself", "fuse/core/names/namespace_rename.cpp",
     "if (source->is_directory() && is_within(to, source->id())) return Error{EINVAL, 0, \"rename\"};", ""),
    ("a forgotten inode without a name stays", "fuse/core/names/namespace.cpp",
     "if (node.lookups != 0 || node.inode->links() != 0) return;", "return;"),
    ("a handle is given to who may only read", "fuse/core/names/inode.hpp",
     "return may(06, who);", "return may(04, who);"),
    ("an ACL's mask bounds nobody", "fuse/core/names/acl.cpp",
     "const mode_t bound = mask() != nullptr ? mask()->permissions : 7;", "const mode_t bound = 7;"),
    ("what is made in a directory gets all that its default ACL says", "fuse/core/names/inode_xattr.cpp",
     "    handed_down->limit(permissions_);\n", ""),
    ("an append-only directory loses names", "fuse/core/names/namespace.cpp",
     "TRY(directory.check_flags(kFixed));", "TRY(directory.check_flags(kImmutable));"),
    ("an immutable file's handle is given away", "fuse/core/names/inode_xattr.cpp",
     "if ((flags() & kFixed) != 0)", "if ((flags() & kAppendOnly) != 0)"),
    ("a repair is written whatever its checksum", "ecc/parity/kernels/repair.cuh",
     "total.word[3] != 0 || !equal(mended, *block_.checksum)", "total.word[3] != 0"),
    ("a codeword's mends aren't proved", "ecc/parity/kernels/decode.cuh",
     "return explains(mends, syndrome);", "return found > 0;"),
    ("a verification doesn't look at the checksum", "ecc/parity/kernels/parity.cuh",
     "sum.wrong_codewords() == 0 && equal(sum.checksum(), *block.checksum)", "sum.wrong_codewords() == 0"),
    ("a packed group's start isn't looked at", "ecc/pack/kernels/decode.cuh",
     "fits &= starts[group] == running;", ""),
    ("packed bytes are longer than they were planned", "ecc/pack/kernels/encode.cuh",
     "if (at < escapes_max) escapes[at]", "escapes[at]"),
    ("a packed chunk's checksum counts what lies behind it", "ecc/pack/kernels/crc32c.cuh",
     "if constexpr (row == 31) ahead[index] &= last_mask;", ""),
    ("an image's length may be any", "ecc/pack/image.cpp",
     "entry.length() < shortest_of(entry.codec()) || ", ""),
    ("nvCOMP decodes a chunk whose checksum nobody has looked at", "ecc/pack/packer.cpp",
     "        TRY(verdict_of(TRY(work->wait_for_findings()))); // nvCOMP believes what it decodes\n", ""),
    ("a forged stream is taken", "ecc/pack/packer.cpp",
     "    TRY(ProcessorWork(device(), work->stream()).prove(all, table.entries));\n", ""),
    ("a file forgets which nvCOMP its image needs", "fuse/core/file/file_cold.cpp",
     "    next.nvcomp = plan.nvcomp;\n", ""),
    ("the checksum forgets in which group of rows a word lies", "ecc/parity/kernels/checksum.cuh",
     "if constexpr (kRow == 0) sum.half[half] *= multiplier;", ""),
    # The rooms above fuse/core, and tools/: what only a mount shows.
    ("a name exchanged with a folder's leaves the folder's dot-dot where it was",
     "fuse/core/names/namespace_rename.cpp",
     "        move_parent(*target, to, from, at.now);\n", "", "tests/mount/rename/exchange.sh"),
    ("a write leaves the set-user-ID bit", "fuse/core/names/inode.cpp",
     "    if ((before & kSetIds) != 0 && !by.may_keep_set_ids) drop_set_ids(by);\n", "    (void)by;\n",
     "tests/mount/permission/writing_clears_set_user_id.sh"),
    ("a file's old owner pays for it still", "fuse/core/space/quota.cpp",
     "    quotas_.subtract(user_, bytes_);\n", "", "tests/mount/space/quota.sh"),
    ("df doesn't wait for memory that is coming back", "fuse/session/server.cpp",
     "    if (!names.has_dying_orphans()) return false;", "    return false;",
     "tests/mount/unlink/df_waits_for_slow_memory.sh"),
    ("what is written isn't counted", "fuse/host/stats.hpp",
     "bytes_written_.fetch_add(bytes,", "bytes_written_.fetch_add(0 * bytes,", "tests/mount/virtual/stats.sh"),
    ("--verify-reads is forgotten", "fuse/host/settings.cpp",
     "options.verify_reads = TRY(parse_flag(\"verify-reads\", value));",
     "(void)options, (void)TRY(parse_flag(\"verify-reads\", value));", "tests/mount/parity/reads_repair.sh"),
    ("a busy mount is unmounted", "fuse/mounts/unmount.cpp",
     "(mode == UnmountMode::lazily ? MNT_DETACH : 0)", "MNT_DETACH", "tests/mount/mounting/umount_while_busy.sh"),
    ("a device that isn't there is refused and not named", "fuse/host/host.cpp",
     "return no_such_device(name, infos);", "return no_such_device(\"it\", infos);",
     "tests/mount/mounting/missing_device.sh"),
    ("a dead server's files are given up unasked", "tools/cmd/umount.cpp",
     "if (how.discards || !has_abandoned_keeper(mount_point, owner)) return {};", "(void)owner;\n    return {};",
     "tests/mount/mounting/stale.sh"),
    ("a file handle of another mount opens what has its number", "fuse/host/host.hpp",
     "return id == kRootInode ? 0 : generation_;", "return (void)id, 0;",
     "tests/mount/by_handle/outlives_caches_and_servers.sh"),
    ("a listing goes on where names have been added since it began", "fuse/core/names/namespace.cpp",
     "const auto end = names.by_cookie.upper_bound(last);", "const auto end = names.by_cookie.end();",
     "tests/mount/directory/listing_ends_under_changes.sh"),
    ("an attribute that was removed takes room still", "fuse/core/names/inode_xattr.cpp",
     "    xattr_bytes_ -= name.size() + found->second.size();\n", "", "tests/mount/xattr/too_large.sh"),
    ("a server that always dies is started for ever", "fuse/session/supervisor.cpp",
     "return early_deaths_ < kEarlyDeathsMax && ", "return ", "tests/mount/survive/gives_up.sh"),
    ("a journal's record is believed whatever its checksum", "fuse/core/journal/journal.cpp",
     "crc_of(record) != head.crc || ", "", "tests/mount/survive/damaged_journal.sh"),
    ("a chunk of a snapshot is believed whatever its checksum", "tools/snapshot/reader.cpp",
     "    if (checksum(data) != chunk.crc)\n", "    if (chunk.size == 0)\n", "tests/mount/snapshot/damaged.sh"),
    ("a file that takes another one's place has none of its attributes", "tools/copy/attributes.cpp",
     "    copy_extended(old, made);\n", "", "tests/mount/cp/replaces_at_once.sh"),
    ("an ACL that the folder hands down stays on a copy", "tools/copy/attributes.cpp",
     "            (void)::fremovexattr(target, name.data());", "            continue;",
     "tests/mount/acl/cp_and_snapshots.sh"),
    ("a self-test that failed says success", "tools/cmd/test.cpp",
     "    return fail_or_interrupted(result.error());\n}",
     "    (void)fail_or_interrupted(result.error());\n    return 0;\n}",
     "tests/mount/cli/test_finds_planted.sh"),
    # A simulator that is kinder than the hardware.
    ("an import is exported again", "vmm/sim/sharing.cpp",
     "memory.is_imported || ", "", f"{CONFORMANCE} *"),
    ("a part of an allocation is mapped", "vmm/sim/memory.cpp",
     "if (offset != 0 || size != memory->size)", "if (offset != 0 || size > memory->size)", f"{CONFORMANCE} *"),
    ("freeing memory waits for nothing", "vmm/sim/entry_memory.cpp",
     "    wait_for_all_streams(current_context()); // cuMemFree", "    // cuMemFree", f"{CONFORMANCE} *"),
    ("a result has a name and no words", "vmm/sim/entry_errors.cpp",
     "    *words = known == CUDA_SUCCESS ? \"from the gmemfs simulator\" : nullptr;\n", "", f"{CONFORMANCE} Errors.*"),
    ("a copy out brings nothing", "vmm/sim/entry_copy.cpp",
     "(cuMemcpyDtoHAsync);\n    return copy_out(to, from, size, stream);",
     "(cuMemcpyDtoHAsync);\n    return (void)to, (void)from, (void)size, (void)stream, CUDA_SUCCESS;",
     f"{CONFORMANCE} Allocation.*"),
    ("the pool's fence waits for nothing", "pool/memory/device_pool.cpp",
     "client::wait_for_context(driver_, context);", "Result<void>();"),
    ("a stream gets what another one has freed", "pool/memory/device_pool.cpp",
     "waiting->second.by_stream.find(*user.stream);", "waiting->second.by_stream.begin();"),
    ("a freed block doesn't merge with the one before it", "pool/fit/fit.cpp",
     "before != 0 && touch(before).is_free)", "before != 0 && touch(before).is_free && node == 0)"),
    ("an image is kept whatever it was compared with", "ecc/pack/work.cpp",
     "if (found.different == PackFindings::kNoChunk) return {};", "return {};", "build/pack-tests PackOnDevice.*"),
    ("what parity takes isn't counted", "ecc/parity/pool.cpp",
     "bytes += cut.extent->size();", "bytes += 0 * cut.extent->size();", "build/parity-tests ParityOnDevice.*"),
]


def fails(tree, watcher):
    """Whether these tests fail; what takes too long has failed as well."""
    if watcher is None:
        command = ["build/unit-tests", "--gtest_brief=1"]
    elif watcher.startswith("build/"):
        program, chosen = watcher.split()
        command = [program, "--driver=build/sim/libcuda.so.1", f"--gtest_filter={chosen}", "--gtest_brief=1"]
    elif watcher.endswith(".sh"):
        command = [sys.executable, "tests/mount/runner.py", "--jobs", "1", watcher]
    else:
        python = ROOT / ".venv/bin/python"
        command = [str(python if python.exists() else sys.executable), "-m", "pytest", "-q", "-x", watcher]
    try:
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def build(tree, watcher, jobs):
    """An unused variable is no reason for the compiler to find a bug before the tests do."""
    program = "build/unit-tests" if watcher is None else watcher.split()[0]
    targets = [program, "build/sim/libcuda.so.1"] if program.startswith("build/") else ["all"]
    done = subprocess.run(["make", f"-j{jobs}", *targets, "OPTIMIZE=-O1", "WARNINGS="], cwd=tree, capture_output=True,
                          text=True)
    if done.returncode != 0:
        print(done.stdout[-2000:], done.stderr[-4000:])
    return done.returncode == 0


def notices(tree, bug, jobs, sound):
    """Whether the tests fail with the bug planted, and don't without it; None when it can't be built."""
    what, file, old, new, watcher = (*bug, None)[:5]
    path = tree / file
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"canary: {what}: its text stands {text.count(old)} times in {file}; mend the list")
    if watcher not in sound:
        if not build(tree, watcher, jobs) or fails(tree, watcher):
            sys.exit(f"canary: {watcher or 'the unit tests'}: no success without a bug either")
        sound.add(watcher)
    path.write_text(text.replace(old, new))
    try:
        return fails(tree, watcher) if build(tree, watcher, jobs) else None
    finally:
        path.write_text(text)


def stale():
    """Bugs whose text isn't found once in its file: the list has to follow the code."""
    found = [(what, file, (ROOT / file).read_text().count(old)) for what, file, old, *_ in BUGS]
    return [f"{what}: its text stands {count} times in {file}" for what, file, count in found if count != 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", action="append", help="only bugs whose description has this text, or another such")
    parser.add_argument("--check", action="store_true", help="plant nothing; only whether the list fits the code")
    arguments = parser.parse_args()
    if arguments.check:
        print(*stale(), sep="\n", end="")
        return 1 if stale() else 0
    with tempfile.TemporaryDirectory(prefix="gmemfs-canary-") as folder:
        tree = pathlib.Path(folder) / "tree"
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, listed.decode().split("\0")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
        missed = 0
        tried = 0
        sound = set()
        for bug in BUGS:
            if arguments.only and not any(text in bug[0] for text in arguments.only):
                continue
            tried += 1
            noticed = notices(tree, bug, arguments.jobs, sound)
            missed += noticed is not True
            print({True: "noticed", False: "MISSED ", None: "NO BUILD"}[noticed], bug[0], flush=True)
    print(f"{tried} bugs planted, {missed} not noticed")
    return 1 if missed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
