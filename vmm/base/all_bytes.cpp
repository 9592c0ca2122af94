#include "vmm/base/all_bytes.hpp"

#include <unistd.h>

namespace gmemfs {
namespace {

// `call(bytes, done)` moves some of what is left, `done` bytes after the first: how many, 0 at the end, or -1.
template <typename Bytes, typename Call>
Result<std::size_t> move_all(Bytes bytes, MustEnd must_end, const char *doing, const Call &call) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count = call(bytes.subspan(done), done);
        if (count < 0 && errno == EINTR && !must_end()) continue;
        if (count < 0) return Error{errno, 0, doing, {}};
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

Result<void> whole(std::size_t size, const Result<std::size_t> &written) {
    if (!written) return Error(written.error());
    if (*written < size) return Error{EIO, 0, "write", "nothing more was taken"};
    return {};
}

} // namespace

Result<std::size_t> read_until_end(int fd, std::span<std::byte> bytes, std::uint64_t offset, MustEnd must_end) {
    return move_all(bytes, must_end, "read", [&](std::span<std::byte> left, std::size_t done) {
        return ::pread(fd, left.data(), left.size(), static_cast<off_t>(offset + done));
    });
}

Result<void> read_all(int fd, std::span<std::byte> bytes, std::uint64_t offset, MustEnd must_end) {
    if (TRY(read_until_end(fd, bytes, offset, must_end)) == bytes.size()) return {};
    return Error{EIO, 0, "read", "it became shorter meanwhile; try again"};
}

Result<void> write_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset, MustEnd must_end) {
    return whole(
        bytes.size(), move_all(bytes, must_end, "write", [&](std::span<const std::byte> left, std::size_t done) {
            return ::pwrite(fd, left.data(), left.size(), static_cast<off_t>(offset + done));
        }));
}

Result<std::size_t> read_until_end(int fd, std::span<std::byte> bytes, MustEnd must_end) {
    return move_all(bytes, must_end, "read",
        [&](std::span<std::byte> left, std::size_t) { return ::read(fd, left.data(), left.size()); });
}

Result<void> write_all(int fd, std::span<const std::byte> bytes, MustEnd must_end) {
    return whole(bytes.size(), move_all(bytes, must_end, "write", [&](std::span<const std::byte> left, std::size_t) {
        return ::write(fd, left.data(), left.size());
    }));
}

} // namespace gmemfs
