#include "fuse/mounts/mount_table_watch.hpp"

#include <glib-unix.h>

#include <algorithm>
#include <cstdint>
#include <fcntl.h>

namespace gmemfs {
namespace {

constexpr std::int64_t kRestFactor = 100; // times as long as it took to tell
constexpr std::int64_t kRestMaxMs = 1000;

} // namespace

MountTableWatch::MountTableWatch(std::function<void()> changed)
    : changed_(std::move(changed)), table_(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)) {
    if (table_) listen();
}

MountTableWatch::~MountTableWatch() {
    if (source_ != 0) g_source_remove(source_);
}

// What has changed while nobody listened is heard at once: the kernel keeps with the descriptor what it has told.
void MountTableWatch::listen() {
    const auto hear = [](gint, GIOCondition, gpointer watch) -> gboolean {
        static_cast<MountTableWatch *>(watch)->tell();
        return G_SOURCE_REMOVE;
    };
    source_ = g_unix_fd_add(table_.get(), GIOCondition(G_IO_PRI | G_IO_ERR), hear, this);
}

void MountTableWatch::tell() {
    const std::int64_t began_us = g_get_monotonic_time();
    changed_();
    const std::int64_t rest_ms = kRestFactor * (g_get_monotonic_time() - began_us) / 1000;
    const auto listen_again = [](gpointer watch) -> gboolean {
        static_cast<MountTableWatch *>(watch)->listen();
        return G_SOURCE_REMOVE;
    };
    source_ = g_timeout_add(static_cast<guint>(std::min(rest_ms, kRestMaxMs)), listen_again, this);
}

} // namespace gmemfs
