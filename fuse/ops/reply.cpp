#include "fuse/ops/reply.hpp"

#include "fuse/host/log.hpp"
#include "fuse/process/process_status.hpp"
#include "fuse/session/server.hpp"
#include "fuse/session/worker.hpp"

#include <linux/fuse.h>

#include <cstring>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

namespace gmemfs {
namespace {

// direct_io, because the page cache would only copy once more, and 1.0 to 2.3 GB/s instead of 2.0 to 24 are what it
// costs (H200's host). With --page-cache it is neither; without FOPEN_KEEP_CACHE, because each open is to see what
// peers have written.
constexpr std::uint32_t kOpenFlags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;

std::int64_t now_ns() {
    timespec now = {};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * std::int64_t(1000000000) + now.tv_nsec;
}

// What isn't the caller's own doing.
bool is_our_fault(int code) {
    switch (code) {
    case EIO:
    case ENOMEM:
    case ESHUTDOWN:
    case EBADF:
    case EFAULT: return true;
    default: return false;
    }
}

// The broker's socket is asked for each time: a server that took over the mount has another one.
double trusted_name_seconds(const Attributes &attributes) { return attributes.id == kHiddenInode ? 0 : kTrusted; }

} // namespace

struct stat Reply::to_stat(const Attributes &from) const {
    struct stat to = {};
    to.st_ino = from.id;
    to.st_mode = from.mode;
    to.st_nlink = from.links;
    to.st_uid = from.uid;
    to.st_gid = from.gid;
    to.st_rdev = from.device_number;
    to.st_size = static_cast<off_t>(from.size);
    to.st_blocks = static_cast<blkcnt_t>(from.allocated / 512); // st_blocks is in units of 512 bytes, stat(2)
    to.st_blksize = static_cast<blksize_t>(host().options().blksize);
    to.st_atim = from.accessed;
    to.st_mtim = from.modified;
    to.st_ctim = from.changed;
    return to;
}

double trusted_seconds(const Attributes &attributes) {
    // A write takes set-user-ID away on this side, and the kernel isn't told.
    const bool may_lose_bits = S_ISREG(attributes.mode) && (attributes.mode & (S_ISUID | S_ISGID)) != 0;
    return attributes.is_loose || may_lose_bits ? 0 : kTrusted;
}

fuse_entry_param Reply::to_entry(const Attributes &attributes) const {
    fuse_entry_param entry = {};
    entry.ino = attributes.id;
    entry.generation = host().generation_of(attributes.id);
    entry.attr = to_stat(attributes);
    entry.attr_timeout = trusted_seconds(attributes);
    entry.entry_timeout = trusted_name_seconds(attributes);
    return entry;
}

namespace {

fuse_attr to_kernel(const struct stat &status) {
    fuse_attr to = {};
    to.ino = status.st_ino;
    to.size = static_cast<std::uint64_t>(status.st_size);
    to.blocks = static_cast<std::uint64_t>(status.st_blocks);
    to.atime = static_cast<std::uint64_t>(status.st_atim.tv_sec);
    to.mtime = static_cast<std::uint64_t>(status.st_mtim.tv_sec);
    to.ctime = static_cast<std::uint64_t>(status.st_ctim.tv_sec);
    to.atimensec = static_cast<std::uint32_t>(status.st_atim.tv_nsec);
    to.mtimensec = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
    to.ctimensec = static_cast<std::uint32_t>(status.st_ctim.tv_nsec);
    to.mode = status.st_mode;
    to.nlink = static_cast<std::uint32_t>(status.st_nlink);
    to.uid = status.st_uid;
    to.gid = status.st_gid;
    to.rdev = static_cast<std::uint32_t>(status.st_rdev);
    to.blksize = static_cast<std::uint32_t>(status.st_blksize);
    return to;
}

fuse_entry_out to_kernel_entry(const fuse_entry_param &from) {
    fuse_entry_out to = {};
    to.nodeid = from.ino;
    to.generation = from.generation;
    to.entry_valid = static_cast<std::uint64_t>(from.entry_timeout);
    to.attr_valid = static_cast<std::uint64_t>(from.attr_timeout);
    to.attr = to_kernel(from.attr);
    return to;
}

// O_DIRECT goes past the page cache whatever the mount does. The kernel would do that by itself, but not past the end
// of the file, where images are.
fuse_open_out to_kernel_open(std::uint64_t handle, int flags, const Options &options) {
    fuse_open_out to = {};
    to.fh = handle;
    const bool is_direct = (flags & O_DIRECT) != 0;
    to.open_flags = !options.page_cache ? kOpenFlags : is_direct ? FOPEN_DIRECT_IO : 0;
    return to;
}

template <typename T>
iovec part(const T &value) {
    return {const_cast<T *>(&value), sizeof value};
}

template <typename T>
iovec part(std::span<const T> bytes) {
    return {const_cast<T *>(bytes.data()), bytes.size()};
}

} // namespace

Reply::Reply(fuse_req_t request, Op op, InodeId inode)
    : request_(request), server_(*static_cast<Server *>(fuse_req_userdata(request))), host_(server_.host()),
      volume_(host_.volume()), op_(op), inode_(inode) {
    if (log_shows_debug()) start_ns_ = now_ns();
}

Reply::~Reply() {
    if (!is_answered_) {
        log(LogLevel::error, "fuse", std::string("BUG: no answer to ") + op_name(op_));
        (void)send(EIO, {});
    }
    // The request is gone; the server isn't.
    if (start_ns_ == 0) return;
    log(LogLevel::debug, "fuse",
        std::string(op_name(op_)) + " inode " + std::to_string(inode_) + ": " +
            (code_ == 0 ? "ok" : std::strerror(code_)) + ", " + std::to_string((now_ns() - start_ns_) / 1000) + " us");
}

Credentials Reply::who() const {
    const fuse_ctx *const context = fuse_req_ctx(request_);
    return {context->uid, context->gid, {}, false, context->umask};
}

Credentials Reply::who_with_groups() const {
    Credentials asking = who();
    return asking.uid == 0 ? asking : who_in_full();
}

Credentials Reply::who_in_full() const {
    Credentials asking = who();
    add_process_status(asking, fuse_req_ctx(request_)->pid);
    return asking;
}

bool Reply::send(int code, std::initializer_list<iovec> body) {
    GMEMFS_ASSERT(!is_answered_);
    is_answered_ = true;
    code_ = code;
    host().stats().count(op_);
    const bool is_wanted = Worker::current().answer(code, body);
    fuse_reply_none(request_); // libfuse lets go of it
    return is_wanted;
}

void Reply::done() { (void)send(0, {}); }

void Reply::none() {
    GMEMFS_ASSERT(!is_answered_);
    is_answered_ = true;
    host().stats().count(op_);
    Worker::current().waive_answer();
    fuse_reply_none(request_);
}

void Reply::error(const Error &error) {
    if (is_our_fault(error.code)) {
        host().stats().count_error();
        log(LogLevel::error, "fuse", error, std::string(op_name(op_)) + " of inode " + std::to_string(inode_));
    } else if (error.code == ENOSPC || error.code == EDQUOT || error.code == ENOPKG) {
        log(LogLevel::warning, "fuse", error, op_name(op_));
    }
    (void)send(error.code, {});
}

void Reply::attributes(const Attributes &attributes) {
    fuse_attr_out out = {};
    out.attr_valid = static_cast<std::uint64_t>(trusted_seconds(attributes));
    out.attr = to_kernel(to_stat(attributes));
    (void)send(0, {part(out)});
}

void Reply::data(std::span<const std::byte> bytes) { (void)send(0, {part(bytes)}); }

void Reply::written(std::size_t count) {
    fuse_write_out out = {};
    out.size = static_cast<std::uint32_t>(count);
    (void)send(0, {part(out)});
}

std::uint64_t Reply::copy_max() const {
    constexpr std::uint64_t kShort = 4 * GiB - 2 * MiB; // of 32 bits, and no odd piece left of a file of whole granules
    return Worker::current().dialect().has_long_count() ? std::uint64_t(INT64_MAX) : kShort;
}

void Reply::copied(std::uint64_t count) {
    GMEMFS_ASSERT(count <= copy_max());
    if (!Worker::current().dialect().has_long_count()) return written(count);
    (void)send(0, {part(count)});
}

void Reply::text(const std::string &text) { data(std::as_bytes(std::span(text))); }

void Reply::value(std::string_view value, std::size_t room) {
    if (value.size() > room) return error(Error{ERANGE, 0, "read attribute"});
    data(std::as_bytes(std::span(value)));
}

void Reply::length(std::size_t length) {
    fuse_getxattr_out out = {};
    out.size = static_cast<std::uint32_t>(length);
    (void)send(0, {part(out)});
}

void Reply::space(const struct statvfs &space) {
    fuse_statfs_out out = {};
    out.st.blocks = space.f_blocks;
    out.st.bfree = space.f_bfree;
    out.st.bavail = space.f_bavail;
    out.st.files = space.f_files;
    out.st.ffree = space.f_ffree;
    out.st.bsize = static_cast<std::uint32_t>(space.f_bsize);
    out.st.frsize = static_cast<std::uint32_t>(space.f_frsize);
    out.st.namelen = static_cast<std::uint32_t>(space.f_namemax);
    (void)send(0, {part(out)});
}

void Reply::position(std::uint64_t offset) {
    fuse_lseek_out out = {};
    out.offset = offset;
    (void)send(0, {part(out)});
}

void Reply::control(std::span<const std::byte> bytes) {
    const fuse_ioctl_out out = {};
    (void)send(0, {part(out), part(bytes)});
}

bool Reply::entry(const Attributes &attributes) {
    const fuse_entry_out out = to_kernel_entry(to_entry(attributes));
    return send(0, {part(out)});
}

void Reply::no_entry() {
    fuse_entry_out out = {};
    out.entry_valid = kTrusted; // the name can only be made through the same kernel
    (void)send(0, {part(out)});
    code_ = ENOENT;
}

bool Reply::opened(std::uint64_t handle, int flags) {
    const fuse_open_out out = to_kernel_open(handle, flags, host().options());
    return send(0, {part(out)});
}

bool Reply::created(const Attributes &attributes, std::uint64_t handle, int flags) {
    const fuse_entry_out entry = to_kernel_entry(to_entry(attributes));
    const fuse_open_out open = to_kernel_open(handle, flags, host().options());
    return send(0, {part(entry), part(open)});
}

bool Reply::entries(std::span<const char> bytes) { return send(0, {part(bytes)}); }

} // namespace gmemfs
