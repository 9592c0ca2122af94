// RecordFile: what a journal asks of its file, and of the folder around it; AppendedFile is one on a disk.
//
// Tests have one whose calls fail in turn: so whatever a filesystem may refuse is seen to lose nothing.
#pragma once

#include "vmm/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gmemfs {

/// Owner of an open file that records are appended to. Not thread-safe. Errors: the errno of what failed.
class RecordFile {
public:
    virtual ~RecordFile() = default;

    virtual Result<std::vector<std::byte>> read() const = 0;    ///< all of it
    virtual Result<void> write(std::span<const std::byte>) = 0; ///< all at once, at the end; nothing is reserved there
    virtual Result<void> cut(std::uint64_t end) = 0;            ///< what comes after `end` bytes goes
    virtual std::uint64_t end() const = 0;                      ///< bytes, without what is reserved

    /// Makes room for `size` bytes past the end, heads counted.
    virtual Result<void> reserve(std::size_t size) = 0;
    /// Within what was reserved. `head` isn't zero; it is stored last.
    virtual void append(std::uint64_t head, std::span<const std::byte> body) = 0;
};

/// Thread-safe. Errors: the errno of what failed.
class RecordFiles {
public:
    virtual ~RecordFiles() = default;

    /// ENOENT: there is none.
    virtual Result<std::unique_ptr<RecordFile>> open(const std::string &path) const = 0;
    /// An empty file, whatever was there.
    virtual Result<std::unique_ptr<RecordFile>> create(const std::string &path) const = 0;
    virtual Result<void> rename(const std::string &from, const std::string &to) const = 0;
    virtual void remove(const std::string &path) const = 0; ///< where it can

    static const RecordFiles &on_disk();
};

} // namespace gmemfs
