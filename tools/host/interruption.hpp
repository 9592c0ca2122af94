// Interruption: whether the user wants a command to end (^C); commands ask often, and clean up.
#pragma once

namespace gmemfs {

/// From now on SIGINT and SIGTERM only set is_interrupted(), and so does SIGHUP where it wasn't ignored (nohup).
void catch_interruptions();
bool is_interrupted();

} // namespace gmemfs
