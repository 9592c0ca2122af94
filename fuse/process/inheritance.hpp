// Inheritance: rids a process of what its starter left it: descriptors, signals, limits, working folder, umask.
//
// A mount lives longer than the shell, the script or the unit that began it, and must be the same whichever of these
// did. So server, supervisor, keeper and the programs that they run drop all of this, by the functions here. They keep
// the environment.
#pragma once

namespace gmemfs {

/// Called first in every command. Opens /dev/null for each standard descriptor that is closed, because the next file
/// that is opened would take its number. Makes children waitable, whatever was inherited for SIGCHLD.
void complete_standard_descriptors();

/// For a process of a mount, before its second thread starts. Closes all descriptors from 3 on but `kept` (-1: closes
/// all). No signal is ignored or blocked afterwards, and no timer runs. Limits are as high as this process may set
/// them, but for core files. The working folder is /, the umask 027.
void leave_inheritance(int kept);

} // namespace gmemfs
