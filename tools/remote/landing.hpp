// Landing: one file that comes from another host, until it has its name.
//
//     new file   without a name (NewFile): nobody sees it, and nothing is left of it after a failure
//     part       .gmemfs-part. and the file's name: what is there after a failure is where the next attempt begins,
//                with --resume
//
// Either is renamed onto the name when all is there and right.
#pragma once

#include "tools/copy/ends.hpp"
#include "tools/host/new_file.hpp"
#include "tools/remote/message.hpp"

#include <memory>
#include <string>

namespace gmemfs {

/// Owner. Not thread-safe.
class Landing {
public:
    enum class Kind { new_file, part };
    /// A file for `name` in the open folder. `mode` is the source's. EBUSY: another pull has the
    /// part. Else open(2)'s errors.
    static Result<std::unique_ptr<Landing>> create(Fd folder, const std::string &name, mode_t mode, Kind kind);
    Landing(const Landing &) = delete;
    Landing &operator=(const Landing &) = delete;
    ~Landing(); ///< a part that nothing has come of goes

    int fd() const { return file_ ? file_->fd() : part_.get(); }
    /// For copies past the filesystem.
    OpenedFile opened() const;
    std::uint64_t size() const; ///< of what is there: a part's, from the attempt before
    /// Room for `size` bytes; ENOSPC. What is behind is cut off.
    Result<void> allocate(std::uint64_t size) const;
    /// The file as it is now, and an empty one in its place. Not of a part.
    Result<std::unique_ptr<NewFile>> replace(mode_t mode);
    /// Bytes of another file, which has them. copy_file_range(2)'s errors; EIO: it hasn't.
    Result<void> copy_from(int other, const ByteRange &range) const;

    /// Gives the file `entry`'s attributes, or the mode that a new file has; and then the name. How many attributes
    /// were left out. link(2)'s and rename(2)'s errors.
    enum class Attributes { of_new_file, preserved };
    Result<std::size_t> publish(const SnapshotEntry &entry, Attributes attributes);

private:
    Landing(Fd folder, std::string name) : folder_(std::move(folder)), name_(std::move(name)) {}
    Result<void> open_part(mode_t mode);

    const Fd folder_;
    const std::string name_;
    std::unique_ptr<NewFile> file_; // one of both
    Fd part_;
    std::string part_name_; // empty once it has its name
    mode_t mode_ = 0;       // of a part
};

} // namespace gmemfs
