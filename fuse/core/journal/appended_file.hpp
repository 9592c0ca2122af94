// AppendedFile: a file that records are appended to through a mapping, without a system call each.
//
//     | ... | head, body | head, body | 0 0 0 ...          |
//                                     end                  reserved
//
// A record's body is stored first, and its head in one go after it: so whenever the process dies, and whichever way,
// the head of what was not appended whole is zero. What was appended is in the page cache, and outlives the process.
// The room past the end is allocated before it is mapped: a full disk is an error of reserve(), and no SIGBUS.
#pragma once

#include "fuse/core/journal/record_file.hpp"
#include "vmm/base/fd.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gmemfs {

/// Owner of the file, and of the mapping of its end. Not thread-safe.
class AppendedFile final : public RecordFile {
public:
    /// `file` is open for reading and writing, and ends at `end`.
    AppendedFile(Fd file, std::uint64_t end) : file_(std::move(file)), end_(end) {}
    /// Cuts off what was reserved and not used.
    ~AppendedFile() override;
    AppendedFile(const AppendedFile &) = delete;
    AppendedFile &operator=(const AppendedFile &) = delete;

    Result<std::vector<std::byte>> read() const override;
    Result<void> write(std::span<const std::byte> bytes) override;
    Result<void> cut(std::uint64_t end) override;
    std::uint64_t end() const override { return end_; }
    Result<void> reserve(std::size_t size) override;
    void append(std::uint64_t head, std::span<const std::byte> body) override;

private:
    void unmap();
    Result<void> map(std::uint64_t reserved);

    Fd file_;
    std::uint64_t end_;
    std::span<std::byte> window_; // of the file, from window_at_ on
    std::uint64_t window_at_ = 0; // a multiple of the page size
};

} // namespace gmemfs
