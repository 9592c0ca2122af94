// RemotePlace: where a tree that comes from another host goes: its folders, made at first, and its links, at last.
//
// Folders that are there are used, and keep what is in them. Every name is looked up in its open folder, and no
// symbolic link is followed below the target.
#pragma once

#include "tools/remote/landing.hpp"
#include "tools/snapshot/format.hpp"

#include <functional>
#include <string>
#include <vector>

namespace gmemfs {

/// Takes a failure that hinders one name alone.
using Complain = std::function<void(const Error &error)>;

/// Not thread-safe.
class RemotePlace {
public:
    /// `entries` outlives it. A file goes to `path`, or into it where that is a folder. What is in a folder goes into
    /// the folder `path`, which is made where it isn't there. ENOENT: the folder above isn't there.
    /// ENOTDIR: `path` is no folder.
    static Result<RemotePlace> create(const std::string &path, const std::vector<SnapshotEntry> &entries,
        Landing::Attributes attributes, Complain complain);

    /// Makes the folders. EINTR; what else fails is complained about, and what is in such a folder isn't wanted.
    Result<void> make_folders();
    bool is_wanted(std::size_t index) const; ///< its folder is there
    Result<Fd> open_folder_of(std::size_t index) const;
    const std::string &name_of(std::size_t index) const { return index == 0 ? name_ : entries_[index].name; }
    std::string shown(std::size_t index) const; ///< the target's path, for people
    /// Symbolic and hard links, and then the folders' attributes. EINTR; what else fails is complained about. `landed`:
    /// whether the file of an entry is there.
    Result<void> finish(const std::function<bool(std::size_t)> &landed);

private:
    RemotePlace(std::string path, Fd top, std::string name, const std::vector<SnapshotEntry> &entries,
        Landing::Attributes attributes, Complain complain)
        : path_(std::move(path)), name_(std::move(name)), top_(std::move(top)), entries_(entries),
          attributes_(attributes), complain_(std::move(complain)), states_(entries.size(), State::absent) {}
    enum class State : char { absent, made, there, refused };
    Result<State> make_folder(std::size_t index) const;
    Result<void> make_link(std::size_t index) const;
    Result<void> replace_by(int folder, const std::string &made, std::size_t index) const;

    std::string path_, name_; // name_: of a single file
    Fd top_;
    const std::vector<SnapshotEntry> &entries_;
    Landing::Attributes attributes_;
    Complain complain_;
    std::vector<State> states_; // states_[index], of folders
};

} // namespace gmemfs
