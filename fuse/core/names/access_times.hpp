// Access times: whether reading a file changes the time of its last access.
#pragma once

namespace gmemfs {

enum class AccessTimes {
    relative, ///< once a day, or when it isn't newer than the last change: `relatime`, and Linux without a word
    strict,   ///< each time: `strictatime`
    never,    ///< `noatime`
};

} // namespace gmemfs
