// SnapshotPlace: restores a snapshot into a folder: all of it, or nothing.
//
// Everything but folders is first made in a staging folder inside, .gmemfs-restore. and 16 random digits, under the
// numbers of the entries. The staging folder is locked (flock(2)) as long as its maker lives. The next restore removes
// one that isn't locked.
//
//     stage    files allocated, data written, checksums compared     a failure removes the folder, and nothing is left
//     publish  folders made, the rest renamed to where it belongs    a failure takes back what was made, unless
//                                                                    something was replaced
//     finish   the folders' own attributes
//
// No name of the snapshot is looked up before publish, and then each alone, with O_NOFOLLOW: no link leads outside.
#pragma once

#include "tools/snapshot/tree.hpp"

namespace gmemfs {

/// The order of calls: check, stage, put by any thread, publish. Thread-safe in open_file alone.
class SnapshotPlace {
public:
    enum class Existing { refuse, replace };
    /// `entries` outlives the place. ENOENT, ENOTDIR: `path` is no folder.
    static Result<SnapshotPlace> create(
        const std::string &path, const std::vector<SnapshotEntry> &entries, Existing existing);
    SnapshotPlace(SnapshotPlace &&) = default;
    SnapshotPlace &operator=(SnapshotPlace &&) = delete;
    ~SnapshotPlace(); ///< removes what is still staged

    /// Checks, before anything is made, that all of the snapshot can be restored here. ENOSPC: no room. EEXIST: a name
    /// is there, and may not be replaced. EISDIR: a folder is where something else would go. EXDEV: another filesystem
    /// is mounted in the way. `room`: whether the files need room for all of their bytes.
    enum class Room { whole, unknown };
    Result<void> check(Room room);
    /// Makes everything but folders, files empty. EPERM for device nodes alone is no error: they are left out.
    Result<void> stage();
    Result<Fd> open_file(std::size_t index) const; ///< a staged one, to read and write
    /// Room for a staged file's bytes, in one extent where that is a mount. A small file is written at once instead,
    /// and shares an extent with others. ENOSPC.
    Result<void> allocate(std::size_t index, int file, std::uint64_t size) const;
    /// Another staged file in the place of this one, under all of its names.
    Result<Fd> make_anew(std::size_t index) const;
    /// Applies what the snapshot's end tells: files that had vanished, or became shorter, while they were saved.
    Result<void> cut(const std::vector<SnapshotCut> &cuts);
    /// Gives what is staged its attributes and its name. EINTR.
    Result<void> publish();

    std::size_t left_out() const { return left_out_; } ///< device nodes that this user may not make
    /// How many attributes were left out, because root alone sets them (trusted ones, capabilities), or this filesystem
    /// doesn't keep them.
    std::size_t attributes_left_out() const { return attributes_left_out_; }

private:
    enum class State : char { absent, merged, staged, skipped, published };
    SnapshotPlace(std::string path, Fd top, const std::vector<SnapshotEntry> &entries, Existing existing)
        : path_(std::move(path)), top_(std::move(top)), entries_(entries), existing_(existing),
          states_(entries.size(), State::absent) {}
    Result<void> check_room(Room room_for) const;
    Result<void> check_name(std::size_t index, int folder);
    Result<void> make(std::size_t index);
    Result<void> make_staging();
    void remove_leftovers() const;
    Result<void> set_attributes(int folder, const std::string &name, const SnapshotEntry &entry);
    Result<void> publish_one(std::size_t index, int folder);
    Result<void> publish_names();
    Result<void> finish_folders();
    void take_back();
    void remove_staging();
    Error failed(int code, const char *doing, std::size_t index) const;

    std::string path_;
    Fd top_, staging_;
    const std::vector<SnapshotEntry> &entries_;
    Existing existing_;
    std::vector<State> states_; // states_[index]
    std::string staging_name_;
    std::size_t left_out_ = 0, attributes_left_out_ = 0;
    bool was_empty_ = false; // then the folder's own attributes are those of entry 0
};

} // namespace gmemfs
