// Inheritance: what a process has of who started it: descriptors, signals, limits, a working folder, a umask.
//
// A mount lives longer than the shell, the script or the unit that began it, and is to be the same whoever that was. So
// server, supervisor, keeper and what they run leave all of it, in one place and one way; the environment they keep.
#pragma once

namespace gmemfs {

/// First in every command: a standard descriptor that is closed becomes /dev/null, or the next file that is opened
/// would be taken for it; and children can be waited for, whatever was inherited for SIGCHLD.
void complete_standard_descriptors();

/// In a process of a mount, before its second thread starts: closes all descriptors from 3 on but `kept` (-1: none);
/// no signal is ignored or blocked, and no timer runs; limits are as high as this process may set them, but for core
/// files; the working folder is /, the umask 027.
void leave_inheritance(int kept);

} // namespace gmemfs
