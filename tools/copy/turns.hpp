// Turns: which file is copied next, where the devices of a mount are to be busy side by side.
//
//     device 0   a/1  a/2  a/3  ...        a line of files each place, in their order; who asks gets one of the place
//     device 1   b/1  b/2                  that has the fewest under way
//
#pragma once

#include "vmm/base/lock.hpp"

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>

namespace gmemfs {

/// Thread-safe.
class Turns {
public:
    /// A file that is copied within the next turn of its place. `most`: so many of a place are copied at once.
    void add(std::size_t task, const std::string &place, std::size_t most) EXCLUDES(mutex_);
    /// How many files can be copied at once, 16 at the most.
    unsigned width() const EXCLUDES(mutex_);

    struct Turn {
        std::size_t task;
        std::string place;
    };
    /// Nothing: all have had theirs, or what is left waits for its place's turn to end, and the thread that ends it
    /// takes that.
    std::optional<Turn> take() EXCLUDES(mutex_);
    void end(const Turn &turn) EXCLUDES(mutex_);

private:
    struct Line {
        std::deque<std::size_t> waiting;
        std::size_t most = 1, under_way = 0;
    };
    mutable Mutex mutex_;
    std::map<std::string, Line> lines_ GUARDED_BY(mutex_); // by place
};

} // namespace gmemfs
