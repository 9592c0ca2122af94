// Mount flags: converts between words of mount(8) (ro, noatime, ...) and the flags that Linux keeps with a mount.
//
// libfuse 3.14 knows few of the words about access times, so those flags are set once the mount is there. `mount -o
// remount` changes flags without asking the server, so the server reads them again whenever the table of mounts
// changes.
#pragma once

#include "fuse/core/names/access_times.hpp"
#include "fuse/mounts/mount_table.hpp"
#include "vmm/base/result.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gmemfs {

bool is_mount_flag(std::string_view word);
/// Whether libfuse takes the word with a mount. The other words are set_mount_flags()'s.
bool is_known_to_libfuse(std::string_view word);

/// Gives a mount that was made with `words` the flags that libfuse doesn't know. EPERM: a flag has to be changed, and
/// this process isn't root.
Result<void> set_mount_flags(const std::string &mount_point, std::span<const std::string> words);
/// `mount -o remount`: changes the flags that `words` name, one after the other. EPERM: this process isn't root.
Result<void> remount(const std::string &mount_point, std::span<const std::string> words);

/// The flags of mount(2).
using MountFlags = unsigned long;
/// The flags of the oldest mount of the gmemfs whose number is `filesystem`. Nothing where it isn't mounted.
std::optional<MountFlags> mount_flags_of(const std::vector<Mount> &table, const std::string &filesystem);
/// Gives a mount that was made anew the flags that the one before had. EPERM: a flag has to be changed, and this
/// process isn't root.
Result<void> keep_mount_flags(const std::string &mount_point, MountFlags flags);

/// The access times of the oldest mount of the gmemfs whose number is `filesystem`. Where it isn't mounted: what Linux
/// does without a word (relatime).
AccessTimes access_times_of(const std::string &filesystem);

} // namespace gmemfs
