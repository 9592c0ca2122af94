// swap: swap areas in GPU memory: on, off, status.
#include "tools/block/swap.hpp"
#include "tools/host/command.hpp"
#include "tools/host/mounts.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <filesystem>

namespace gmemfs {
namespace {

struct Given {
    gchar *size = nullptr, *nbd = nullptr, *discard = nullptr, *reserve = nullptr;
    gint priority = 32767, queues = 0, timeout = 60;
    gboolean ublk = FALSE, json = FALSE, verifies = FALSE;
};

// Where no file is named: "swap" in the one mount that there is.
Result<std::string> default_file() {
    std::string root;
    for (const Mount &mount : TRY(list_mounts(kFilesystemType))) {
        if (!root.empty()) return Error{EINVAL, 0, "swap on", "there are several mounts: name a FILE of one"};
        root = mount.path;
    }
    if (root.empty()) return Error{ENOENT, 0, "swap on", "there is no gmemfs mount: gmemfs mount /mnt/gpu"};
    return root + "/swap";
}

Result<std::string> on(const Given &given, const std::vector<std::string> &parameters) {
    SwapOptions options;
    options.block.file = parameters.size() > 1 ? TRY(absolute_path(parameters[1])) : TRY(default_file());
    if (given.ublk) options.block.door = block::DoorKind::ublk;
    if (given.nbd != nullptr) {
        options.block.door = block::DoorKind::nbd;
        options.block.number = TRY(device_number(given.nbd, "/dev/nbd"));
    }
    if (given.discard != nullptr && std::string(given.discard) != "pages")
        return Error{EINVAL, 0, "swap on", std::string("--discard=") + given.discard + ": it is pages"};
    options.discards = given.discard != nullptr;
    options.priority = given.priority;
    // One unless told: where a worker dies while its second queue begins, Linux 6.12 loses the device (docs/block.md).
    options.block.queues = given.queues > 0 ? static_cast<unsigned>(given.queues) : 1;
    options.block.verifies = given.verifies != FALSE;
    std::error_code error;
    if (std::filesystem::is_directory(options.block.file, error))
        return Error{ENOTSUP, 0, "swap on",
            options.block.file + ": a thin disk asks the mount's server for memory, which swap mustn't: take a file"};
    options.block.door = TRY(choose_swap_door(options.block));
    TRY(check_queues(options.block));
    if (given.size != nullptr) TRY(make_disk_file(options.block.file, TRY(parse_size(given.size))));
    const std::uint64_t reserve = given.reserve == nullptr ? 0 : TRY(parse_size(given.reserve));
    std::string device = TRY(switch_on(options));
    if (reserve != 0) TRY(watch_reserve(device, reserve, std::chrono::seconds(given.timeout)));
    return device;
}

nlohmann::json status() {
    const std::vector<SwapArea> areas = read_swaps();
    nlohmann::json told = nlohmann::json::array();
    for (nlohmann::json &device : list_block_devices())
        for (const SwapArea &area : areas)
            if (area.path == device.value("device", std::string())) {
                device["swap"] = {
                    {"size", area.size}, {"used", area.used}, {"priority", area.priority}, {"lost", area.is_ghost}};
                told.push_back(device);
            }
    for (const SwapArea &area : areas) // of a device whose supervisor and worker have gone
        if (area.is_ghost)
            told.push_back({{"device", area.path},
                {"swap", {{"size", area.size}, {"used", area.used}, {"priority", area.priority}, {"lost", true}}}});
    return told;
}

int print_status(const Given &given) {
    const nlohmann::json told = status();
    if (given.json) {
        std::printf("%s\n", told.dump(2).c_str());
        return finish_output(0);
    }
    if (told.empty()) std::printf("nothing is swapped to GPU memory\n");
    for (const nlohmann::json &device : told) {
        const nlohmann::json &swap = device["swap"];
        std::printf("%s: %s of %s used, priority %d, %s%s\n", device.value("device", std::string()).c_str(),
            format_size(swap.value("used", std::uint64_t(0))).c_str(),
            format_size(swap.value("size", std::uint64_t(0))).c_str(), swap.value("priority", 0),
            device.value("file", std::string()).c_str(), swap.value("lost", false) ? "LOST: its device has gone" : "");
    }
    return finish_output(0);
}

// All areas, or the one of the device or file at `name`.
Result<void> off(const std::string &name, std::chrono::seconds patience) {
    bool is_found = false;
    for (const nlohmann::json &area : status()) {
        const std::string device = area.value("device", std::string());
        if (!name.empty() && name != device && name != area.value("file", std::string())) continue;
        is_found = true;
        TRY(switch_off(device, patience));
    }
    if (is_found) return {};
    return Error{ENOENT, 0, "swap off", name + (name.empty() ? "" : ": ") + "nothing is swapped to GPU memory there"};
}

int watch(const std::string &device, const Given &given) {
    const Result<std::uint64_t> reserve = parse_size(given.reserve);
    if (!reserve) return fail(reserve.error());
    const Result<void> kept = keep_reserve(device, *reserve, std::chrono::seconds(given.timeout));
    return kept ? 0 : fail(kept.error());
}

constexpr const char *kDescription =
    "  gmemfs swap on /mnt/gpu/swap --size 8G      a file of the mount, made where it isn't there\n"
    "  gmemfs swap status\n"
    "  gmemfs swap off                             reads everything back first; --timeout says how long at most\n"
    "Swap goes by ublk. Over nbd it takes vm.min_free_kbytes of 16384 or more. A killed worker, supervisor or\n"
    "filesystem server loses nothing: see gmemfs(1).";

} // namespace

int run_swap(int argc, char **argv) {
    Given given;
    const Synopsis synopsis = {"on [FILE] | off [DEVICE] | status", "Swaps to GPU memory.", kDescription, 1, 2};
    const CommandLine line = parse_command_line(argc, argv, synopsis,
        {{"size", 0, 0, G_OPTION_ARG_STRING, &given.size, "make FILE, where it isn't there, with so many bytes", "8G"},
            {"priority", 'p', 0, G_OPTION_ARG_INT, &given.priority, "as swapon(8) has it; the highest is used first",
                "P"},
            {"discard", 0, 0, G_OPTION_ARG_STRING, &given.discard, "tell the device which pages are free", "pages"},
            {"ublk", 0, 0, G_OPTION_ARG_NONE, &given.ublk, "by the kernel's ublk driver, or not at all", nullptr},
            {"nbd", 0, 0, G_OPTION_ARG_STRING, &given.nbd, "by the kernel's nbd driver", "/dev/nbdN"},
            {"queues", 0, 0, G_OPTION_ARG_INT, &given.queues, "of the device", "Q"},
            {"verify", 0, 0, G_OPTION_ARG_NONE, &given.verifies, "keep a checksum of each 4 KiB", nullptr},
            {"reserve", 0, 0, G_OPTION_ARG_STRING, &given.reserve,
                "give the swap's memory back when less than this is free on its device", "2G"},
            {"timeout", 0, 0, G_OPTION_ARG_INT, &given.timeout, "off, and giving back: give up after so many seconds",
                "60"},
            {"json", 0, 0, G_OPTION_ARG_NONE, &given.json, "the status as JSON", nullptr}});
    if (line.exit_status) return *line.exit_status;
    const std::string &action = line.parameters[0];
    if (action == "watch" && line.parameters.size() == 2 && given.reserve != nullptr) // of watch_reserve()
        return watch(line.parameters[1], given);
    if (action == "status" && line.parameters.size() == 1) return print_status(given);
    if (action == "on") {
        const Result<std::string> device = on(given, line.parameters);
        if (!device) return device.error().code == ECHILD ? kFailure : fail(device.error());
        std::printf("%s\n", device->c_str());
        return finish_output(0);
    }
    if (action != "off") return fail_usage("swap", "say on, off or status");
    if (given.timeout <= 0) return fail_usage("swap", "--timeout is seconds, 1 or more");
    const Result<void> done =
        off(line.parameters.size() > 1 ? line.parameters[1] : "", std::chrono::seconds(given.timeout));
    return done ? 0 : fail(done.error());
}

} // namespace gmemfs
