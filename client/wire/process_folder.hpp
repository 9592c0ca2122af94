// Process folder: the name of the directory in which the files of a process's pool are: PROGRAM.PID.
#pragma once

#include <charconv>
#include <string_view>
#include <sys/types.h>
#include <system_error>

namespace gmemfs {

/// "python3.1234", and "python3.1234-2" where that was taken: 1234. 0: it is no process's directory.
inline pid_t process_of(std::string_view name) {
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos) return 0;
    pid_t pid = 0;
    const char *const end = name.data() + name.size();
    const auto [behind, error] = std::from_chars(name.data() + dot + 1, end, pid);
    const bool is_whole = behind == end || *behind == '-';
    return error == std::errc() && is_whole && pid > 0 ? pid : 0;
}

} // namespace gmemfs
