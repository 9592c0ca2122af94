// CopyTree: copies what a command line names and all below it, as `cp -r` does.
//
// That is folders, files, links, fifos, sockets and device nodes. A failure is printed, and the rest goes on. Where a
// mount of several devices is an end, files that lie on different ones are copied side by side (tools/copy/turns.hpp).
#pragma once

#include "tools/copy/file.hpp"
#include "tools/copy/turns.hpp"
#include "vmm/base/lock.hpp"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gmemfs {

struct TreeSettings : CopySettings {
    bool recursive = false;  ///< folders; and then links, fifos and devices are made, not read
    bool keep_links = false; ///< two names of one file stay two names of one file
    bool no_clobber = false; ///< what is there stays
    bool verbose = false;    ///< a line a name on standard output
    /// Asked before a target that is no folder is made: whether it has made the target itself. An error is that name's.
    /// Several threads may ask at once.
    std::function<Result<bool>(const std::string &source, const std::string &target, const struct stat &status)>
        otherwise = {};
};

/// Not thread-safe.
class CopyTree {
public:
    explicit CopyTree(const TreeSettings &settings) : settings_(settings) {}

    /// Notes what is to be done, in order. EINTR; every other failure is printed and counted.
    Result<void> plan(const std::string &source, const std::string &target);
    std::uint64_t size() const { return size_; } ///< bytes that are to be copied, as far as it is known
    /// Does all that. EINTR; every other failure is printed and counted.
    Result<void> run(Progress &progress) { return run(progress, 0, tasks_.size()); }
    std::size_t failures() const EXCLUDES(mutex_);

    /// One name, with what it was when plan() met it; a folder comes before what is in it.
    struct Task {
        std::string source, target;
        struct stat status;
        bool is_named;        // by the user
        mode_t mode_left = 0; // to give a folder that is writable as long as it is filled; 0: nothing to do
        bool has_failed = false;
        bool is_later = false; // than the files that are copied side by side, because it has to do with one of them
    };
    std::span<const Task> tasks() const { return tasks_; }
    /// Does the tasks from `first` up to `end`, which are those of one or more calls of plan().
    Result<void> run(Progress &progress, std::size_t first, std::size_t end);
    /// What is planned as `made` will be renamed to `name`: errors tell of `name`.
    void about_to_rename(const std::string &made, const std::string &name);
    void renamed(); ///< it has been

private:
    using Buffer = std::vector<std::byte>;
    Result<void> add(Task task);
    Result<void> add_folder(const Task &folder);
    Result<void> check_folder(const Task &folder) const;
    Result<void> copy_now(Task &task, Progress &progress);
    Result<void> copy(const CopySettings &settings, Task &task, std::span<std::byte> buffer, Progress &progress);
    std::optional<std::string> find_place(const Task &task);
    bool set_aside(std::size_t index);
    Result<void> copy_side_by_side(Progress &progress);
    Result<void> make_folder(Task &task);
    Result<void> make_node(const Task &task);
    Result<bool> link_to_earlier(const Task &task);
    Result<void> clear_way(const Task &task) const;
    Result<void> finish_folder(const Task &task) const;
    std::string name_of(const std::string &text) const;
    Result<void> count(const Result<void> &result, Progress *progress) EXCLUDES(mutex_);

    const TreeSettings &settings_;
    CopyDevices devices_;
    std::vector<Task> tasks_;
    std::map<std::pair<dev_t, ino_t>, std::string> first_names_; // of files with several: what was made of the first
    std::set<std::string> made_;                                 // targets of what the user named
    std::pair<std::string, std::string> made_for_;
    std::uint64_t size_ = 0;
    Buffer buffer_ = Buffer(kCopyBuffer); // of the thread that runs all
    Turns turns_;
    std::set<std::string> aside_;                     // targets of what has a turn
    std::pair<std::string, std::string> last_folder_; // a folder, and its place
    mutable Mutex mutex_;                             // of standard error, too
    std::size_t failures_ GUARDED_BY(mutex_) = 0;
};

} // namespace gmemfs
