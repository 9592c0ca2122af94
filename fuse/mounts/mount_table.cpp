#include "fuse/mounts/mount_table.hpp"

#include "fuse/mounts/unmount.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <set>
#include <string_view>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::size_t kChunk = 64 * 1024; // bytes of the table at once

// mountinfo writes a space, a tab, a newline and a backslash as \ooo.
std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t index = 0; index < text.size(); ++index) {
        if (text[index] == '\\' && index + 3 < text.size()) {
            int code = 0;
            std::from_chars(text.data() + index + 1, text.data() + index + 4, code, 8);
            plain += static_cast<char>(code);
            index += 3;
        } else {
            plain += text[index];
        }
    }
    return plain;
}

// Takes what stands before the first `end` off `text`, and `end` with it.
std::string_view take_until(std::string_view &text, char end) {
    const std::string_view taken = text.substr(0, text.find(end));
    text.remove_prefix(std::min(taken.size() + 1, text.size()));
    return taken;
}

int number_of(std::string_view digits) {
    int number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return number;
}

// proc(5): ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [TAG...] - TYPE SOURCE SUPEROPTIONS. Without iostreams, which take
// ten times as long, for a table may be long and change all the time.
std::optional<Mount> parse_mountinfo(std::string_view line) {
    std::array<std::string_view, 6> fields;
    for (std::string_view &field : fields) field = take_until(line, ' ');
    while (!line.empty() && take_until(line, ' ') != "-") {}
    const std::string_view type = take_until(line, ' '), source = take_until(line, ' ');
    if (type.empty() || source.empty()) return std::nullopt;
    return Mount{unescape(fields[4]), std::string(type), unescape(source), std::string(fields[2]),
        std::string(fields[5]), std::string(line), number_of(fields[0]), number_of(fields[1])};
}

struct Place {
    std::string number;
    std::uint64_t mount_id = 0; // 0 where Linux doesn't tell (before 5.8)
};

// Linux answers this by itself, whatever became of the server.
Result<Place> look_at(int folder, const char *path, int flags) {
    struct statx status = {};
    constexpr int kNobodyIsAsked = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
    if (::statx(folder, path, flags | kNobodyIsAsked, STATX_MNT_ID, &status) != 0)
        return Error{errno, 0, "look at mount", path};
    Place place = {std::to_string(status.stx_dev_major) + ":" + std::to_string(status.stx_dev_minor)};
    if ((status.stx_mask & STATX_MNT_ID) != 0) place.mount_id = status.stx_mnt_id;
    return place;
}

bool is_at(const Mount &mount, const Place &place) {
    return place.number == mount.number && (place.mount_id == 0 || place.mount_id == std::uint64_t(mount.id));
}

// By a descriptor of the very mount, so that nothing else can take its place meanwhile. Ordinary users have the path
// alone, which fusermount3 takes.
Result<void> detach(const Mount &mount) {
    const Fd root(::open(mount.path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!root) return Error{errno, 0, "detach mount", mount.path};
    if (!is_at(mount, TRY(look_at(root.get(), "", AT_EMPTY_PATH)))) return Error{EBUSY, 0, "detach mount", mount.path};
    if (::geteuid() != 0) return unmount(mount.path, UnmountMode::lazily);
    const std::string path = "/proc/self/fd/" + std::to_string(root.get());
    if (::umount2(path.c_str(), MNT_DETACH) != 0) return Error{errno, 0, "detach mount", mount.path};
    return {};
}

} // namespace

std::vector<Mount> read_mounts(const Fd &table) {
    std::string text;
    std::vector<char> bytes(kChunk);
    if (!table || ::lseek(table.get(), 0, SEEK_SET) != 0) return {};
    for (ssize_t count = 0; (count = ::read(table.get(), bytes.data(), bytes.size())) > 0;)
        text.append(bytes.data(), static_cast<std::size_t>(count));
    std::vector<Mount> mounts;
    for (std::string_view rest = text; !rest.empty();)
        if (std::optional<Mount> mount = parse_mountinfo(take_until(rest, '\n'))) mounts.push_back(std::move(*mount));
    return mounts;
}

Result<std::vector<Mount>> list_mounts(const std::string &type) {
    const Fd table(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    if (!table) return Error{errno, 0, "list mounts", "/proc/self/mountinfo: is /proc mounted?"};
    std::vector<Mount> mounts = read_mounts(table);
    if (!type.empty()) std::erase_if(mounts, [&](const Mount &mount) { return mount.type != type; });
    return mounts;
}

Result<std::optional<Mount>> find_mount(const std::string &path) {
    std::optional<Mount> found;
    for (Mount &mount : TRY(list_mounts("")))
        if (mount.path == path) found = std::move(mount);
    return found;
}

Result<std::string> filesystem_number(const std::string &path) {
    return TRY(look_at(AT_FDCWD, path.c_str(), 0))
    .number;
}

std::string connection_number(int channel) {
    std::ifstream info("/proc/self/fdinfo/" + std::to_string(channel));
    for (std::string word; info >> word;)
        if (std::string number; word == "fuse_connection:" && info >> number) return "0:" + number;
    return {};
}

bool is_mounted(const std::vector<Mount> &table, const std::string &number) {
    return std::any_of(table.begin(), table.end(),
        [&](const Mount &mount) { return mount.number == number && mount.type == kFilesystemType; });
}

Detached detach_filesystem(const std::string &number) {
    const auto is_ours = [&](const Mount &mount) { return is_mounted({mount}, number); };
    Result<std::vector<Mount>> table = list_mounts("");
    if (!table) return {};
    std::map<int, const Mount *> by_id;
    for (const Mount &mount : *table) by_id.emplace(mount.id, &mount);
    std::set<int> carriers; // what is detached takes along what lies on it and in it
    for (const Mount &mount : *table)
        for (auto above = by_id.find(mount.id); !is_ours(mount) && above != by_id.end();
             above = by_id.find(above->second->parent))
            if (!carriers.insert(above->second->parent).second) break;
    for (const Mount &mount : *table)
        if (is_ours(mount) && carriers.count(mount.id) == 0) (void)detach(mount); // or its parent took it along
    Detached done;
    const Result<std::vector<Mount>> after = list_mounts("");
    for (const Mount &mount : *table) {
        if (!is_ours(mount)) continue;
        const bool is_left = !after || std::any_of(after->begin(), after->end(),
                                           [&](const Mount &other) { return other.id == mount.id; });
        (is_left ? done.left : done.paths).push_back(mount.path);
    }
    return done;
}

} // namespace gmemfs
