#include "tools/remote/tree_watch.hpp"

#include "tools/host/interruption.hpp"

#include <algorithm>
#include <array>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::uint32_t kEvents =
    IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB | IN_ONLYDIR;
constexpr int kTickMs = 200;   // how soon an interruption is seen that came just before a wait
constexpr int kLookMs = 30000; // between looks where nothing is told
constexpr int kSettleMs = 20;  // what is published is often several files: those that follow at once come along

// Folders that can't be watched (their number is limited) are looked at every half minute all the same.
Fd watch(const SnapshotTree &tree) {
    Fd events(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    for (std::size_t index = 0; index < tree.entries().size() && events; ++index) {
        if (index != 0 && !tree.entries()[index].is_folder()) continue;
        const Result<Fd> folder = tree.open_folder_at(index);
        if (!folder) continue;
        (void)::inotify_add_watch(events.get(), ("/proc/self/fd/" + std::to_string(folder->get())).c_str(), kEvents);
    }
    return events;
}

void drop_events(const Fd &events) {
    std::array<char, 4096> buffer;
    while (::read(events.get(), buffer.data(), buffer.size()) > 0) {}
}

} // namespace

bool is_same_state(const std::vector<SnapshotEntry> &before, const std::vector<SnapshotEntry> &now) {
    const auto is_same = [](const SnapshotEntry &a, const SnapshotEntry &b) {
        return a.parent == b.parent && a.link_to == b.link_to && a.name == b.name && a.mode == b.mode &&
               a.size == b.size && a.modified.tv_sec == b.modified.tv_sec && a.modified.tv_nsec == b.modified.tv_nsec &&
               a.target == b.target;
    };
    return std::equal(before.begin(), before.end(), now.begin(), now.end(), is_same);
}

Result<bool> wait_for_change(const SnapshotTree &tree, const std::string &path, int other_fd) {
    const Fd events = watch(tree);
    // The first look is for what has changed before it was watched.
    for (int left_ms = 0;;) {
        if (is_interrupted()) return Error{EINTR, 0, "interrupted", {}};
        pollfd wanted[] = {{other_fd, POLLIN, 0}, {events.get(), POLLIN, 0}};
        const int ready = ::poll(wanted, events ? 2 : 1, std::min(left_ms, kTickMs));
        if (ready < 0 && errno != EINTR) return Error{errno, 0, "wait for a change", path};
        if (ready > 0 && wanted[0].revents != 0) return false;
        left_ms -= kTickMs;
        if (ready <= 0 && left_ms > 0) continue;
        if (ready > 0) {
            (void)::poll(wanted, 1, kSettleMs);
            drop_events(events);
        }
        const Warn silently = [](const std::string &) {};
        const SnapshotTree now = TRY(SnapshotTree::create(path, silently, SnapshotTree::Unreadable::left_out));
        if (!is_same_state(tree.entries(), now.entries())) return true;
        left_ms = kLookMs;
    }
}

} // namespace gmemfs
