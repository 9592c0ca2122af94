// Stats: counters of requests, errors and bytes.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace gmemfs {

/// The requests that gmemfs serves, by libfuse's names.
enum class Op {
    lookup,
    forget,
    getattr,
    setattr,
    readlink,
    mknod,
    mkdir,
    unlink,
    rmdir,
    symlink,
    rename,
    link,
    open,
    create,
    read,
    write,
    flush,
    release,
    fsync,
    fallocate,
    lseek,
    copy_file_range,
    opendir,
    readdir,
    releasedir,
    statfs,
    setxattr,
    getxattr,
    listxattr,
    removexattr,
    ioctl,
    count
};
inline constexpr std::size_t kOpCount = static_cast<std::size_t>(Op::count);
const char *op_name(Op op);

/// Thread-safe. The counters are relaxed atomics: one that is read while others count may be a little old, never wrong.
class Stats {
public:
    void count(Op op) { requests_[static_cast<std::size_t>(op)].value.fetch_add(1, std::memory_order_relaxed); }
    void count_error() { errors_.fetch_add(1, std::memory_order_relaxed); }
    void count_read(std::uint64_t bytes) { bytes_read_.fetch_add(bytes, std::memory_order_relaxed); }
    void count_written(std::uint64_t bytes) { bytes_written_.fetch_add(bytes, std::memory_order_relaxed); }

    std::uint64_t requests(Op op) const {
        return requests_[static_cast<std::size_t>(op)].value.load(std::memory_order_relaxed);
    }
    std::uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }
    std::uint64_t bytes_read() const { return bytes_read_.load(std::memory_order_relaxed); }
    std::uint64_t bytes_written() const { return bytes_written_.load(std::memory_order_relaxed); }

private:
    struct alignas(64) Counter { // a cache line each: workers count different requests at once
        std::atomic<std::uint64_t> value = 0;
    };
    std::array<Counter, kOpCount> requests_;
    alignas(64) std::atomic<std::uint64_t> errors_ = 0; ///< requests that failed by the server's or a device's fault
    alignas(64) std::atomic<std::uint64_t> bytes_read_ = 0;
    alignas(64) std::atomic<std::uint64_t> bytes_written_ = 0;
};

} // namespace gmemfs
