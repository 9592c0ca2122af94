// CopyTree: copies what a command line names and all below it, as `cp -r` does.
//
// That is folders, files, links, fifos, sockets and device nodes. A failure is printed, and the rest goes on.
#pragma once

#include "tools/copy/file.hpp"

#include <map>
#include <set>
#include <vector>

namespace gmemfs {

struct TreeSettings : CopySettings {
    bool recursive = false;  ///< folders; and then links, fifos and devices are made, not read
    bool keep_links = false; ///< two names of one file stay two names of one file
    bool no_clobber = false; ///< what is there stays
    bool verbose = false;    ///< a line a name on standard output
};

/// Not thread-safe.
class CopyTree {
public:
    explicit CopyTree(const TreeSettings &settings) : settings_(settings) {}

    /// Notes what is to be done, in order. EINTR; every other failure is printed and counted.
    Result<void> plan(const std::string &source, const std::string &target);
    std::uint64_t size() const { return size_; } ///< bytes that are to be copied, as far as it is known
    /// Does all that. EINTR; every other failure is printed and counted.
    Result<void> run(Progress &progress);
    std::size_t failures() const { return failures_; }

private:
    struct Task {
        std::string source, target;
        struct stat status;
        bool is_named;        // by the user
        mode_t mode_left = 0; // to give a folder that is writable as long as it is filled; 0: nothing to do
        bool has_failed = false;
    };
    Result<void> add(Task task);
    Result<void> add_folder(const Task &folder);
    Result<void> check_folder(const Task &folder) const;
    Result<void> copy(Task &task, Progress &progress);
    Result<void> make_folder(Task &task);
    Result<void> make_node(const Task &task);
    Result<bool> link_to_earlier(const Task &task);
    Result<void> clear_way(const Task &task) const;
    Result<void> finish_folder(const Task &task) const;
    Result<void> count(const Result<void> &result, Progress *progress);

    const TreeSettings &settings_;
    CopyDevices devices_;
    std::vector<Task> tasks_;
    std::map<std::pair<dev_t, ino_t>, std::string> first_names_; // of files with several: what was made of the first
    std::set<std::string> made_;                                 // targets of what the user named
    std::uint64_t size_ = 0;
    std::size_t failures_ = 0;
};

} // namespace gmemfs
