#include "fuse/mount_table.hpp"

#include <glib-unix.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr char kTable[] = "/proc/self/mountinfo";
constexpr std::size_t kChunk = 64 * 1024; // bytes
constexpr std::int64_t kRestFactor = 100; // times as long as it took to tell
constexpr std::int64_t kRestMaxMs = 1000;

Result<std::string> read_table() {
    const Fd file(::open(kTable, O_RDONLY | O_CLOEXEC));
    if (!file) return Error{errno, 0, "open", kTable};
    std::string text;
    while (true) {
        const std::size_t size = text.size();
        text.resize(size + kChunk);
        const ssize_t count = ::read(file.get(), text.data() + size, kChunk);
        if (count < 0 && errno != EINTR) return Error{errno, 0, "read", kTable};
        text.resize(size + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        if (count == 0) return text;
    }
}

// Takes what stands before the first `end` off `text`, and `end` with it.
std::string_view take_until(std::string_view &text, char end) {
    const std::string_view taken = text.substr(0, text.find(end));
    text.remove_prefix(std::min(taken.size() + 1, text.size()));
    return taken;
}

} // namespace

// ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS [optional ones] - TYPE SOURCE OPTIONS
Result<void> walk_mounts(const std::function<void(const MountLine &)> &visit) {
    const std::string table = TRY(read_table());
    for (std::string_view rest = table; !rest.empty();) {
        std::string_view line = take_until(rest, '\n');
        std::array<std::string_view, 6> fields;
        for (std::string_view &field : fields) field = take_until(line, ' ');
        while (!line.empty() && take_until(line, ' ') != "-") {}
        visit({fields[2], fields[4], fields[5], take_until(line, ' ')});
    }
    return {};
}

MountTableWatch::MountTableWatch(std::function<void()> changed)
    : changed_(std::move(changed)), table_(::open(kTable, O_RDONLY | O_CLOEXEC)) {
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
