#include "tools/copy/move.hpp"

#include "tools/host/command.hpp"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <system_error>
#include <unistd.h>

namespace gmemfs {
namespace {

namespace fs = std::filesystem;

std::string without_slashes(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

// With its slash; "./" for a name alone.
std::string folder_of(const std::string &path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

bool is_one_name(const std::string &left, const std::string &right) {
    std::error_code error;
    const bool is_one_folder = fs::equivalent(folder_of(left), folder_of(right), error);
    return is_one_folder && fs::path(left).filename() == fs::path(right).filename();
}

bool is_inside(const std::string &path, const std::string &folder) {
    std::error_code error;
    const fs::path whole = fs::weakly_canonical(path, error);
    const fs::path from = fs::canonical(folder, error);
    return std::mismatch(from.begin(), from.end(), whole.begin(), whole.end()).first == from.end();
}

Result<void> check_may_change(const std::string &folder) {
    if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return {};
    return Error{errno, 0, "move from", folder};
}

// EBUSY: the name has another file than plan() met, or what was copied of it is old. A number tells a file from another
// one in a mount, where names were kept; elsewhere (sshfs) one file may have several in turn.
enum class Taken { copied, kept };
Result<void> check_same(const CopyTree::Task &task, Taken how) {
    const struct stat &then = task.status;
    struct stat now = {};
    if (::lstat(task.source.c_str(), &now) != 0) return Error{errno, 0, "move", task.source};
    const bool is_same_time = now.st_mtim.tv_sec == then.st_mtim.tv_sec && now.st_mtim.tv_nsec == then.st_mtim.tv_nsec;
    const bool is_old = S_ISREG(then.st_mode) && (now.st_size != then.st_size || !is_same_time);
    const bool is_same_type = (now.st_mode & S_IFMT) == (then.st_mode & S_IFMT);
    if (is_same_type && (how == Taken::kept ? now.st_ino == then.st_ino : !is_old)) return {};
    return Error{EBUSY, 0, "move", task.source + ": it has changed meanwhile"};
}

} // namespace

// The same as by cp -a, into places where nothing is.
TreeSettings Move::tree_settings(const MoveSettings &settings, Move &move) {
    TreeSettings all;
    all.lanes = settings.lanes;
    all.preserve = Preserve::all;
    all.verify = settings.verify;
    all.recursive = all.keep_links = true;
    all.otherwise = [&move](const std::string &source, const std::string &target, const struct stat &status) {
        return move.keep(source, target, status);
    };
    return all;
}

Move::Move(const MoveSettings &settings)
    : settings_(settings), tree_settings_(tree_settings(settings, *this)), tree_(tree_settings_) {}

// What ends all is returned, the rest is said.
Result<void> Move::count(const Result<void> &result, Progress *progress) {
    if (result) return {};
    if (is_interrupted()) return Error(result.error());
    if (progress != nullptr) progress->finish();
    (void)fail(result.error());
    ++failures_;
    return {};
}

Result<void> Move::plan(const std::string &source, const std::string &target) {
    Result<std::optional<Item>> item = look(without_slashes(source), target);
    if (!item) return count(Error(item.error()), nullptr);
    if (!*item) return {};
    const std::size_t before = tree_.failures();
    const Result<void> planned = (*item)->by == Item::By::copy ? plan_copy(**item) : Result<void>();
    if (planned && tree_.failures() == before) items_.push_back(**std::move(item)); // else a part would stay behind
    return count(planned, nullptr);
}

// How the source is moved; nothing: it stays, as the user wants.
Result<std::optional<Move::Item>> Move::look(const std::string &source, const std::string &named) {
    Item item = {.source = source, .target = without_slashes(named)};
    struct stat above = {}, there = {};
    if (::lstat(source.c_str(), &item.status) != 0) return Error{errno, 0, "move", source};
    if (::stat(folder_of(item.target).c_str(), &above) != 0) return Error{errno, 0, "move to", named};
    const bool is_folder = S_ISDIR(item.status.st_mode);
    const bool is_there = ::lstat(item.target.c_str(), &there) == 0;
    if (is_there && there.st_dev == item.status.st_dev && there.st_ino == item.status.st_ino) {
        if (is_folder || is_one_name(source, item.target))
            return Error{EINVAL, 0, "move", source + " and " + named + " are the same file"};
        item.by = Item::By::unlink;
    }
    if (is_there && settings_.no_clobber) return std::optional<Item>();
    if (is_there && S_ISDIR(there.st_mode) && !is_folder)
        return Error{EISDIR, 0, "overwrite", item.target + ": a folder is there"};
    if (!is_folder && item.target != named) return Error{ENOTDIR, 0, "move to", named};
    if (is_there && !S_ISDIR(there.st_mode) && is_folder)
        return Error{ENOTDIR, 0, "overwrite", item.target + ": it is no folder, and " + source + " is one"};
    if (is_folder && is_inside(item.target, source))
        return Error{EINVAL, 0, "move", source + ": into itself, " + named};
    if (!targets_.insert(item.target).second)
        return Error{EEXIST, 0, "move", source + ": another one was moved to " + item.target + " just now"};
    item.is_within = item.status.st_dev == above.st_dev;
    if (item.is_within) item.device = TRY(whereabouts_.device_of(folder_of(item.target), above));
    if (item.device == "auto") item.device.clear(); // any device is right
    const bool stays = item.is_within && !TRY(whereabouts_.has_to_move(source, item.status, item.device));
    if (item.by == Item::By::rename && !stays) item.by = Item::By::copy;
    return std::optional(std::move(item));
}

// What would keep the source from being removed in the end is found now.
Result<void> Move::plan_copy(Item &item) {
    std::error_code error;
    struct stat above = {};
    const bool is_folder = S_ISDIR(item.status.st_mode);
    if (is_folder && ::stat((item.source + "/..").c_str(), &above) == 0 && above.st_dev != item.status.st_dev)
        return Error{EBUSY, 0, "move", item.source + ": a filesystem is mounted there"};
    if (is_folder && fs::is_directory(item.target, error) && !fs::is_empty(item.target, error))
        return Error{ENOTEMPTY, 0, "overwrite", item.target};
    TRY(check_may_change(folder_of(item.source)));
    item.by = Item::By::copy;
    item.made = random_name(folder_of(item.target) + kNewFilePrefix);
    item.first = tree_.tasks().size();
    TRY(tree_.plan(item.source, item.made));
    item.end = tree_.tasks().size();
    for (const CopyTree::Task &task : tree_.tasks().subspan(item.first))
        if (S_ISDIR(task.status.st_mode) && !fs::is_empty(task.source, error)) TRY(check_may_change(task.source));
    return {};
}

Result<void> Move::run(Progress &progress) {
    for (Item &item : items_) {
        if (is_interrupted()) return Error{EINTR, 0, "move", "interrupted"};
        const std::size_t before = failures();
        TRY(count(move(item, progress), &progress));
        if (failures() != before) continue; // which was said
        ++(item.by == Item::By::copy ? copied_ : renamed_);
        if (settings_.verbose)
            std::printf("%s '%s' -> '%s'\n", item.by == Item::By::copy ? "moved" : "renamed", item.source.c_str(),
                item.target.c_str());
    }
    return {};
}

Result<void> Move::move(Item &item, Progress &progress) {
    if (item.by == Item::By::unlink) {
        if (::unlink(item.source.c_str()) != 0) return Error{errno, 0, "remove", item.source};
        return {};
    }
    if (item.by == Item::By::rename) {
        Result<void> renamed = rename(item.source, item);
        if (renamed || renamed.error().code != EXDEV) return renamed;
        item.is_within = false; // one filesystem at two places: no name goes from one to the other
        TRY(plan_copy(item));
    }
    current_ = &item;
    kept_.clear();
    return copy(item, progress);
}

// Until the target has its name the source is as it was.
Result<void> Move::copy(const Item &item, Progress &progress) {
    const std::size_t before = tree_.failures();
    tree_.about_to_rename(item.made, item.target);
    Result<void> done = tree_.run(progress, item.first, item.end);
    const bool is_whole = done && tree_.failures() == before;
    if (is_whole) done = check_unchanged(item);
    if (is_whole && done) done = rename(item.made, item);
    if (!is_whole || !done) {
        discard(item);
        return done; // where a part failed, that was said
    }
    tree_.renamed();
    return remove_source(item);
}

// Called for each name of the present item that is no folder. True: it needn't be copied, and has a second name now.
Result<bool> Move::keep(const std::string &source, const std::string &target, const struct stat &status) {
    const Hold hold(mutex_);
    const bool stays = current_->is_within && !TRY(whereabouts_.has_to_move(source, status, current_->device));
    if (stays && ::link(source.c_str(), target.c_str()) == 0) {
        kept_.insert(source);
        return true;
    }
    TRY(whereabouts_.check_unwritten(source, status)); // a file that may get no second name is copied
    return false;
}

// What was copied would otherwise be lost with the source.
Result<void> Move::check_unchanged(const Item &item) {
    for (const CopyTree::Task &task : tree_.tasks().subspan(item.first, item.end - item.first)) {
        const Taken how = kept_.contains(task.source) ? Taken::kept : Taken::copied;
        TRY(check_same(task, how));
        if (how == Taken::copied) TRY(whereabouts_.check_unwritten(task.source, task.status));
    }
    return {};
}

Result<void> Move::rename(const std::string &from, const Item &item) const {
    const unsigned flags = settings_.no_clobber ? RENAME_NOREPLACE : 0;
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, item.target.c_str(), flags) == 0) return {};
    // Not every filesystem knows the flag; there was nothing at the target a moment ago.
    const bool is_unknown = flags != 0 && (errno == EINVAL || errno == ENOSYS);
    if (is_unknown && ::rename(from.c_str(), item.target.c_str()) == 0) return {};
    return Error{errno, 0, "move", item.source + " to " + item.target};
}

// The target is there: from here on only names go, but for what has changed since. The first failure is told.
Result<void> Move::remove_source(const Item &item) const {
    Result<void> removed;
    const std::span<const CopyTree::Task> tasks = tree_.tasks().subspan(item.first, item.end - item.first);
    for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {
        Result<void> one = check_same(*task, kept_.contains(task->source) ? Taken::kept : Taken::copied);
        const bool is_folder = S_ISDIR(task->status.st_mode);
        if (one && (is_folder ? ::rmdir(task->source.c_str()) : ::unlink(task->source.c_str())) != 0)
            one = Error{errno, 0, "remove", task->source};
        if (!one && removed) removed = Error{one.error().code, 0, "remove", one.error().detail + ", and was moved"};
    }
    return removed;
}

void Move::discard(const Item &item) const {
    const std::span<const CopyTree::Task> tasks = tree_.tasks().subspan(item.first, item.end - item.first);
    for (const CopyTree::Task &task : tasks)
        if (S_ISDIR(task.status.st_mode)) (void)::chmod(task.target.c_str(), S_IRWXU);
    for (auto task = tasks.rbegin(); task != tasks.rend(); ++task)
        (void)(S_ISDIR(task->status.st_mode) ? ::rmdir(task->target.c_str()) : ::unlink(task->target.c_str()));
}

} // namespace gmemfs
