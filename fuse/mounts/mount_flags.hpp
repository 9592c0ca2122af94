// Mount flags: the words of mount(8) that Linux keeps with a mount (ro, noatime, ...), as its flags and back.
//
// libfuse 3.14 knows few of those about access times, so they are set once the mount is there. Which ones hold may
// change by `mount -o remount`, which asks nobody: so the server reads them again whenever the table of mounts changes.
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
/// Whether libfuse takes the word with a mount; else set_mount_flags() is for it.
bool is_known_to_libfuse(std::string_view word);

/// Gives a mount that was made with `words` those flags that libfuse doesn't know. EPERM: it needs root, and one of
/// them isn't what is so anyway.
Result<void> set_mount_flags(const std::string &mount_point, std::span<const std::string> words);
/// `mount -o remount`: changes the flags that `words` name, one after the other. EPERM: it needs root.
Result<void> remount(const std::string &mount_point, std::span<const std::string> words);

/// The flags of mount(2).
using MountFlags = unsigned long;
/// Those of the oldest mount of the gmemfs `filesystem`, by its number; none where there is no mount.
std::optional<MountFlags> mount_flags_of(const std::vector<Mount> &table, const std::string &filesystem);
/// Gives a mount that was made anew the flags that the one before had. EPERM: it needs root, and it hasn't them anyway.
Result<void> keep_mount_flags(const std::string &mount_point, MountFlags flags);

/// Of the oldest mount of the gmemfs `filesystem`, by its number; as Linux mounts without a word, where there is none.
AccessTimes access_times_of(const std::string &filesystem);

} // namespace gmemfs
