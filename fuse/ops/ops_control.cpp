// Ops, control: ioctl(2), by which the commands of parity reach a file, and chattr(1) an inode.
#include "client/wire/file_control.hpp"
#include "fuse/ops/ops.hpp"
#include "fuse/session/worker.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/fs.h>

namespace gmemfs {
namespace {

using parity_control::ParityRange;
using Form = File::Form;

void tell(const BlockReport &report, ParityRange &range) {
    range.blocks = report.blocks;
    range.wrong = report.blocks_wrong;
    range.repaired = report.blocks_mended;
    range.left_wrong = report.left_wrong.size();
    const std::size_t listed = std::min<std::size_t>(report.left_wrong.size(), parity_control::kListed);
    std::copy_n(report.left_wrong.begin(), listed, range.listed);
}

Result<void> check_access(const Reply &reply, const Inode &inode) {
    if (inode.may_read_and_write(reply.who_with_groups())) return {};
    return Error{EACCES, 0, "control file", "only who may read and write the file may change how it is kept"};
}

Result<void> control(const Reply &reply, Inode &inode, unsigned command, ParityRange &range) {
    if (!inode.is_file()) return Error{ENOTTY, 0, "control parity", "only a file has it"};
    File &file = *inode.file();
    switch (command) {
    case parity_control::kVerify:
        tell(TRY(file.check_parity(ParityMode::verify, range.offset, range.length)), range);
        return {};
    case parity_control::kScrub:
        TRY(check_access(reply, inode));
        tell(TRY(file.check_parity(ParityMode::repair, range.offset, range.length)), range);
        return {};
    case parity_control::kSeal:
        TRY(check_access(reply, inode));
        if (!file.has_parity()) return Error{ENODATA, 0, "seal file", "it has no parity"};
        return file.seal();
    case parity_control::kInject:
        TRY(check_access(reply, inode));
        TRY(inode.check_flags(kFixed));
        if (!reply.host().options().allow_inject)
            return Error{EPERM, 0, "damage file", "the mount doesn't allow it: mount it with --allow-inject"};
        return file.damage(Worker::current().copiers(), range.offset, range.length, range.bits, range.seed);
    default: return Error{ENOTTY, 0, "control file"};
    }
}

Result<PackBy> codec_of(std::uint64_t number) {
    switch (number) {
    case cold_control::kAutomatic: return PackBy::automatic;
    case cold_control::kOwn: return PackBy::own;
    case cold_control::kAns: return PackBy::ans;
    case cold_control::kLz4: return PackBy::lz4;
    case cold_control::kZstd: return PackBy::zstd;
    default: return Error{EINVAL, 0, "pack file", "no codec has number " + std::to_string(number)};
    }
}

Result<void> control(Reply &reply, Inode &inode, unsigned command, cold_control::ColdState &state) {
    if (!inode.is_file()) return Error{ENOTTY, 0, "control file", "only a file can be packed"};
    TRY(check_access(reply, inode));
    const Caller caller = caller_of(reply);
    Volume &volume = reply.volume();
    const bool names_codec =
        command == unsigned(cold_control::kPackBy) || command == unsigned(cold_control::kOffloadBy);
    const PackBy by = TRY(codec_of(names_codec ? state.where : cold_control::kAutomatic));
    switch (command) {
    case unsigned(cold_control::kPack):
    case unsigned(cold_control::kPackBy):
        TRY(with_room(reply.server(), [&] { return volume.pack(caller, inode, by); }));
        break;
    case unsigned(cold_control::kWake):
        TRY(with_room(reply.server(), [&] { return volume.wake(caller, inode); }));
        break;
    default:
        const Form form = command == unsigned(cold_control::kOffloadAsItIs) ? Form::as_they_are : Form::packed;
        TRY(with_room(reply.server(), [&] { return volume.offload(caller, inode, form, by); }));
    }
    reply.server().attributes_changed(inode.id()); // st_blocks
    File &file = *inode.file();
    state = {file.mappable(), file.allocated(),
        (file.residence() == Residence::packed ? cold_control::kPacked : 0) |
            (file.is_offloaded() ? cold_control::kInHost : 0)};
    return {};
}

Result<void> open_image(const Reply &reply, Inode &inode, std::uint64_t handle, image_control::ImageState &state) {
    if (!inode.is_file()) return Error{ENOTTY, 0, "control file", "only a file has an image"};
    TRY(reply.server().opens().open_image(handle, nullptr)); // the one before makes room
    const File::ImageOf which = state.may_make != 0 ? File::ImageOf::any : File::ImageOf::packed;
    const std::shared_ptr<const OpenImage> image = TRY(reply.volume().open_image(caller_of(reply), inode, which));
    const OpenImage::Origin &origin = image->origin();
    const std::uint64_t was_packed = !origin.is_own ? 0 : origin.is_made ? 2 : 1;
    state = {state.may_make, image->size(), origin.plain_size, was_packed, origin.digest ? 1U : 0U, {}};
    if (origin.digest) std::memcpy(state.digest, origin.digest->data(), sizeof state.digest);
    return reply.server().opens().open_image(handle, image);
}

Result<void> take_image(const Reply &reply, Inode &inode, image_control::TakenImage &state) {
    if (!inode.is_file()) return Error{ENOTTY, 0, "control file", "only a file can be packed"};
    TRY(check_access(reply, inode));
    const Result<void> taken = reply.volume().take_image(caller_of(reply), inode);
    if (!taken && taken.error().code != EBADMSG) return Error(taken.error());
    state = {};
    if (!taken) {
        const std::string wrong = taken.error().detail.empty() ? taken.error().doing : taken.error().detail;
        wrong.copy(state.wrong, sizeof state.wrong - 1);
        return {};
    }
    reply.server().attributes_changed(inode.id());
    state.plain = inode.attributes().size;
    return {};
}

// Takes the request's struct, lets `serve` fill it in, and answers with it. False: the request is of another size.
template <typename Struct, typename Serve>
Result<bool> exchange(Reply &reply, std::span<const std::byte> input, std::size_t output_size, Serve serve) {
    Struct value;
    if (input.size() != sizeof value || output_size != sizeof value) return false;
    std::memcpy(&value, input.data(), sizeof value);
    TRY(serve(value));
    reply.control(std::as_bytes(std::span(&value, 1)));
    return true;
}

// FS_IOC_FSSETXATTR's bits of fsx_xflags, and the others' that mean the same; it has none for c. Its other fields are
// XFS's, and 0 here.
struct FlagPair {
    InodeFlags flag;
    std::uint32_t extended;
};
constexpr FlagPair kFlagPairs[] = {{kImmutable, FS_XFLAG_IMMUTABLE}, {kAppendOnly, FS_XFLAG_APPEND},
    {kNoDump, FS_XFLAG_NODUMP}, {kNoAccessTime, FS_XFLAG_NOATIME}};
static_assert(kImmutable == FS_IMMUTABLE_FL && kAppendOnly == FS_APPEND_FL && kNoDump == FS_NODUMP_FL);
static_assert(kNoAccessTime == FS_NOATIME_FL && kCompress == FS_COMPR_FL);

Result<InodeFlags> flags_of(const fsxattr &extended) {
    InodeFlags flags = 0;
    std::uint32_t unknown = extended.fsx_xflags;
    for (const FlagPair &pair : kFlagPairs) {
        if ((extended.fsx_xflags & pair.extended) != 0) flags |= pair.flag;
        unknown &= ~pair.extended;
    }
    if (unknown != 0 || extended.fsx_extsize != 0 || extended.fsx_projid != 0 || extended.fsx_cowextsize != 0)
        return Error{EOPNOTSUPP, 0, "set inode flags", "there are i, a, c, d and A"};
    return flags;
}

fsxattr extended_of(InodeFlags flags) {
    fsxattr extended = {};
    for (const FlagPair &pair : kFlagPairs)
        if ((flags & pair.flag) != 0) extended.fsx_xflags |= pair.extended;
    return extended;
}

Result<void> set_flags(Reply &reply, Inode &inode, InodeFlags flags) {
    TRY(reply.volume().set_flags(caller_of(reply), inode, flags));
    reply.server().attributes_changed(inode.id()); // its time
    return {};
}

// chattr(1) and lsattr(1). The kernel has checked that the caller owns the inode, and has CAP_LINUX_IMMUTABLE where i
// or a changes. A kernel that doesn't check gets no flags. False: the command is none of these.
bool serve_flags(Reply &reply, Inode &inode, unsigned command, std::span<const std::byte> input) {
    fsxattr extended = {};
    InodeFlags flags = 0;
    const auto answer = [&](const auto &value) { reply.control(std::as_bytes(std::span(&value, 1))); };
    const auto take = [&](auto &value) { // false: not the size of the command
        if (input.size() != sizeof value) return false;
        std::memcpy(&value, input.data(), sizeof value);
        return true;
    };
    switch (command) {
    case unsigned(FS_IOC_GETFLAGS): answer(inode.flags()); return true;
    case unsigned(FS_IOC_FSGETXATTR): answer(extended_of(inode.flags())); return true;
    case unsigned(FS_IOC_SETFLAGS):
        if (!take(flags)) return false;
        reply.control_result(set_flags(reply, inode, flags));
        return true;
    case unsigned(FS_IOC_FSSETXATTR): {
        if (!take(extended)) return false;
        const Result<InodeFlags> wanted = flags_of(extended);
        const InodeFlags stays = inode.flags() & kCompress;
        reply.control_result(wanted ? set_flags(reply, inode, *wanted | stays) : Result<void>(wanted.error()));
        return true;
    }
    default: return false;
    }
}

} // namespace

void op_ioctl(fuse_req_t request, fuse_ino_t ino, unsigned command, void *, fuse_file_info *file, unsigned,
    const void *input, std::size_t input_size, std::size_t output_size) {
    serve_inode(request, Op::ioctl, ino, [&](Reply &reply, Inode &inode) -> Result<void> {
        const std::span<const std::byte> bytes(static_cast<const std::byte *>(input), input_size);
        if (reply.server().kernel_checks_flags() && serve_flags(reply, inode, command, bytes)) return {};
        const auto serve = [&](auto &value) { return control(reply, inode, command, value); };
        bool is_served = false;
        switch (command) {
        case unsigned(cold_control::kPack):
        case unsigned(cold_control::kPackBy):
        case unsigned(cold_control::kWake):
        case unsigned(cold_control::kOffload):
        case unsigned(cold_control::kOffloadBy):
        case unsigned(cold_control::kOffloadAsItIs):
            is_served = TRY(exchange<cold_control::ColdState>(reply, bytes, output_size, serve));
            break;
        case unsigned(image_control::kOpen):
            is_served = TRY(exchange<image_control::ImageState>(
                reply, bytes, output_size, [&](auto &state) { return open_image(reply, inode, file->fh, state); }));
            break;
        case unsigned(image_control::kTake):
            is_served = TRY(exchange<image_control::TakenImage>(
                reply, bytes, output_size, [&](auto &state) { return take_image(reply, inode, state); }));
            break;
        default: is_served = TRY(exchange<ParityRange>(reply, bytes, output_size, serve));
        }
        // Others are asked of every filesystem: no size of ours, so no gmemfs'.
        return is_served ? Result<void>() : Result<void>(Error{ENOTTY, 0, "control file"});
    });
}

} // namespace gmemfs
