// Thin folder: the directory of a thin disk: which of its parts are there, and how they are made and removed.
//
//     DIR/size      the disk's size, as text
//     DIR/000012    the part from byte 12 * 64 MiB on; a file of 64 MiB, or, where its maker died, of no byte yet
//
// Everything here asks the mount's server, and so it takes as long as that does.
#pragma once

#include "block/disk/disk.hpp"
#include "client/lib/broker_session.hpp"

#include <map>
#include <string>
#include <vector>

namespace gmemfs::block {

/// Owner of the leases of what it has attached. Move-only. Not thread-safe.
class ThinFolder {
public:
    static constexpr std::uint64_t kSizeMax = 1000000 * kPartSize; ///< six digits; 61 TiB

    /// Opens the directory. ENODATA: it has no size. EINVAL: its size is none. ENOTTY: it is on no gmemfs mount.
    /// Others: see BrokerSession.
    static Result<ThinFolder> open(const std::string &path, Mode mode);
    /// Before all that follows, for as long as this lives: see lock_thin_folder().
    Result<void> lock();

    std::uint64_t size() const { return size_; } ///< of the disk, bytes
    std::size_t part_count() const { return round_up(size_, kPartSize) / kPartSize; }
    const std::string &driver() const { return driver_; } ///< library
    const std::string &device() const { return device_; } ///< where new parts will be: a UUID's text; may be empty

    /// The parts that are there, in order; what a maker that died has left is removed. EINVAL: a part has another size
    /// than 64 MiB. ERANGE: it lies past the disk's end.
    Result<std::vector<std::uint32_t>> list();
    /// Takes a lease of a part that is there. Errors: see BrokerSession::attach.
    Result<client::Attached> attach(std::uint32_t index);
    /// Makes a part of zeros, and takes a lease. ENOSPC, EDQUOT: there is no memory for it. A mount that has gone is
    /// waited for, 10 s at the most, and not again before something has succeeded.
    Result<client::Attached> make(std::uint32_t index);
    /// Removes a part, and ends its lease.
    Result<void> remove(std::uint32_t index);

private:
    ThinFolder(std::string path, Mode mode) : path_(std::move(path)), mode_(mode) {}
    std::string path_of(std::uint32_t index) const;
    Result<Fd> open_again() const;
    Result<client::Attached> make_once(std::uint32_t index);
    Result<client::Attached> attach_file(const Fd &file, std::uint32_t index);

    std::string path_;
    Mode mode_;
    Fd folder_;
    std::optional<client::BrokerSession> session_;
    std::string driver_, device_;
    std::uint64_t size_ = 0;
    std::map<std::uint32_t, std::uint64_t> leases_;
    bool is_reachable_ = true;
};

/// By flock(2), which holds in children that inherit the descriptor, too. EBUSY: somebody serves it already.
Result<void> lock_thin_folder(const Fd &folder, const std::string &path);

/// The size of the disk that the directory at `path` is. Errors: as those of ThinFolder::open().
Result<std::uint64_t> thin_size(const std::string &path);

/// Gives a directory that has no size one; makes the directory where it isn't there. EEXIST: it has another size, or
/// other files. EINVAL: not a multiple of 4 KiB, or more than a thin disk may have.
Result<void> make_thin_folder(const std::string &path, std::uint64_t size);

/// What a write is told of an error of make(): ENOSPC or EIO.
int refusal_of(const Error &error);

/// Does an order of `disk`'s parts, in the process that serves it. The error is for the user: the disk has been told.
Result<void> fulfil(ThinFolder &folder, const Parts::Order &order, Disk &disk);

} // namespace gmemfs::block
