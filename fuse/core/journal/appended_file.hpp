// AppendedFile: a file that records are appended to through a mapping, without a system call each.
//
//     | ... | head, body | head, body | 0 0 0 ...          |
//                                     end                  reserved
//
// A record's body is stored first, and its head in one go after it: so whenever the process dies, and whichever way,
// the head of what was not appended whole is zero. What was appended is in the page cache, and outlives the process.
// The room past the end is allocated before it is mapped: a full disk is an error of reserve(), and no SIGBUS.
#pragma once

#include "vmm/base/fd.hpp"
#include "vmm/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace gmemfs {

/// Owner of the file, and of the mapping of its end. Move-only. Not thread-safe.
class AppendedFile {
public:
    /// `file` is open for reading and writing, and ends at `end`.
    AppendedFile(Fd file, std::uint64_t end) : file_(std::move(file)), end_(end) {}
    /// Cuts off what was reserved and not used.
    ~AppendedFile();
    AppendedFile(AppendedFile &&other) noexcept;
    AppendedFile &operator=(AppendedFile &&other) noexcept;
    AppendedFile(const AppendedFile &) = delete;
    AppendedFile &operator=(const AppendedFile &) = delete;

    const Fd &file() const { return file_; }
    std::uint64_t end() const { return end_; } ///< bytes, up to the end of the last record

    /// Makes room for `size` bytes past the end, heads counted. The errno of posix_fallocate(3) or mmap(2).
    Result<void> reserve(std::size_t size);
    /// Within what was reserved. `head` isn't zero.
    void append(std::uint64_t head, std::span<const std::byte> body);

private:
    void unmap();
    Result<void> map(std::uint64_t reserved);

    Fd file_;
    std::uint64_t end_;
    std::span<std::byte> window_; // of the file, from window_at_ on
    std::uint64_t window_at_ = 0; // a multiple of the page size
};

} // namespace gmemfs
