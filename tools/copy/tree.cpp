#include "tools/copy/tree.hpp"

#include "tools/host/command.hpp"
#include "tools/host/mounts.hpp"
#include "tools/host/side_by_side.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <unistd.h>

namespace gmemfs {
namespace {

namespace fs = std::filesystem;

Error interrupted() { return Error{EINTR, 0, "copy", "interrupted"}; }

std::string folder_of(const std::string &path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

bool exists(const std::string &path) {
    struct stat status = {};
    return ::lstat(path.c_str(), &status) == 0;
}

} // namespace

// What ends all is returned, the rest is said.
Result<void> CopyTree::count(const Result<void> &result, Progress *progress) {
    if (result) return {};
    if (is_interrupted()) return Error(result.error());
    const Hold hold(mutex_);
    if (progress != nullptr) progress->finish();
    Error error = result.error();
    error.detail = name_of(error.detail);
    (void)fail(error);
    ++failures_;
    return {};
}

std::size_t CopyTree::failures() const {
    const Hold hold(mutex_);
    return failures_;
}

void CopyTree::about_to_rename(const std::string &made, const std::string &name) { made_for_ = {made, name}; }

void CopyTree::renamed() {
    for (auto &[inode, target] : first_names_) target = name_of(target);
}

std::string CopyTree::name_of(const std::string &text) const {
    const std::size_t at = made_for_.first.empty() ? std::string::npos : text.find(made_for_.first);
    if (at == std::string::npos) return text;
    return std::string(text).replace(at, made_for_.first.size(), made_for_.second);
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
    if (!exists(first->second)) { // what was made of that failed
        first->second = task.target;
        return false;
    }
    struct stat one = {}, other = {};
    const bool are_there = ::lstat(first->second.c_str(), &one) == 0 && ::lstat(task.target.c_str(), &other) == 0;
    if (are_there && one.st_dev == other.st_dev && one.st_ino == other.st_ino) return true;
    TRY(clear_way(task));
    if (::link(first->second.c_str(), task.target.c_str()) == 0) return true;
    return Error{errno, 0, "link", task.target + " to " + first->second};
}

Result<void> CopyTree::copy(const CopySettings &settings, Task &task, std::span<std::byte> buffer, Progress &progress) {
    const bool is_folder = S_ISDIR(task.status.st_mode);
    if (!is_folder && settings_.no_clobber && exists(task.target)) return {};
    if (is_folder) TRY(make_folder(task));
    const bool is_linked = !is_folder && TRY(link_to_earlier(task));
    const bool is_there = !is_folder && !is_linked && settings_.otherwise &&
                          TRY(settings_.otherwise(task.source, task.target, task.status));
    if (!is_folder && !is_linked && !is_there) {
        const bool is_made = settings_.recursive && !S_ISREG(task.status.st_mode);
        TRY(is_made ? make_node(task) : copy_file(settings, devices_, buffer, task.source, task.target, progress));
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

// Where a file's bytes go to in a mount of several devices, or come from in one. Nothing: no such mount is an end.
std::optional<std::string> CopyTree::find_place(const Task &task) {
    const std::string folder = folder_of(task.target);
    const auto attribute_of = [](const std::string &path) {
        const Result<std::string> told = read_attribute(path, "user.gmemfs.device");
        return told ? *told : std::string();
    };
    if (devices_.count_for(folder) > 1) {
        if (exists(task.target)) return attribute_of(task.target);
        if (last_folder_.first != folder) last_folder_ = {folder, attribute_of(folder)};
        return last_folder_.second;
    }
    if (devices_.count_for(task.source) > 1) return attribute_of(task.source);
    return std::nullopt;
}

// Whether the task is copied after those that come now: side by side with others, or after those.
bool CopyTree::set_aside(std::size_t index) {
    Task &task = tasks_.at(index);
    if (S_ISDIR(task.status.st_mode)) return false;
    const std::optional<std::string> place = S_ISREG(task.status.st_mode) ? find_place(task) : std::nullopt;
    const bool may_be_link = settings_.keep_links && task.status.st_nlink > 1; // one that is made first
    task.is_later = aside_.contains(task.target) || (place && may_be_link);
    if (!place || task.is_later) return task.is_later;
    aside_.insert(task.target);
    // What has no place yet goes wherever there is most room, which is another device each time.
    const std::size_t count = std::max(devices_.count_for(folder_of(task.target)), devices_.count_for(task.source));
    turns_.add(index, *place, place->empty() || *place == "auto" ? count : 1);
    return true;
}

Result<void> CopyTree::copy_side_by_side(Progress &progress) {
    const unsigned width = turns_.width();
    if (width == 0) return {};
    CopySettings settings = settings_;
    settings.lanes = settings.lanes.shared_by(width);
    std::atomic_flag is_taken; // this thread's buffer
    const Result<void> done = run_side_by_side(width, [&](const std::function<bool()> &must_end) -> Result<void> {
        Buffer own;
        if (is_taken.test_and_set()) own.resize(kCopyBuffer);
        Buffer &buffer = own.empty() ? buffer_ : own;
        while (!must_end()) {
            const std::optional<Turns::Turn> turn = turns_.take();
            if (!turn) break;
            Task &task = tasks_.at(turn->task);
            const Result<void> copied = copy(settings, task, buffer, progress);
            turns_.end(*turn);
            task.has_failed = !copied;
            TRY(count(copied, &progress));
        }
        return {};
    });
    return done || !is_interrupted() ? done : interrupted();
}

Result<void> CopyTree::copy_now(Task &task, Progress &progress) {
    const Result<void> copied = copy(settings_, task, buffer_, progress);
    task.has_failed = !copied;
    return count(copied, &progress);
}

Result<void> CopyTree::run(Progress &progress, std::size_t first, std::size_t end) {
    const std::span<Task> tasks = std::span(tasks_).subspan(first, end - first);
    std::string failed_folder; // nothing below it can be made
    for (std::size_t index = first; index < end; ++index) {
        if (is_interrupted()) return interrupted();
        Task &task = tasks_.at(index);
        task.has_failed = !failed_folder.empty() && task.target.starts_with(failed_folder);
        if (task.has_failed || set_aside(index)) continue;
        TRY(copy_now(task, progress));
        if (task.has_failed && S_ISDIR(task.status.st_mode)) failed_folder = task.target + "/";
    }
    TRY(copy_side_by_side(progress));
    for (Task &task : tasks) {
        if (is_interrupted()) return interrupted();
        if (task.is_later) TRY(copy_now(task, progress));
    }
    // Folders get their attributes after all that is in them.
    for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {
        if (is_interrupted()) return interrupted();
        if (S_ISDIR(task->status.st_mode) && !task->has_failed) TRY(count(finish_folder(*task), &progress));
    }
    return {};
}

} // namespace gmemfs
