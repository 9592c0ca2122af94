#include "tools/remote/place.hpp"

#include "tools/host/interruption.hpp"
#include "tools/snapshot/entry_attributes.hpp"
#include "tools/snapshot/tree.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

bool is_folder(const std::string &path) {
    struct stat status = {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

Error interrupted() { return Error{EINTR, 0, "interrupted", {}}; }

} // namespace

Result<RemotePlace> RemotePlace::create(const std::string &path, const std::vector<SnapshotEntry> &entries,
    Landing::Attributes attributes, Complain complain) {
    std::string top = path, name;
    if (entries.front().is_folder()) {
        if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) return Error{errno, 0, "make folder", path};
    } else if (is_folder(path)) {
        name = entries.front().name;
    } else {
        if (path.ends_with('/')) return Error{ENOENT, 0, "open folder", path};
        const std::size_t slash = path.rfind('/');
        top = slash == std::string::npos ? "." : path.substr(0, slash + 1);
        name = slash == std::string::npos ? path : path.substr(slash + 1);
    }
    Fd folder(::open(top.c_str(), kFolderFlags));
    if (!folder) return Error{errno, 0, "open folder", top};
    const std::string shown = name.empty() || is_folder(path) ? path : top == "." ? "" : top;
    return RemotePlace(shown, std::move(folder), name, entries, attributes, std::move(complain));
}

std::string RemotePlace::shown(std::size_t index) const {
    if (index == 0 && entries_[0].is_folder()) return path_;
    const std::string name = index == 0 ? name_ : path_of(entries_, index);
    return path_.empty() || path_.ends_with('/') ? path_ + name : path_ + "/" + name;
}

bool RemotePlace::is_wanted(std::size_t index) const {
    if (index == 0) return true;
    const State above = states_[entries_[index].parent];
    return above == State::made || above == State::there;
}

Result<Fd> RemotePlace::open_folder_of(std::size_t index) const {
    return open_folder(top_.get(), entries_, index == 0 ? 0 : entries_[index].parent);
}

// Its owner may fill it, whatever its mode will be.
Result<RemotePlace::State> RemotePlace::make_folder(std::size_t index) const {
    const Fd above = TRY(open_folder_of(index));
    const char *const name = entries_[index].name.c_str();
    const mode_t mode = entries_[index].mode & 0777;
    if (::mkdirat(above.get(), name, mode | S_IRWXU) == 0) return State::made;
    if (errno != EEXIST) return Error{errno, 0, "make folder", {}};
    const Fd there(::openat(above.get(), name, kFolderFlags | O_NOFOLLOW));
    if (!there) return Error{errno == ELOOP ? ENOTDIR : errno, 0, "open folder", {}};
    return State::there;
}

Result<void> RemotePlace::make_folders() {
    if (entries_[0].is_folder()) states_[0] = State::there;
    for (std::size_t index = 1; index < entries_.size(); ++index) {
        if (!entries_[index].is_folder() || !is_wanted(index)) continue;
        if (is_interrupted()) return interrupted();
        const Result<State> made = make_folder(index);
        states_[index] = made ? *made : State::refused;
        if (!made) complain_(about(shown(index), made.error()));
    }
    return {};
}

// A name that is there is replaced at once, but a folder never.
Result<void> RemotePlace::replace_by(int folder, const std::string &made, std::size_t index) const {
    if (::renameat(folder, made.c_str(), folder, name_of(index).c_str()) == 0) {
        // Two names of one file: rename(2) leaves both.
        (void)::unlinkat(folder, made.c_str(), 0);
        return {};
    }
    const int code = errno;
    (void)::unlinkat(folder, made.c_str(), 0);
    return Error{code, 0, "rename to", {}};
}

Result<void> RemotePlace::make_link(std::size_t index) const {
    const SnapshotEntry &entry = entries_[index];
    const Fd folder = TRY(open_folder_of(index));
    const std::string made = random_name(kNewFilePrefix);
    if (entry.is_other_name()) {
        const Fd first = TRY(open_folder_of(entry.link_to));
        if (::linkat(first.get(), name_of(entry.link_to).c_str(), folder.get(), made.c_str(), 0) != 0)
            return Error{errno, 0, "make hard link", {}};
        return replace_by(folder.get(), made, index);
    }
    if (::symlinkat(entry.target.c_str(), folder.get(), made.c_str()) != 0)
        return Error{errno, 0, "make symbolic link", {}};
    if (attributes_ == Landing::Attributes::preserved) TRY(set_attributes(folder.get(), made, entry));
    return replace_by(folder.get(), made, index);
}

Result<void> RemotePlace::finish(const std::function<bool(std::size_t)> &landed) {
    for (std::size_t index = 0; index < entries_.size(); ++index) {
        const SnapshotEntry &entry = entries_[index];
        if (entry.is_folder() || entry.is_file() || !is_wanted(index)) continue;
        if (is_interrupted()) return interrupted();
        const SnapshotEntry &first = entry.is_other_name() ? entries_[entry.link_to] : entry;
        if (first.is_file() && !landed(entry.link_to)) continue; // that was complained about
        const bool can = first.is_file() || first.is_link();
        const Result<void> made =
            can ? make_link(index) : Error{ENOTSUP, 0, "fetch", "devices, sockets and fifos don't travel"};
        if (!made) complain_(about(shown(index), made.error()));
    }
    // From the innermost: a folder that may not be written would hinder those in it.
    for (std::size_t index = entries_.size(); index-- > 0;) {
        const bool keeps = attributes_ == Landing::Attributes::preserved;
        if (!entries_[index].is_folder() || (states_[index] != State::made && !keeps)) continue;
        if (states_[index] == State::refused || states_[index] == State::absent) continue;
        const Result<Fd> folder = open_folder(top_.get(), entries_, index);
        Result<void> done = folder ? Result<void>() : Error(folder.error());
        if (folder && keeps) {
            const Result<std::size_t> set = set_attributes(folder->get(), entries_[index]);
            if (!set) done = Error(set.error());
        } else if (folder && (entries_[index].mode & S_IRWXU) != S_IRWXU) {
            const mode_t mask = ::umask(0);
            ::umask(mask);
            if (::fchmod(folder->get(), entries_[index].mode & 0777 & ~mask) != 0)
                done = Error{errno, 0, "set mode", {}};
        }
        if (!done) complain_(about(shown(index), done.error()));
    }
    return {};
}

} // namespace gmemfs
