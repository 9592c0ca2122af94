#include "fuse/ops/ops.hpp"

#include "fuse/session/worker.hpp"

#include <ctime>

namespace gmemfs {
namespace {

void op_init(void *server, fuse_conn_info *connection) {
    // Splicing was slower than copying (H200's host), and would take requests out of the pinned buffers.
    connection->want &= ~unsigned(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    connection->max_write = static_cast<unsigned>(kRequestMax);
    // ACLs, which the kernel checks; and the umask is ours to apply, because a default ACL takes its place.
    // A kernel that knows ACLs checks modes, too. Not in a private session, whose user must reach everybody's files.
    const auto &mount = *static_cast<Server *>(server);
    const bool has_acls = mount.host().options().acl && !mount.is_private();
    connection->want |= connection->capable & unsigned(FUSE_CAP_DONT_MASK | (has_acls ? FUSE_CAP_POSIX_ACL : 0));
    // A file handle (name_to_handle_at(2), NFS) outlives what the kernel remembers: inodes are found by number.
    connection->want |= connection->capable & unsigned(FUSE_CAP_EXPORT_SUPPORT);
    // So many requests of one process in flight as workers can serve, twice over.
    connection->max_background = 64;
    connection->congestion_threshold = 48;
    static_cast<Server *>(server)->greeted(connection->proto_minor);
}

} // namespace

Caller caller_of(const Reply &reply) {
    timespec now = {};
    ::clock_gettime(CLOCK_REALTIME, &now);
    Worker &worker = Worker::current();
    return {reply.who(), now, worker.copiers(), worker.request_number(), false};
}

Caller changer_of(const Reply &reply, const Inode &inode) {
    Caller caller = caller_of(reply);
    if (inode.has_set_ids()) caller.who = reply.who_in_full();
    return caller;
}

fuse_lowlevel_ops fuse_operations() {
    fuse_lowlevel_ops ops = {};
    ops.init = op_init;
    ops.lookup = op_lookup;
    ops.forget = op_forget;
    ops.forget_multi = op_forget_multi;
    ops.getattr = op_getattr;
    ops.setattr = op_setattr;
    ops.readlink = op_readlink;
    ops.mknod = op_mknod;
    ops.mkdir = op_mkdir;
    ops.unlink = op_unlink;
    ops.rmdir = op_rmdir;
    ops.symlink = op_symlink;
    ops.rename = op_rename;
    ops.link = op_link;
    ops.open = op_open;
    ops.create = op_create;
    ops.read = op_read;
    ops.write = op_write;
    ops.flush = op_flush;
    ops.release = op_release;
    ops.fsync = op_fsync;
    ops.fsyncdir = op_fsync;
    ops.fallocate = op_fallocate;
    ops.lseek = op_lseek;
    ops.copy_file_range = op_copy_file_range;
    ops.opendir = op_opendir;
    ops.readdir = op_readdir;
    ops.readdirplus = op_readdirplus;
    ops.releasedir = op_releasedir;
    ops.statfs = op_statfs;
    ops.setxattr = op_setxattr;
    ops.getxattr = op_getxattr;
    ops.listxattr = op_listxattr;
    ops.removexattr = op_removexattr;
    ops.ioctl = op_ioctl;
    return ops;
}

} // namespace gmemfs
