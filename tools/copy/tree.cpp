#include "tools/copy/tree.hpp"

#include "tools/host/command.hpp"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

namespace gmemfs {
namespace {

namespace fs = std::filesystem;

Error interrupted() { return Error{EINTR, 0, "copy", "interrupted"}; }

bool exists(const std::string &path) {
    struct stat status = {};
    return ::lstat(path.c_str(), &status) == 0;
}

} // namespace

// What ends all is returned, the rest is said.
Result<void> CopyTree::count(const Result<void> &result, Progress *progress) {
    if (result) return {};
    if (is_interrupted()) return Error(result.error());
    if (progress != nullptr) progress->finish();
    (void)fail(result.error());
    ++failures_;
    return {};
}

Result<void> CopyTree::plan(const std::string &source, const std::string &target) {
    const auto look = [&]() -> Result<Task> {
        Task task = {source, target, {}, true};
        // A link that is named is meant itself where links are made.
        const int found =
            settings_.recursive ? ::lstat(source.c_str(), &task.status) : ::stat(source.c_str(), &task.status);
        if (found != 0) return Error{errno, 0, "copy", source};
        if (S_ISDIR(task.status.st_mode)) TRY(check_folder(task));
        if (!S_ISDIR(task.status.st_mode) && !made_.insert(target).second)
            return Error{EEXIST, 0, "copy", source + ": " + target + " was made of another one just now"};
        return task;
    };
    Result<Task> task = look();
    return task ? add(*std::move(task)) : count(Error(task.error()), nullptr);
}

Result<void> CopyTree::check_folder(const Task &folder) const {
    std::error_code error;
    if (!settings_.recursive) return Error{EISDIR, 0, "copy", folder.source + ": use -r to copy folders"};
    const fs::path whole = fs::weakly_canonical(folder.target, error);
    const fs::path from = fs::canonical(folder.source, error);
    if (std::mismatch(from.begin(), from.end(), whole.begin(), whole.end()).first == from.end())
        return Error{EINVAL, 0, "copy", folder.source + ": into itself, " + folder.target};
    return {};
}

Result<void> CopyTree::add(Task task) {
    if (is_interrupted()) return interrupted();
    if (S_ISREG(task.status.st_mode)) size_ += static_cast<std::uint64_t>(task.status.st_size);
    tasks_.push_back(std::move(task));
    return S_ISDIR(tasks_.back().status.st_mode) ? add_folder(Task(tasks_.back())) : Result<void>();
}

Result<void> CopyTree::add_folder(const Task &folder) {
    std::error_code error;
    std::vector<std::string> names;
    fs::directory_iterator entry(folder.source, error);
    for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
        names.push_back(entry->path().filename());
        if (is_interrupted()) return interrupted();
    }
    if (error) TRY(count(Error{error.value(), 0, "read folder", folder.source}, nullptr));
    for (const std::string &name : names) {
        Task task = {folder.source + "/" + name, folder.target + "/" + name, {}, false};
        if (::lstat(task.source.c_str(), &task.status) == 0)
            TRY(add(std::move(task)));
        else
            TRY(count(Error{errno, 0, "copy", task.source}, nullptr));
    }
    return {};
}

// The owner may write into it until all is there.
Result<void> CopyTree::make_folder(Task &task) {
    struct stat made = {};
    if (::lstat(task.target.c_str(), &made) == 0 && (S_ISDIR(made.st_mode) || task.is_named)) {
        if (::stat(task.target.c_str(), &made) == 0 && S_ISDIR(made.st_mode)) return {};
        return Error{ENOTDIR, 0, "overwrite", task.target + ": it is no folder, and " + task.source + " is one"};
    }
    const mode_t mode = task.status.st_mode & 0777;
    if (::mkdir(task.target.c_str(), mode) != 0) return Error{errno, 0, "make folder", task.target};
    if (::lstat(task.target.c_str(), &made) != 0) return Error{errno, 0, "make folder", task.target};
    if ((made.st_mode & S_IRWXU) == S_IRWXU) return {};
    task.mode_left = made.st_mode & 07777;
    if (::chmod(task.target.c_str(), task.mode_left | S_IRWXU) == 0) return {};
    return Error{errno, 0, "set mode", task.target};
}

// What isn't written into gives way, but no folder.
Result<void> CopyTree::clear_way(const Task &task) const {
    struct stat there = {}, meant = {};
    if (::lstat(task.target.c_str(), &there) != 0) return {};
    // A link to what would be removed would lead nowhere.
    if (::stat(task.source.c_str(), &meant) != 0) meant = task.status;
    const bool is_same = there.st_dev == task.status.st_dev && there.st_ino == task.status.st_ino;
    if (is_same || (there.st_dev == meant.st_dev && there.st_ino == meant.st_ino))
        return Error{EINVAL, 0, "copy", task.source + " and " + task.target + " are the same file"};
    if (S_ISDIR(there.st_mode)) return Error{EISDIR, 0, "overwrite", task.target + ": a folder is there"};
    if (::unlink(task.target.c_str()) != 0) return Error{errno, 0, "remove", task.target};
    return {};
}

// A symbolic link, a fifo, a socket, a device: never opened.
Result<void> CopyTree::make_node(const Task &task) {
    TRY(clear_way(task));
    if (S_ISLNK(task.status.st_mode)) {
        std::error_code error;
        const fs::path points_to = fs::read_symlink(task.source, error);
        if (!error) fs::create_symlink(points_to, task.target, error);
        if (error) return Error{error.value(), 0, "copy symbolic link", task.source + " to " + task.target};
    } else if (::mknod(task.target.c_str(), task.status.st_mode & (S_IFMT | 0777), task.status.st_rdev) != 0) {
        return Error{errno, 0, S_ISFIFO(task.status.st_mode) ? "make fifo" : "make node", task.target};
    }
    return preserve_of_node(settings_.preserve, task.status, task.target);
}

// False: it has one name, or this is the first of them.
Result<bool> CopyTree::link_to_earlier(const Task &task) {
    if (!settings_.keep_links || task.status.st_nlink < 2 || S_ISDIR(task.status.st_mode)) return false;
    const auto [first, is_new] = first_names_.emplace(std::pair(task.status.st_dev, task.status.st_ino), task.target);
    if (is_new) return false;
    struct stat one = {}, other = {};
    const bool are_there = ::lstat(first->second.c_str(), &one) == 0 && ::lstat(task.target.c_str(), &other) == 0;
    if (are_there && one.st_dev == other.st_dev && one.st_ino == other.st_ino) return true;
    TRY(clear_way(task));
    if (::link(first->second.c_str(), task.target.c_str()) == 0) return true;
    return Error{errno, 0, "link", task.target + " to " + first->second};
}

Result<void> CopyTree::copy(Task &task, Progress &progress) {
    const bool is_folder = S_ISDIR(task.status.st_mode);
    if (!is_folder && settings_.no_clobber && exists(task.target)) return {};
    if (is_folder) TRY(make_folder(task));
    const bool is_linked = !is_folder && TRY(link_to_earlier(task));
    if (!is_folder && !is_linked) {
        const bool is_made = settings_.recursive && !S_ISREG(task.status.st_mode);
        TRY(is_made ? make_node(task) : copy_file(settings_, devices_, task.source, task.target, progress));
    }
    if (settings_.verbose) std::printf("'%s' -> '%s'\n", task.source.c_str(), task.target.c_str());
    return {};
}

Result<void> CopyTree::finish_folder(const Task &task) const {
    if (settings_.preserve == Preserve::nothing) {
        if (task.mode_left == 0 || ::chmod(task.target.c_str(), task.mode_left) == 0) return {};
        return Error{errno, 0, "set mode", task.target};
    }
    const Fd source(::open(task.source.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const Fd target(::open(task.target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!source || !target) return Error{errno, 0, "open folder", source ? task.target : task.source};
    const Result<void> done = preserve_attributes(settings_.preserve, source.get(), task.status, target.get());
    if (!done) return Error{done.error().code, 0, done.error().doing, task.target};
    return {};
}

Result<void> CopyTree::run(Progress &progress) {
    std::string failed_folder; // nothing below it can be made
    for (Task &task : tasks_) {
        if (is_interrupted()) return interrupted();
        task.has_failed = !failed_folder.empty() && task.target.starts_with(failed_folder);
        if (task.has_failed) continue;
        const Result<void> copied = copy(task, progress);
        task.has_failed = !copied;
        if (!copied && S_ISDIR(task.status.st_mode)) failed_folder = task.target + "/";
        TRY(count(copied, &progress));
    }
    // Folders get their attributes after all that is in them.
    for (auto task = tasks_.rbegin(); task != tasks_.rend(); ++task) {
        if (is_interrupted()) return interrupted();
        if (S_ISDIR(task->status.st_mode) && !task->has_failed) TRY(count(finish_folder(*task), &progress));
    }
    return {};
}

} // namespace gmemfs
