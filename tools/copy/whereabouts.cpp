#include "tools/copy/whereabouts.hpp"

#include "fuse/host/json_text.hpp"
#include "tools/host/interruption.hpp"
#include "tools/host/mounts.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <system_error>

namespace gmemfs {
namespace {

namespace fs = std::filesystem;

bool is_program_memory(const std::string &path) {
    const Result<std::string> blocks = read_attribute(path, "user.gmemfs.pool");
    const nlohmann::json told = blocks ? json_of(*blocks) : nlohmann::json();
    return told.is_array() && !told.empty();
}

} // namespace

bool Whereabouts::is_in_mount(const std::string &path, const struct stat &status) {
    const auto [known, is_new] = is_mount_.try_emplace(status.st_dev);
    if (is_new) known->second = find_mount_of(path).has_value();
    return known->second;
}

Result<std::string> Whereabouts::device_of(const std::string &path, const struct stat &status) {
    if (!is_in_mount(path, status)) return std::string();
    Result<std::string> device = read_attribute(path, "user.gmemfs.device");
    if (device) return device;
    // A folder that may be written to and not read tells nothing, and takes names all the same.
    const int code = device.error().code;
    if (code == ENODATA || code == EOPNOTSUPP || (code == EACCES && S_ISDIR(status.st_mode))) return std::string();
    return device;
}

Result<bool> Whereabouts::has_to_move(const std::string &path, const struct stat &status, const std::string &device) {
    if (device.empty() || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))) return false;
    if (is_interrupted()) return Error{EINTR, 0, "move", path + ": interrupted"};
    if (TRY(device_of(path, status)) != device) return true;
    if (!S_ISDIR(status.st_mode)) return false;
    std::error_code error; // of a folder that can't be read: it stays as it is, and is renamed
    fs::directory_iterator entry(path, error);
    for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
        struct stat inner = {};
        const std::string name = entry->path();
        if (::lstat(name.c_str(), &inner) != 0 || inner.st_dev != status.st_dev) continue;
        if (TRY(has_to_move(name, inner, device))) return true;
    }
    return false;
}

Result<void> Whereabouts::check_unwritten(const std::string &path, const struct stat &status) {
    if (!S_ISREG(status.st_mode) || !is_in_mount(path, status)) return {};
    const std::string text = TRY(read_attribute(path, "user.gmemfs.residence"));
    const nlohmann::json told = json_of(text);
    const std::string busy = told.is_object() ? told.value("busy", "") : "";
    if (busy == "exported")
        return Error{EBUSY, 0, "move",
            path +
                ": its fabric handle was read, so a process may write to it, and nobody can know: copy it, and remove "
                "it when no process has it mapped"};
    if (busy != "leased" || !told.value("written", true)) return {};
    const char *const why = is_program_memory(path) ? ": it is memory of a running program: move it when that has ended"
                                                    : ": a peer may write to it: move it when that has unmapped it";
    return Error{EBUSY, 0, "move", path + why};
}

} // namespace gmemfs
