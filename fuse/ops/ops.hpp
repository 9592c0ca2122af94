// Ops: the table of functions that libfuse calls, one a request. Each makes a Reply, asks the Volume, and answers.
#pragma once

#include "fuse/ops/reply.hpp"
#include "fuse/session/server.hpp"

namespace gmemfs {

fuse_lowlevel_ops fuse_operations();

/// What the Volume must know of a request: its caller, the time, and the worker's copiers.
Caller caller_of(const Reply &reply);
/// The same for what may take set-ID bits of `inode` away: with groups and capabilities where it has such bits.
Caller changer_of(const Reply &reply, const Inode &inode);

// ops_name.cpp
void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t request, fuse_ino_t ino, std::uint64_t lookups);
void op_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data *forgets);
void op_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t number);
void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void op_unlink(fuse_req_t request, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
    unsigned flags);
void op_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, fuse_file_info *file);
void op_opendir(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file);
void op_readdir(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info *file);
void op_readdirplus(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info *file);
void op_releasedir(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file);

// ops_meta.cpp
void op_getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file);
void op_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *wanted, int which, fuse_file_info *file);
void op_readlink(fuse_req_t request, fuse_ino_t ino);
void op_statfs(fuse_req_t request, fuse_ino_t ino);
void op_setxattr(fuse_req_t request, fuse_ino_t ino, const char *name, const char *value, std::size_t size, int flags);
void op_getxattr(fuse_req_t request, fuse_ino_t ino, const char *name, std::size_t size);
void op_listxattr(fuse_req_t request, fuse_ino_t ino, std::size_t size);
void op_removexattr(fuse_req_t request, fuse_ino_t ino, const char *name);

// ops_data.cpp
void op_open(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file);
void op_read(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info *file);
void op_write(
    fuse_req_t request, fuse_ino_t ino, const char *bytes, std::size_t size, off_t offset, fuse_file_info *file);
void op_flush(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file);
void op_release(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file);
void op_fsync(fuse_req_t request, fuse_ino_t ino, int datasync, fuse_file_info *file);
void op_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length, fuse_file_info *file);
void op_lseek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, fuse_file_info *file);
void op_copy_file_range(fuse_req_t request, fuse_ino_t source, off_t source_offset, fuse_file_info *source_file,
    fuse_ino_t target, off_t target_offset, fuse_file_info *target_file, std::size_t length, int flags);

// ops_control.cpp
void op_ioctl(fuse_req_t request, fuse_ino_t ino, unsigned command, void *argument, fuse_file_info *file,
    unsigned flags, const void *input, std::size_t input_size, std::size_t output_size);

/// Serves one request: `body` answers it by the Reply that it gets, or returns the error to answer with.
template <typename Body>
void serve(fuse_req_t request, Op op, InodeId inode, Body body) {
    Reply reply(request, op, inode);
    if (const Result<void> served = body(reply); !served) reply.error(served.error());
}

/// The same for what is asked of an inode: ENOENT, ESTALE: there is none of this number. `body` gets it, too.
template <typename Body>
void serve_inode(fuse_req_t request, Op op, InodeId id, Body body) {
    serve(request, op, id, [&](Reply &reply) -> Result<void> {
        const InodeRef inode = TRY(reply.volume().names().find(id));
        return body(reply, *inode);
    });
}

/// The same for what is asked of an open file.
template <typename Body>
void serve_open(fuse_req_t request, Op op, InodeId id, const fuse_file_info &file, Body body) {
    serve(request, op, id, [&](Reply &reply) -> Result<void> {
        const Opened open = TRY(reply.server().opened(id, file.fh));
        return body(reply, *open.inode);
    });
}

/// Runs what needs memory; once more where there was none and unlinked files were about to give theirs back.
template <typename Operation>
auto with_room(Front &front, Operation operation) {
    auto result = operation();
    const bool lacks_room = !result && (result.error().code == ENOSPC || result.error().code == EDQUOT);
    if (lacks_room && front.wait_for_memory()) result = operation();
    return result;
}

} // namespace gmemfs
