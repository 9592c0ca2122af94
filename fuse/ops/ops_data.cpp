// Ops, data: open, read, write, close, and what moves or makes ranges of bytes.
#include "client/wire/file_control.hpp"
#include "fuse/host/log.hpp"
#include "fuse/ops/ops.hpp"
#include "fuse/session/worker.hpp"
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
    serve(request, Op::open, ino, [&](Reply &reply) -> Result<void> {
        const InodeRef inode = TRY(reply.volume().names().find(ino));
        const Caller caller = changer_of(reply, *inode);
        const bool truncates = (file->flags & O_TRUNC) != 0;
        if ((file->flags & O_ACCMODE) != O_RDONLY) TRY(inode->check_flags(forbidding(*file)));
        TRY(reply.volume().open(caller, *inode, truncates ? Volume::OpenMode::truncate : Volume::OpenMode::keep));
        OpenFiles &opens = reply.server().opens();
        const std::uint64_t handle = opens.add(inode);
        if (reply.opened(handle, file->flags)) return {};
        opens.remove(handle);
        (void)reply.volume().close(caller, *inode); // nothing was written through it
        return {};
    });
}

namespace {

// The file's bytes, or from where images begin those of the image that was opened of it. Nothing of that is held when
// the request is answered: whoever reads it may close it then, and count on its memory.
Result<std::size_t> read_bytes(
    Reply &reply, Inode &inode, const fuse_file_info &file, std::uint64_t offset, std::span<std::byte> to) {
    Caller caller = caller_of(reply);
    caller.leaves_no_trace = (file.flags & O_NOATIME) != 0;
    if (offset >= image_control::kStart)
        if (const std::shared_ptr<const OpenImage> image = reply.server().opens().image_of(file.fh))
            return image->read(caller.copiers, offset - image_control::kStart, to);
    return reply.volume().read(caller, inode, offset, to, reader_of(reply, file));
}

} // namespace

void op_read(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info *file) {
    serve_open(request, Op::read, ino, *file, [&](Reply &reply, Inode &inode) -> Result<void> {
        Worker &worker = Worker::current();
        const std::span<std::byte> buffer = worker.reply_buffer();
        const std::span<std::byte> to = buffer.first(std::min(size, buffer.size()));
        const std::size_t count = TRY(read_bytes(reply, inode, *file, static_cast<std::uint64_t>(offset), to));
        reply.host().stats().count_read(count);
        reply.data(to.first(count));
        // The client goes on meanwhile; the next copy from the device finds the lines faster.
        if (!worker.source().shares_processor()) demote(to.first(count));
        return {};
    });
}

void op_write(
    fuse_req_t request, fuse_ino_t ino, const char *bytes, std::size_t size, off_t offset, fuse_file_info *file) {
    serve_open(request, Op::write, ino, *file, [&](Reply &reply, Inode &inode) -> Result<void> {
        TRY(inode.check_flags(forbidding(*file)));
        const Caller caller = changer_of(reply, inode);
        const auto by = file->writepage != 0 ? File::By::page_cache : File::By::call;
        // The bytes lie in the worker's receive buffer, which is pinned: the copy engine takes them from there.
        const std::span<const std::byte> from(reinterpret_cast<const std::byte *>(bytes), size);
        const auto to = static_cast<std::uint64_t>(offset);
        TRY(with_room(reply.server(), [&] { return reply.volume().write(caller, inode, to, from, by); }));
        reply.host().stats().count_written(size);
        reply.written(size);
        return {};
    });
}

void op_flush(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file) {
    serve_open(request, Op::flush, ino, *file, [](Reply &reply, Inode &inode) -> Result<void> {
        TRY(reply.volume().flush(caller_of(reply), inode));
        reply.done();
        return {};
    });
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
    serve_inode(request, Op::fsync, ino, [](Reply &reply, Inode &inode) -> Result<void> {
        // The bytes were on the device before a write was answered; parity for which there was no room may be made now.
        TRY(with_room(reply.server(), [&] { return reply.volume().sync(inode); }));
        reply.done();
        return {};
    });
}

void op_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length, fuse_file_info *file) {
    serve_open(request, Op::fallocate, ino, *file, [&](Reply &reply, Inode &inode) -> Result<void> {
        Volume &volume = reply.volume();
        const Caller caller = changer_of(reply, inode);
        const auto from = static_cast<std::uint64_t>(offset);
        const auto count = static_cast<std::uint64_t>(length);
        const bool keeps_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
        const auto size_mode = keeps_size ? File::SizeMode::keep : File::SizeMode::extend;
        const auto allocate = [&] { return volume.allocate(caller, inode, from, count, size_mode); };
        switch (mode & ~FALLOC_FL_KEEP_SIZE) {
        case 0: TRY(with_room(reply.server(), allocate)); break;
        case FALLOC_FL_PUNCH_HOLE:
            if (!keeps_size) return Error{EOPNOTSUPP, 0, "punch hole"}; // as fallocate(2) has it
            TRY(volume.punch(caller, inode, from, count));
            break;
        case FALLOC_FL_ZERO_RANGE:
            TRY(inode.check_flags(kFixed));
            TRY(with_room(reply.server(), allocate));
            TRY(volume.zero(caller, inode, from, count));
            break;
        default: return Error{EOPNOTSUPP, 0, "allocate"};
        }
        reply.done();
        return {};
    });
}

void op_lseek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, fuse_file_info *file) {
    serve_open(request, Op::lseek, ino, *file, [&](Reply &reply, const Inode &inode) -> Result<void> {
        const auto size = static_cast<off_t>(inode.attributes().size);
        // Memory is allocated eagerly: all is data, and the one hole is at the end.
        if (whence != SEEK_DATA && whence != SEEK_HOLE) return Error{EINVAL, 0, "seek"};
        if (offset < 0 || offset >= size) return Error{ENXIO, 0, "seek"};
        reply.position(static_cast<std::uint64_t>(whence == SEEK_DATA ? offset : size));
        return {};
    });
}

void op_copy_file_range(fuse_req_t request, fuse_ino_t source, off_t source_offset, fuse_file_info *source_file,
    fuse_ino_t target, off_t target_offset, fuse_file_info *target_file, std::size_t length, int) {
    serve_open(request, Op::copy_file_range, source, *source_file, [&](Reply &reply, Inode &from) -> Result<void> {
        const Opened to = TRY(reply.server().opened(target, target_file->fh));
        const Caller caller = changer_of(reply, *to.inode);
        const auto at = static_cast<std::uint64_t>(source_offset), to_at = static_cast<std::uint64_t>(target_offset);
        const std::uint64_t count = std::min<std::uint64_t>(length, reply.copy_max()); // the rest is asked for again
        const std::uint64_t copied = TRY(
            with_room(reply.server(), [&] { return reply.volume().copy(caller, from, at, *to.inode, to_at, count); }));
        reply.host().stats().count_read(copied);
        reply.host().stats().count_written(copied);
        reply.copied(copied);
        return {};
    });
}

} // namespace gmemfs
