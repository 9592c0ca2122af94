// Ops, metadata: attributes, space, extended attributes.
#include "fuse/ops/ops.hpp"
#include "fuse/ops/xattr.hpp"

#include <algorithm>
#include <sys/statvfs.h>
#include <sys/xattr.h>

namespace gmemfs {
namespace {

constexpr std::uint64_t kBlock = 4096; // the unit of statfs

AttributeChanges changes_of(const struct stat &wanted, int which, timespec now) {
    AttributeChanges changes;
    if ((which & FUSE_SET_ATTR_MODE) != 0) changes.mode = wanted.st_mode & 07777;
    if ((which & FUSE_SET_ATTR_UID) != 0) changes.uid = wanted.st_uid;
    if ((which & FUSE_SET_ATTR_GID) != 0) changes.gid = wanted.st_gid;
    if ((which & FUSE_SET_ATTR_SIZE) != 0) changes.size = static_cast<std::uint64_t>(wanted.st_size);
    if ((which & FUSE_SET_ATTR_ATIME) != 0) changes.accessed = wanted.st_atim;
    if ((which & FUSE_SET_ATTR_MTIME) != 0) changes.modified = wanted.st_mtim;
    if ((which & FUSE_SET_ATTR_ATIME_NOW) != 0) changes.accessed = now;
    if ((which & FUSE_SET_ATTR_MTIME_NOW) != 0) changes.modified = now;
    constexpr int kTouch = FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW;
    changes.is_touch = (which & kTouch) == kTouch;
    return changes;
}

} // namespace

void op_getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info *) {
    serve_inode(request, Op::getattr, ino, [](Reply &reply, const Inode &inode) -> Result<void> {
        reply.attributes(inode.attributes());
        return {};
    });
}

void op_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *wanted, int which, fuse_file_info *) {
    serve_inode(request, Op::setattr, ino, [&](Reply &reply, Inode &inode) -> Result<void> {
        const Caller caller = changer_of(reply, inode);
        const AttributeChanges changes = changes_of(*wanted, which, caller.now);
        TRY(with_room(reply.server(), [&] { return reply.volume().set_attributes(caller, inode, changes); }));
        reply.attributes(inode.attributes());
        return {};
    });
}

void op_readlink(fuse_req_t request, fuse_ino_t ino) {
    serve_inode(request, Op::readlink, ino, [](Reply &reply, const Inode &inode) -> Result<void> {
        reply.text(inode.target());
        return {};
    });
}

void op_statfs(fuse_req_t request, fuse_ino_t ino) {
    Reply reply(request, Op::statfs, ino);
    Volume &volume = reply.volume();
    reply.server().wait_for_memory(); // so that df after rm tells the truth
    const Storage::Space space = volume.storage().space();
    const std::uint64_t files = volume.names().count() + volume.names().orphan_count();
    struct statvfs answer = {};
    answer.f_bsize = answer.f_frsize = kBlock;
    const std::uint64_t size = std::max(space.capacity, space.used); // what was taken over may be more
    answer.f_blocks = size / kBlock;
    answer.f_bfree = (size - space.used) / kBlock;
    answer.f_bavail = space.available / kBlock;
    answer.f_files = volume.names().inodes_max();
    answer.f_ffree = answer.f_favail = answer.f_files - std::min<std::uint64_t>(files, answer.f_files);
    answer.f_namemax = kNameMax;
    reply.space(answer);
}

void op_setxattr(fuse_req_t request, fuse_ino_t ino, const char *name, const char *value, std::size_t size, int flags) {
    const auto mode = (flags & XATTR_CREATE) != 0    ? Inode::XattrMode::create
                      : (flags & XATTR_REPLACE) != 0 ? Inode::XattrMode::replace
                                                     : Inode::XattrMode::any;
    serve(request, Op::setxattr, ino, [&](Reply &reply) -> Result<void> {
        if (!reply.server().was_done())
            TRY(set_xattr(reply, *TRY(reply.volume().names().find(ino)), name, {value, size}, mode));
        reply.done();
        return {};
    });
}

void op_getxattr(fuse_req_t request, fuse_ino_t ino, const char *name, std::size_t size) {
    serve_inode(request, Op::getxattr, ino, [&](Reply &reply, Inode &inode) -> Result<void> {
        const std::string value = TRY(get_xattr(reply, inode, name));
        if (size == 0)
            reply.length(xattr_room(name, value.size()));
        else
            reply.value(value, size);
        return {};
    });
}

void op_listxattr(fuse_req_t request, fuse_ino_t ino, std::size_t size) {
    serve_inode(request, Op::listxattr, ino, [&](Reply &reply, Inode &inode) -> Result<void> {
        const std::string list = list_xattrs(reply, inode);
        if (size == 0)
            reply.length(list.size());
        else
            reply.value(list, size);
        return {};
    });
}

void op_removexattr(fuse_req_t request, fuse_ino_t ino, const char *name) {
    serve(request, Op::removexattr, ino, [&](Reply &reply) -> Result<void> {
        if (!reply.server().was_done()) TRY(remove_xattr(reply, *TRY(reply.volume().names().find(ino)), name));
        reply.done();
        return {};
    });
}

} // namespace gmemfs
