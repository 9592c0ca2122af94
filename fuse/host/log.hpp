// Log: writes lines to GLib's structured log; nothing else does.
//
// error: a user lost something. warning: a fix exists, and is named. info: the state changed. debug: one line a
// request. A warning or error that repeats the one before it is counted, and the count is logged when another line
// comes.
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

/// Opens the log's file anew by its name, because somebody may have renamed it. Where that fails, records still go to
/// the old file, which says so. Thread-safe.
void reopen_log();

/// Thread-safe. `domain` is a literal: "fuse", "vmm".
void log(LogLevel level, const char *domain, const std::string &message);
void log(LogLevel level, const char *domain, const Error &error, const std::string &on_what);
bool log_shows_debug();

} // namespace gmemfs
