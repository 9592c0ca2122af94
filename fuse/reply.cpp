#include "fuse/reply.hpp"

#include "fuse/log.hpp"
#include "fuse/server.hpp"

#include <linux/fuse.h>

#include <cstring>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

namespace gmemfs {
namespace {

// What fuse_file_info of libfuse 3.14 has no field for (FOPEN_PARALLEL_DIRECT_WRITES came with 3.15): so the answer to
// open and create is the kernel's own structure. direct_io, because the page cache would only copy once more, and 1.0
// to 2.3 GB/s instead of 2.0 to 24 are what it costs (H200's host).
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

fuse_attr to_kernel(const Attributes &from) {
    fuse_attr to = {};
    const struct stat status = to_stat(from);
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

} // namespace

struct stat to_stat(const Attributes &from) {
    struct stat to = {};
    to.st_ino = from.id;
    to.st_mode = from.mode;
    to.st_nlink = from.links;
    to.st_uid = from.uid;
    to.st_gid = from.gid;
    to.st_rdev = from.device_number;
    to.st_size = static_cast<off_t>(from.size);
    to.st_blocks = static_cast<blkcnt_t>(from.allocated / 512); // st_blocks is in units of 512 bytes, stat(2)
    to.st_blksize = static_cast<blksize_t>(kRequestMax);        // so that cp asks for the largest requests
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

fuse_entry_param to_entry(const Attributes &attributes) {
    fuse_entry_param entry = {};
    entry.ino = attributes.id;
    entry.attr = to_stat(attributes);
    entry.attr_timeout = trusted_seconds(attributes);
    // The broker's socket is asked for each time: a server that took over the mount has another one.
    entry.entry_timeout = attributes.id == kHiddenInode ? 0 : kTrusted;
    return entry;
}

Reply::Reply(fuse_req_t request, Op op, InodeId inode) : request_(request), op_(op), inode_(inode) {
    if (log_shows_debug()) start_ns_ = now_ns();
}

Reply::~Reply() {
    if (!is_answered_) {
        log(LogLevel::error, "fuse", std::string("BUG: no answer to ") + op_name(op_));
        fuse_reply_err(request_, EIO);
    }
    // The request is gone; the server isn't.
    if (start_ns_ == 0) return;
    log(LogLevel::debug, "fuse",
        std::string(op_name(op_)) + " inode " + std::to_string(inode_) + ": " +
            (code_ == 0 ? "ok" : std::strerror(code_)) + ", " + std::to_string((now_ns() - start_ns_) / 1000) + " us");
}

Server &Reply::server() const { return *static_cast<Server *>(fuse_req_userdata(request_)); }

Credentials Reply::who() const {
    const fuse_ctx *const context = fuse_req_ctx(request_);
    return {context->uid, context->gid, {}, context->umask};
}

Credentials Reply::who_with_groups() const {
    Credentials asking = who();
    if (asking.uid == 0) return asking;
    asking.groups.resize(64);
    int count = fuse_req_getgroups(request_, static_cast<int>(asking.groups.size()), asking.groups.data());
    if (count > static_cast<int>(asking.groups.size())) {
        asking.groups.resize(static_cast<std::size_t>(count));
        count = fuse_req_getgroups(request_, count, asking.groups.data());
    }
    asking.groups.resize(static_cast<std::size_t>(std::max(count, 0)));
    return asking;
}

bool Reply::answered(int code, int status) {
    GMEMFS_ASSERT(!is_answered_);
    is_answered_ = true;
    code_ = code;
    return status == 0; // ENOENT: the request was interrupted, and nobody has taken the answer
}

void Reply::done() {
    server().stats().count(op_);
    answered(0, fuse_reply_err(request_, 0));
}

void Reply::none() {
    server().stats().count(op_);
    fuse_reply_none(request_);
    answered(0, 0);
}

void Reply::error(const Error &error) {
    server().stats().count(op_);
    if (is_our_fault(error.code)) {
        server().stats().count_error();
        log(LogLevel::error, "fuse", error, std::string(op_name(op_)) + " of inode " + std::to_string(inode_));
    } else if (error.code == ENOSPC || error.code == EDQUOT) {
        log(LogLevel::warning, "fuse", error, op_name(op_));
    }
    answered(error.code, fuse_reply_err(request_, error.code));
}

void Reply::attributes(const Attributes &attributes) {
    server().stats().count(op_);
    const struct stat status = to_stat(attributes);
    answered(0, fuse_reply_attr(request_, &status, trusted_seconds(attributes)));
}

void Reply::data(std::span<const std::byte> bytes) {
    server().stats().count(op_);
    answered(0, fuse_reply_buf(request_, reinterpret_cast<const char *>(bytes.data()), bytes.size()));
}

void Reply::written(std::size_t count) {
    server().stats().count(op_);
    answered(0, fuse_reply_write(request_, count));
}

std::uint64_t Reply::copy_max() const {
    constexpr std::uint64_t kShort = 4 * GiB - 2 * MiB; // of 32 bits, and no odd piece left of a file of whole granules
    return Worker::current().dialect().has_long_count() ? std::uint64_t(INT64_MAX) : kShort;
}

void Reply::copied(std::uint64_t count) {
    GMEMFS_ASSERT(count <= copy_max());
    if (!Worker::current().dialect().has_long_count()) return written(count);
    server().stats().count(op_);
    answered(0, fuse_reply_buf(request_, reinterpret_cast<const char *>(&count), sizeof count));
}

void Reply::text(const std::string &text) {
    server().stats().count(op_);
    answered(0, fuse_reply_readlink(request_, text.c_str()));
}

void Reply::value(std::string_view value, std::size_t room) {
    if (room != 0 && value.size() > room) return error(Error{ERANGE, 0, "read attribute"});
    server().stats().count(op_);
    answered(
        0, room == 0 ? fuse_reply_xattr(request_, value.size()) : fuse_reply_buf(request_, value.data(), value.size()));
}

void Reply::space(const struct statvfs &space) {
    server().stats().count(op_);
    answered(0, fuse_reply_statfs(request_, &space));
}

void Reply::position(std::uint64_t offset) {
    server().stats().count(op_);
    answered(0, fuse_reply_lseek(request_, static_cast<off_t>(offset)));
}

void Reply::control(std::span<const std::byte> bytes) {
    server().stats().count(op_);
    answered(0, fuse_reply_ioctl(request_, 0, bytes.data(), bytes.size()));
}

bool Reply::entry(const Attributes &attributes) {
    server().stats().count(op_);
    const fuse_entry_param entry = to_entry(attributes);
    return answered(0, fuse_reply_entry(request_, &entry));
}

void Reply::no_entry() {
    server().stats().count(op_);
    fuse_entry_param entry = {};
    entry.entry_timeout = kTrusted; // whoever makes the name comes through the same kernel
    answered(ENOENT, fuse_reply_entry(request_, &entry));
}

bool Reply::opened(std::uint64_t handle) {
    server().stats().count(op_);
    fuse_open_out out = {};
    out.fh = handle;
    out.open_flags = kOpenFlags;
    return answered(0, fuse_reply_buf(request_, reinterpret_cast<const char *>(&out), sizeof out));
}

bool Reply::created(const Attributes &attributes, std::uint64_t handle) {
    server().stats().count(op_);
    struct {
        fuse_entry_out entry;
        fuse_open_out open;
    } out = {};
    static_assert(sizeof out == sizeof out.entry + sizeof out.open);
    out.entry.nodeid = attributes.id;
    out.entry.entry_valid = static_cast<std::uint64_t>(kTrusted);
    out.entry.attr_valid = static_cast<std::uint64_t>(trusted_seconds(attributes));
    out.entry.attr = to_kernel(attributes);
    out.open.fh = handle;
    out.open.open_flags = kOpenFlags;
    return answered(0, fuse_reply_buf(request_, reinterpret_cast<const char *>(&out), sizeof out));
}

bool Reply::entries(std::span<const char> bytes) {
    server().stats().count(op_);
    return answered(0, fuse_reply_buf(request_, bytes.data(), bytes.size()));
}

} // namespace gmemfs
