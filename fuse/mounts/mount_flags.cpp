#include "fuse/mounts/mount_flags.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <sstream>
#include <sys/mount.h>
#include <sys/statvfs.h>

namespace gmemfs {
namespace {

constexpr MountFlags kAccessTimes = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;

struct Flag {
    std::string_view word;
    unsigned long cleared, set;
    bool is_known_to_libfuse;
};
// As mount(8) has them. Without a word, and with `norelatime`, Linux does what `relatime` says.
constexpr Flag kFlags[] = {
    {"ro", 0, MS_RDONLY, true},
    {"rw", MS_RDONLY, 0, true},
    {"nosuid", 0, MS_NOSUID, true},
    {"suid", MS_NOSUID, 0, true},
    {"nodev", 0, MS_NODEV, true},
    {"dev", MS_NODEV, 0, true},
    {"noexec", 0, MS_NOEXEC, true},
    {"exec", MS_NOEXEC, 0, true},
    {"sync", 0, MS_SYNCHRONOUS, true},
    {"async", MS_SYNCHRONOUS, 0, true},
    {"dirsync", 0, MS_DIRSYNC, true},
    {"noatime", kAccessTimes, MS_NOATIME, true},
    {"atime", kAccessTimes, MS_RELATIME, false}, // libfuse 3.14 does, 3.17 refuses it
    {"relatime", kAccessTimes, MS_RELATIME, false},
    {"norelatime", kAccessTimes, MS_RELATIME, false},
    {"strictatime", kAccessTimes, MS_STRICTATIME, false},
    {"nostrictatime", kAccessTimes, MS_RELATIME, false},
    {"nodiratime", 0, MS_NODIRATIME, false},
    {"diratime", MS_NODIRATIME, 0, false},
    {"lazytime", 0, MS_LAZYTIME, false},
    {"nolazytime", MS_LAZYTIME, 0, false},
};

const Flag *find_flag(std::string_view word) {
    const auto at = std::find_if(std::begin(kFlags), std::end(kFlags), [&](const Flag &f) { return f.word == word; });
    return at == std::end(kFlags) ? nullptr : at;
}

unsigned long changed_by(unsigned long flags, std::span<const std::string> words) {
    for (const std::string &word : words)
        if (const Flag *const flag = find_flag(word)) flags = (flags & ~flag->cleared) | flag->set;
    return flags;
}

Result<void> set(const std::string &mount_point, unsigned long flags) {
    if (::mount("none", mount_point.c_str(), nullptr, MS_REMOUNT | flags, nullptr) == 0) return {};
    const int code = errno;
    return Error{code, 0, "remount", mount_point + (code == EPERM ? ": it needs root" : "")};
}

MountFlags parse(const Mount &mount) {
    std::vector<std::string> words = {"strictatime"}; // which Linux shows by no word
    std::istringstream list(mount.options + "," + mount.filesystem_options);
    for (std::string word; std::getline(list, word, ',');)
        if (word != "rw") words.push_back(word); // of the filesystem, which may have mounts of both kinds
    return changed_by(0, words);
}

AccessTimes parse_access_times(const std::string &options) {
    const std::string list = "," + options + ",";
    if (list.find(",noatime,") != std::string::npos) return AccessTimes::never;
    return list.find(",relatime,") != std::string::npos ? AccessTimes::relative : AccessTimes::strict;
}

} // namespace

bool is_mount_flag(std::string_view word) { return find_flag(word) != nullptr; }

bool is_known_to_libfuse(std::string_view word) {
    const Flag *const flag = find_flag(word);
    return flag == nullptr || flag->is_known_to_libfuse;
}

Result<void> set_mount_flags(const std::string &mount_point, std::span<const std::string> words) {
    std::vector<std::string> known;
    std::copy_if(words.begin(), words.end(), std::back_inserter(known), is_known_to_libfuse);
    const unsigned long usual = MS_NOSUID | MS_NODEV | MS_RELATIME; // libfuse's, and Linux's
    const unsigned long wanted = changed_by(usual, words);
    if (wanted == changed_by(usual, known)) return {};
    return set(mount_point, wanted);
}

Result<void> remount(const std::string &mount_point, std::span<const std::string> words) {
    struct statvfs status = {};
    if (::statvfs(mount_point.c_str(), &status) != 0) return Error{errno, 0, "remount", mount_point};
    constexpr unsigned long kSame =
        MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_NOATIME | MS_NODIRATIME;
    constexpr unsigned long kOfStatvfs =
        ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_SYNCHRONOUS | ST_NOATIME | ST_NODIRATIME;
    static_assert(kSame == kOfStatvfs);
    unsigned long present = status.f_flag & kSame;
    if ((status.f_flag & ST_RELATIME) != 0) present |= MS_RELATIME;
    if ((present & kAccessTimes) == 0) present |= MS_STRICTATIME;
    return set(mount_point, changed_by(present, words));
}

std::optional<MountFlags> mount_flags_of(const std::vector<Mount> &table, const std::string &filesystem) {
    for (const Mount &mount : table)
        if (mount.number == filesystem && mount.type == kFilesystemType) return parse(mount);
    return std::nullopt;
}

Result<void> keep_mount_flags(const std::string &mount_point, MountFlags flags) {
    const std::optional<Mount> mount = TRY(find_mount(mount_point));
    return !mount || parse(*mount) == flags ? Result<void>() : set(mount_point, flags);
}

AccessTimes access_times_of(const std::string &filesystem) {
    const Result<std::vector<Mount>> mounts = list_mounts(kFilesystemType);
    if (mounts)
        for (const Mount &mount : *mounts)
            if (mount.number == filesystem) return parse_access_times(mount.options);
    return AccessTimes::relative;
}

} // namespace gmemfs
