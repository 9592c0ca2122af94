#include "fuse/host/log.hpp"

#include "vmm/base/fd.hpp"
#include "vmm/base/lock.hpp"

#define G_LOG_USE_STRUCTURED
#include <glib.h>

#include <atomic>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <syslog.h>
#include <unistd.h>

namespace gmemfs {
namespace {

struct State {
    std::atomic<bool> debug = false;
    bool background = false;
    int file = -1;         // open until the process ends, because records may come from exit handlers
    std::string path = {}; // constant from start_log() on
    Mutex mutex;
    std::string last GUARDED_BY(mutex);
    unsigned repeated GUARDED_BY(mutex) = 0;
};

// GLib's log is one for the whole process, and so is this.
State &state() {
    static auto *const only = new State;
    return *only;
}

GLogLevelFlags glib_level(LogLevel level) {
    switch (level) {
    case LogLevel::error: return G_LOG_LEVEL_CRITICAL; // GLib's own "error" ends the program
    case LogLevel::warning: return G_LOG_LEVEL_WARNING;
    case LogLevel::info: return G_LOG_LEVEL_MESSAGE;
    case LogLevel::debug: return G_LOG_LEVEL_DEBUG;
    }
    return G_LOG_LEVEL_MESSAGE;
}

const char *level_name(GLogLevelFlags level) {
    if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) != 0) return "error";
    if ((level & G_LOG_LEVEL_WARNING) != 0) return "warning";
    return (level & G_LOG_LEVEL_DEBUG) != 0 ? "debug" : "info";
}

int syslog_level(GLogLevelFlags level) {
    if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) != 0) return LOG_ERR;
    if ((level & G_LOG_LEVEL_WARNING) != 0) return LOG_WARNING;
    return (level & G_LOG_LEVEL_DEBUG) != 0 ? LOG_DEBUG : LOG_INFO;
}

void write_line(int fd, const char *level, const char *domain, const char *message) {
    timespec now = {};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm local = {};
    ::localtime_r(&now.tv_sec, &local);
    char when[32];
    std::strftime(when, sizeof when, "%F %T", &local);
    const std::string line = std::string(when) + " gmemfs[" + std::to_string(::getpid()) + "] " + domain + " " + level +
                             ": " + message + "\n";
    if (::write(fd, line.data(), line.size()) < 0) return; // there is nowhere left to say so
}

GLogWriterOutput write_record(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer) {
    const char *message = "";
    const char *domain = "";
    for (gsize i = 0; i < count; ++i) {
        if (std::strcmp(fields[i].key, "MESSAGE") == 0) message = static_cast<const char *>(fields[i].value);
        if (std::strcmp(fields[i].key, "GLIB_DOMAIN") == 0) domain = static_cast<const char *>(fields[i].value);
    }
    const State &now = state();
    if ((level & G_LOG_LEVEL_DEBUG) != 0 && !now.debug) return G_LOG_WRITER_HANDLED;
    if (now.file >= 0)
        write_line(now.file, level_name(level), domain, message);
    else if (!now.background)
        write_line(STDERR_FILENO, level_name(level), domain, message);
    else if (g_log_writer_journald(level, fields, count, nullptr) != G_LOG_WRITER_HANDLED)
        ::syslog(syslog_level(level), "%s: %s", domain, message);
    return G_LOG_WRITER_HANDLED;
}

void send(LogLevel level, const char *domain, const std::string &message, int code, int driver) {
    const std::string code_text = std::to_string(code);
    const std::string driver_text = std::to_string(driver);
    const GLogField fields[] = {{"MESSAGE", message.c_str(), -1}, {"GLIB_DOMAIN", domain, -1},
        {"ERRNO", code_text.c_str(), -1}, {"CURESULT", driver_text.c_str(), -1}};
    g_log_structured_array(glib_level(level), fields, G_N_ELEMENTS(fields));
}

// Whether this record says the same as the one before, which is then only counted.
bool is_repeated(LogLevel level, const char *domain, const std::string &message) {
    if (level != LogLevel::error && level != LogLevel::warning) return false;
    State &now = state();
    unsigned repeated = 0;
    {
        const Hold hold(now.mutex);
        if (now.last == message) return ++now.repeated, true;
        now.last = message;
        std::swap(repeated, now.repeated);
    }
    if (repeated > 0) send(level, domain, "the message before came " + std::to_string(repeated) + " times more", 0, 0);
    return false;
}

Fd open_log(const std::string &path) {
    return Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
}

} // namespace

Result<void> start_log(const LogTarget &target) {
    State &now = state();
    now.debug = target.debug;
    now.background = target.background;
    if (!target.file.empty()) {
        now.path = target.file;
        now.file = open_log(target.file).release();
        if (now.file < 0)
            return Error{errno, 0, "open log", target.file + ": --log names a file in a folder that is there"};
    }
    g_log_set_writer_func(write_record, nullptr, nullptr);
    return {};
}

void reopen_log() {
    const State &now = state();
    if (now.file < 0) return;
    const Fd next = open_log(now.path);
    if (!next || ::dup3(next.get(), now.file, O_CLOEXEC) < 0)
        log(LogLevel::warning, "fuse", Error{errno, 0, "open the log again", now.path}, "it goes on in the old file");
}

void log(LogLevel level, const char *domain, const std::string &message) {
    if (!is_repeated(level, domain, message)) send(level, domain, message, 0, 0);
}

void log(LogLevel level, const char *domain, const Error &error, const std::string &on_what) {
    const std::string message = on_what + ": " + error.text();
    if (!is_repeated(level, domain, message)) send(level, domain, message, error.code, error.driver);
}

bool log_shows_debug() { return state().debug.load(std::memory_order_relaxed); }

} // namespace gmemfs
