// Ops, control: ioctl(2), by which the commands of parity reach a file.
#include "client/file_control.hpp"
#include "fuse/ops.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gmemfs {
namespace {

using parity_control::Range;

void tell(const BlockReport &report, Range &range) {
    range.blocks = report.blocks;
    range.wrong = report.blocks_wrong;
    range.repaired = report.blocks_mended;
    range.left_wrong = report.left_wrong.size();
    const std::size_t listed = std::min<std::size_t>(report.left_wrong.size(), parity_control::kListed);
    std::copy_n(report.left_wrong.begin(), listed, range.listed);
}

Result<void> check_access(const Reply &reply, const Inode &inode) {
    if (inode.may_read_and_write(reply.who_with_groups())) return {};
    return Error{EACCES, 0, "control parity", "only who may read and write the file may change it or its parity"};
}

Result<void> control(const Reply &reply, Inode &inode, unsigned command, Range &range) {
    if (!inode.is_file()) return Error{ENOTTY, 0, "control parity", "only a file has it"};
    File &file = *inode.file();
    Server &server = reply.server();
    switch (command) {
    case parity_control::kVerify:
        tell(TRY(file.check_parity(File::ParityMode::verify, range.offset, range.length)), range);
        return {};
    case parity_control::kScrub:
        TRY(check_access(reply, inode));
        tell(TRY(file.check_parity(File::ParityMode::repair, range.offset, range.length)), range);
        return {};
    case parity_control::kSeal:
        TRY(check_access(reply, inode));
        if (!file.has_parity()) return Error{ENODATA, 0, "seal file", "it has no parity"};
        return file.seal();
    case parity_control::kInject:
        TRY(check_access(reply, inode));
        if (!server.options().allow_inject)
            return Error{EPERM, 0, "damage file", "the mount doesn't allow it: mount it with --allow-inject"};
        return file.damage(Worker::current().copiers(), range.offset, range.length, range.bits, range.seed);
    default: return Error{ENOTTY, 0, "control file"};
    }
}

} // namespace

void op_ioctl(fuse_req_t request, fuse_ino_t ino, unsigned command, void *, fuse_file_info *, unsigned,
    const void *input, std::size_t input_size, std::size_t output_size) {
    Reply reply(request, Op::ioctl, ino);
    Range range;
    // Others are asked of every filesystem (FS_IOC_GETFLAGS by lsattr and cp, say): no size of ours, so no gmemfs'.
    if (input_size != sizeof range || output_size != sizeof range) return reply.error({ENOTTY, 0, "control file"});
    std::memcpy(&range, input, sizeof range);
    const Result<InodeRef> inode = reply.server().volume().names().find(ino);
    if (!inode) return reply.error(inode.error());
    const Result<void> done = control(reply, **inode, command, range);
    if (!done) return reply.error(done.error());
    reply.control(std::as_bytes(std::span(&range, 1)));
}

} // namespace gmemfs
