// Reserve: swap gives way to those who want the device's memory.
#include "fuse/process/spawn.hpp"
#include "tools/block/swap.hpp"
#include "tools/host/mounts.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <poll.h>
#include <syslog.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kLookMs = 1000;
constexpr int kAgainMs = 30000; // after an attempt that failed: memory may be short for longer

bool is_on(const std::string &device) {
    for (const SwapArea &area : read_swaps())
        if (area.path == device && !area.is_ghost) return true;
    return false;
}

Result<std::string> file_of(const std::string &device) {
    for (const nlohmann::json &told : list_block_devices())
        if (told.value("device", std::string()) == device) return told.value("file", std::string());
    return Error{ENOENT, 0, "watch swap", device + ": no supervisor serves it"};
}

// Bytes of the file's device that nobody uses; nothing while the mount's server doesn't say.
std::optional<std::uint64_t> read_free(const std::string &file) {
    const Result<std::string> uuid = read_attribute(file, "user.gmemfs.device");
    const Result<Mount> mount = find_mount_of(file);
    if (!uuid || !mount) return {};
    const Result<nlohmann::json> stats = read_stats(mount->path);
    if (!stats) return {};
    for (const nlohmann::json &device : stats->value("devices", nlohmann::json::array()))
        if (device.value("uuid", std::string()) == *uuid && device.contains("free"))
            return device["free"].get<std::uint64_t>();
    return {};
}

Result<void> give_back(const std::string &device, const std::string &file, std::chrono::seconds patience) {
    TRY(switch_off(device, patience));
    if (::truncate(file.c_str(), 0) == 0) return {};
    return Error{errno, 0, "give the swap file's memory back", file};
}

} // namespace

Result<void> watch_reserve(const std::string &device, std::uint64_t reserve, std::chrono::seconds patience) {
    TRY(spawn_self({"swap", "watch", device, "--reserve=" + std::to_string(reserve),
                       "--timeout=" + std::to_string(patience.count())},
        {}));
    return {};
}

Result<void> keep_reserve(const std::string &device, std::uint64_t reserve, std::chrono::seconds patience) {
    const std::string file = TRY(file_of(device));
    for (int pause = kLookMs; is_on(device); (void)::poll(nullptr, 0, pause)) {
        pause = kLookMs;
        const std::optional<std::uint64_t> free = read_free(file);
        if (!free || *free >= reserve) continue;
        const Result<void> given = give_back(device, file, patience);
        ::syslog(LOG_NOTICE, "%s: %s of the device were free: %s", device.c_str(), format_size(*free).c_str(),
            given ? "swap is off, its memory given back" : given.error().text().c_str());
        pause = given ? kLookMs : kAgainMs;
    }
    return {};
}

} // namespace gmemfs
