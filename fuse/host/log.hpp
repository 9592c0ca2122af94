// Log: the one door to GLib's structured log.
//
// error: a user lost something. warning: a fix exists, and is named. info: the state changed. debug: one line a
// request. A warning or error that comes again at once is counted, and said again when another one comes.
#pragma once

#include "vmm/base/result.hpp"

#include <string>

namespace gmemfs {

enum class LogLevel { error, warning, info, debug };

/// Where records go. Set once, before the second thread starts.
struct LogTarget {
    bool debug = false;      ///< show debug records
    bool background = false; ///< no terminal: the journal, or syslog where there is none
    std::string file = {};   ///< appended to instead; empty for none
};
/// EACCES and others: the file can't be opened.
Result<void> start_log(const LogTarget &target);

/// Its file may have been renamed: from here on records go to a new one of its name. Where that can't be opened, to the
/// old one, which says so. Thread-safe.
void reopen_log();

/// Thread-safe. `domain` is a literal: "fuse", "vmm".
void log(LogLevel level, const char *domain, const std::string &message);
void log(LogLevel level, const char *domain, const Error &error, const std::string &on_what);
bool log_shows_debug();

} // namespace gmemfs
