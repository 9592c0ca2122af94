// Ops, data: open, read, write, close, and what moves or makes ranges of bytes.
#include "fuse/host/log.hpp"
#include "fuse/ops/ops.hpp"
#include "vmm/base/cache.hpp"

#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace gmemfs {

namespace {

// The flags of an inode that forbid to write through `file`. What the kernel writes back of a mapping may be older than
// an immutable flag, and is let through; an append-only file's mustn't be overwritten by any way.
InodeFlags forbidding(const fuse_file_info &file) {
    if (file.writepage != 0) return kAppendOnly;
    return (file.flags & O_APPEND) != 0 ? kImmutable : kFixed;
}

// Reads by a call say whose files they are, as locks do, and those of a page fault don't. With --page-cache all goes
// through the same pages, and nothing is older than they are.
File::By reader_of(const Reply &reply, const fuse_file_info &file) {
    return file.lock_owner == 0 && !reply.host().options().page_cache ? File::By::page_cache : File::By::call;
}

} // namespace

void op_open(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file) {
    Reply reply(request, Op::open, ino);
    Server &server = reply.server();
    Result<InodeRef> inode = reply.volume().names().find(ino);
    if (!inode) return reply.error(inode.error());
    const Caller caller = changer_of(reply, **inode);
    const bool truncates = (file->flags & O_TRUNC) != 0;
    if ((file->flags & O_ACCMODE) != O_RDONLY)
        if (const Result<void> allowed = (*inode)->check_flags(forbidding(*file)); !allowed)
            return reply.error(allowed.error());
    const Result<void> opened =
        reply.volume().open(caller, **inode, truncates ? Volume::OpenMode::truncate : Volume::OpenMode::keep);
    if (!opened) return reply.error(opened.error());
    const std::uint64_t handle = server.opens().add(*inode);
    if (reply.opened(handle)) return;
    server.opens().remove(handle);
    (void)reply.volume().close(caller, **inode); // nothing was written through it
}

void op_read(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info *file) {
    Reply reply(request, Op::read, ino);
    const Result<Opened> open = reply.server().opened(ino, file->fh);
    if (!open) return reply.error(open.error());
    Worker &worker = Worker::current();
    const std::span<std::byte> buffer = worker.reply_buffer();
    const std::span<std::byte> to = buffer.first(std::min(size, buffer.size()));
    Caller caller = caller_of(reply);
    caller.leaves_no_trace = (file->flags & O_NOATIME) != 0;
    const Result<std::size_t> count =
        reply.volume().read(caller, *open->inode, static_cast<std::uint64_t>(offset), to, reader_of(reply, *file));
    if (!count) return reply.error(count.error());
    reply.host().stats().count_read(*count);
    reply.data(to.first(*count));
    // The client goes on meanwhile; the next copy from the device finds the lines faster.
    if (!worker.source().shares_processor()) demote(to.first(*count));
}

void op_write(
    fuse_req_t request, fuse_ino_t ino, const char *bytes, std::size_t size, off_t offset, fuse_file_info *file) {
    Reply reply(request, Op::write, ino);
    const Result<Opened> open = reply.server().opened(ino, file->fh);
    if (!open) return reply.error(open.error());
    if (const Result<void> allowed = open->inode->check_flags(forbidding(*file)); !allowed)
        return reply.error(allowed.error());
    Server &server = reply.server();
    const Caller caller = changer_of(reply, *open->inode);
    const auto by = file->writepage != 0 ? File::By::page_cache : File::By::call;
    // The bytes lie in the worker's receive buffer, which is pinned: the copy engine takes them from there.
    const std::span<const std::byte> from(reinterpret_cast<const std::byte *>(bytes), size);
    const Result<void> written = with_room(server,
        [&] { return reply.volume().write(caller, *open->inode, static_cast<std::uint64_t>(offset), from, by); });
    if (!written) return reply.error(written.error());
    reply.host().stats().count_written(size);
    reply.written(size);
}

void op_flush(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file) {
    Reply reply(request, Op::flush, ino);
    const Result<Opened> open = reply.server().opened(ino, file->fh);
    if (!open) return reply.error(open.error());
    reply.result(reply.volume().flush(caller_of(reply), *open->inode));
}

void op_release(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file) {
    Reply reply(request, Op::release, ino);
    Server &server = reply.server();
    const Result<Opened> open = server.opened(ino, file->fh);
    if (!open) return reply.done(); // of a server before this one, and gone: there is nothing to close
    const Result<void> closed = open->is_inherited() ? reply.volume().flush(caller_of(reply), *open->inode)
                                                     : reply.volume().close(caller_of(reply), *open->inode);
    if (!closed)
        log(LogLevel::warning, "fuse", closed.error(), "settle inode " + std::to_string(ino) + " at its last close");
    server.opens().remove(file->fh);
    reply.done();
}

void op_fsync(fuse_req_t request, fuse_ino_t ino, int, fuse_file_info *) {
    Reply reply(request, Op::fsync, ino);
    const Result<InodeRef> inode = reply.volume().names().find(ino);
    if (!inode) return reply.error(inode.error());
    reply.result(reply.volume().sync(**inode)); // the bytes were on the device before a write was answered
}

void op_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length, fuse_file_info *file) {
    Reply reply(request, Op::fallocate, ino);
    Server &server = reply.server();
    const Result<Opened> open = server.opened(ino, file->fh);
    if (!open) return reply.error(open.error());
    Inode &inode = *open->inode;
    const Caller caller = changer_of(reply, inode);
    const auto from = static_cast<std::uint64_t>(offset);
    const auto count = static_cast<std::uint64_t>(length);
    const bool keeps_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
    const auto size_mode = keeps_size ? File::SizeMode::keep : File::SizeMode::extend;
    switch (mode & ~FALLOC_FL_KEEP_SIZE) {
    case 0:
        return reply.result(
            with_room(server, [&] { return reply.volume().allocate(caller, inode, from, count, size_mode); }));
    case FALLOC_FL_PUNCH_HOLE:
        if (!keeps_size) return reply.error(Error{EOPNOTSUPP, 0, "punch hole"}); // as fallocate(2) has it
        return reply.result(reply.volume().punch(caller, inode, from, count));
    case FALLOC_FL_ZERO_RANGE: {
        if (const Result<void> allowed = inode.check_flags(kFixed); !allowed) return reply.error(allowed.error());
        const Result<void> allocated =
            with_room(server, [&] { return reply.volume().allocate(caller, inode, from, count, size_mode); });
        if (!allocated) return reply.error(allocated.error());
        return reply.result(reply.volume().zero(caller, inode, from, count));
    }
    default: return reply.error(Error{EOPNOTSUPP, 0, "allocate"});
    }
}

void op_lseek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, fuse_file_info *file) {
    Reply reply(request, Op::lseek, ino);
    const Result<Opened> open = reply.server().opened(ino, file->fh);
    if (!open) return reply.error(open.error());
    const auto size = static_cast<off_t>(open->inode->attributes().size);
    // Memory is allocated eagerly: all is data, and the one hole is at the end.
    if (whence != SEEK_DATA && whence != SEEK_HOLE) return reply.error(Error{EINVAL, 0, "seek"});
    if (offset < 0 || offset >= size) return reply.error(Error{ENXIO, 0, "seek"});
    reply.position(static_cast<std::uint64_t>(whence == SEEK_DATA ? offset : size));
}

void op_copy_file_range(fuse_req_t request, fuse_ino_t source, off_t source_offset, fuse_file_info *source_file,
    fuse_ino_t target, off_t target_offset, fuse_file_info *target_file, std::size_t length, int) {
    Reply reply(request, Op::copy_file_range, source);
    Server &server = reply.server();
    const Result<Opened> from = server.opened(source, source_file->fh);
    if (!from) return reply.error(from.error());
    const Result<Opened> to = server.opened(target, target_file->fh);
    if (!to) return reply.error(to.error());
    const Caller caller = changer_of(reply, *to->inode);
    const std::uint64_t count = std::min<std::uint64_t>(length, reply.copy_max()); // the caller asks for the rest again
    const Result<std::uint64_t> copied = with_room(server, [&] {
        return reply.volume().copy(caller, *from->inode, static_cast<std::uint64_t>(source_offset), *to->inode,
            static_cast<std::uint64_t>(target_offset), count);
    });
    if (!copied) return reply.error(copied.error());
    reply.host().stats().count_read(*copied);
    reply.host().stats().count_written(*copied);
    reply.copied(*copied);
}

} // namespace gmemfs
