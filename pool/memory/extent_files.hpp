// ExtentFiles: gives the memory that this process makes to the mount, where each extent becomes a file.
//
//     DIR/PROGRAM.PID/arena-0                 many blocks
//     DIR/PROGRAM.PID/alloc-000007-1.5G       one allocation
//
// The process keeps its memory whatever becomes of the mount: where the server can't be reached, an extent is merely
// not listed. Only that there is no room for it, or none for the user, is the program's error.
#pragma once

#include "client/lib/connection.hpp"
#include "client/wire/protocol.hpp"
#include "pool/memory/block_table.hpp"
#include "vmm/base/lock.hpp"
#include "vmm/device/device.hpp"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace gmemfs::pool {

/// Device, mount, user or limit have no room.
inline bool is_no_room(const Error &error) { return error.code == ENOSPC || error.code == EDQUOT; }

/// Thread-safe.
class ExtentFiles {
public:
    /// What happens to the files when the process ends. One whose memory the process frees goes then.
    enum class AtEnd { drop, keep };

    /// `directory` is absolute, and in a mount. Nothing is made there before the first file.
    ExtentFiles(std::string directory, AtEnd at_end);
    /// Removes the process's directory where nothing is in it.
    ~ExtentFiles();
    ExtentFiles(const ExtentFiles &) = delete;
    ExtentFiles &operator=(const ExtentFiles &) = delete;

    enum class Kind { arena, allocation };
    /// An extent's place in the mount. Its destructor has the server drop the file; the memory is unmapped by then.
    class Listed {
    public:
        Listed(std::shared_ptr<client::Connection> connection, std::uint64_t lease, std::string path,
            BlockTable::Row row, std::optional<protocol::Ticket> ticket)
            : connection_(std::move(connection)), lease_(lease), path_(std::move(path)), row_(std::move(row)),
              ticket_(ticket) {}
        ~Listed();
        Listed(const Listed &) = delete;
        Listed &operator=(const Listed &) = delete;
        const BlockTable::Row &row() const { return row_; }
        const std::string &path() const { return path_; } ///< as it was made
        /// Names the file to the broker, wherever it is moved to. Empty: the server couldn't be asked.
        const std::optional<protocol::Ticket> &ticket() const { return ticket_; }

    private:
        const std::shared_ptr<client::Connection> connection_;
        const std::uint64_t lease_;
        const std::string path_;
        const BlockTable::Row row_;
        const std::optional<protocol::Ticket> ticket_;
    };
    BlockTable &blocks() { return blocks_; }
    /// `memory` is a descriptor of a whole allocation. ENOSPC, EDQUOT: the mount has no room for it, or the user has
    /// none. Null: it isn't listed, because the mount can't be asked; the first time that is said on standard error.
    Result<std::unique_ptr<Listed>> add(Kind kind, const DeviceInfo &device, std::uint64_t size, const Fd &memory)
        EXCLUDES(mutex_);

private:
    Result<void> open_folder() REQUIRES(mutex_);
    Result<std::unique_ptr<Listed>> donate(
        const std::string &name, const DeviceInfo &device, std::uint64_t size, const Fd &memory) REQUIRES(mutex_);
    std::string next_name(Kind kind, std::uint64_t size) REQUIRES(mutex_);

    const std::string directory_;
    const AtEnd at_end_;
    BlockTable blocks_;
    Mutex mutex_;
    std::string path_ GUARDED_BY(mutex_); // the process's own directory
    Fd folder_ GUARDED_BY(mutex_);
    unsigned arenas_ GUARDED_BY(mutex_) = 0, allocations_ GUARDED_BY(mutex_) = 0;
    bool has_complained_ GUARDED_BY(mutex_) = false;
};

} // namespace gmemfs::pool
