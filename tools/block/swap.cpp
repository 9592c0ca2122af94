#include "tools/block/swap.hpp"

#include "tools/block/doors.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// With less, a socket's own memory isn't there when the machine is out of it, and nbd stands still (docs/block.md).
constexpr std::uint64_t kMinFreeForNbd = 16384; // KiB

constexpr int kDiscardPages = 0x40000; // SWAP_FLAG_DISCARD_PAGES of <linux/swap.h>, which glibc lacks

// The kernel writes a blank as \040, and so on.
std::string without_escapes(const std::string &text) {
    std::string plain;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const bool is_escape = text[at] == '\\' && at + 3 < text.size();
        if (is_escape) plain.push_back(static_cast<char>(std::stoi(text.substr(at + 1, 3), nullptr, 8)));
        if (!is_escape) plain.push_back(text[at]);
        at += is_escape ? 3 : 0;
    }
    return plain;
}

std::uint64_t read_number(const char *path) {
    std::ifstream file(path);
    std::uint64_t number = 0;
    file >> number;
    return number;
}

// A row of /proc/meminfo, in bytes.
std::uint64_t meminfo(const std::string &name) {
    std::ifstream file("/proc/meminfo");
    for (std::string word; file >> word;) {
        if (word != name + ":") continue;
        std::uint64_t kilobytes = 0;
        file >> kilobytes;
        return kilobytes * KiB;
    }
    return 0;
}

} // namespace

Result<block::DoorKind> choose_swap_door(const BlockOptions &options) {
    if (::geteuid() != 0) return Error{EPERM, 0, "swap on", "it takes root"};
    const Result<void> ublk = check_ublk();
    if (options.door == block::DoorKind::socket)
        return Error{ENOTSUP, 0, "swap on", "a socket is no block device: --ublk, or --nbd"};
    if (options.door.value_or(block::DoorKind::ublk) == block::DoorKind::ublk && ublk) return block::DoorKind::ublk;
    if (options.door == block::DoorKind::ublk) return Error(ublk.error());
    const Result<void> nbd = check_nbd();
    if (!nbd) return Error(options.door ? nbd.error() : ublk.error()); // ublk is the better one to get
    if (read_number("/proc/sys/vm/min_free_kbytes") >= kMinFreeForNbd) return block::DoorKind::nbd;
    return Error{ENOTSUP, 0, "swap on",
        "swap over nbd can stand still when memory is out: modprobe ublk_drv, or first "
        "sysctl vm.min_free_kbytes=" +
            std::to_string(kMinFreeForNbd)};
}

namespace {

Result<void> run(std::vector<std::string> command) {
    std::vector<char *> arguments;
    for (std::string &word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    const int code = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (code != 0) return Error{code, 0, "run", command[0] + ": it is in Debian's package util-linux"};
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return Error{EIO, 0, "run", command[0] + ": it failed, and said why"};
}

Result<void> add_swap(const std::string &device, const SwapOptions &options) {
    TRY(run({"mkswap", device}));
    const int flags = SWAP_FLAG_PREFER | (options.priority & SWAP_FLAG_PRIO_MASK) |
                      (options.discards ? SWAP_FLAG_DISCARD | kDiscardPages : 0);
    if (::swapon(device.c_str(), flags) == 0) return {};
    return Error{errno, 0, "swap on", device};
}

std::optional<SwapArea> find_swap(const std::string &device) {
    for (SwapArea &area : read_swaps())
        if (area.path == device) return std::move(area);
    return {};
}

void on_alarm(int) {} // so that swapoff(2) ends with EINTR

} // namespace

std::vector<SwapArea> read_swaps() {
    std::vector<SwapArea> areas;
    std::ifstream file("/proc/swaps");
    std::string line;
    std::getline(file, line); // the table's head
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string path, kind;
        SwapArea area = {};
        if (!(words >> path >> kind >> area.size >> area.used >> area.priority)) continue;
        constexpr std::string_view kDeleted = " (deleted)";
        area.path = without_escapes(path);
        area.is_ghost = area.path.ends_with(kDeleted);
        if (area.is_ghost) area.path.resize(area.path.size() - kDeleted.size());
        area.size *= KiB;
        area.used *= KiB;
        areas.push_back(std::move(area));
    }
    return areas;
}

Result<std::string> switch_on(const SwapOptions &options) {
    for (const SwapArea &area : read_swaps())
        if (area.is_ghost)
            return Error{EBUSY, 0, "swap on",
                area.path + ": it is in /proc/swaps, but its device has gone: the machine must be started anew"};
    GMEMFS_ASSERT(options.block.door); // by choose_swap_door()
    BlockOptions block = options.block;
    block.locking = block::Locking::required;
    const std::string device = TRY(start_block_device(block));
    const Result<void> added = add_swap(device, options);
    if (added) return device;
    const Result<void> undone = detach_block_device(device);
    if (undone) return Error(added.error());
    return Error{added.error().code, 0, "swap on", added.error().text() + "; and then " + undone.error().text()};
}

Result<void> switch_off(const std::string &device, std::chrono::seconds patience) {
    const std::optional<SwapArea> area = find_swap(device);
    if (!area) return Error{ENOENT, 0, "swap off", device + ": nothing is swapped there: gmemfs swap status"};
    const std::uint64_t room = meminfo("MemAvailable") + meminfo("SwapFree") - (area->size - area->used);
    if (area->used > room)
        return Error{ENOMEM, 0, "swap off",
            device + ": " + format_size(area->used) + " are out, and " + format_size(room) +
                " are free in memory and other swap: end some programs first"};
    struct sigaction action = {};
    action.sa_handler = on_alarm; // without SA_RESTART
    ::sigaction(SIGALRM, &action, nullptr);
    ::alarm(static_cast<unsigned>(patience.count()));
    const bool is_off = ::swapoff(device.c_str()) == 0;
    const int code = errno == EINTR ? ETIMEDOUT : errno;
    ::alarm(0);
    if (!is_off) return Error{code, 0, "swap off", device + ": it is on as before"};
    return detach_block_device(device);
}

} // namespace gmemfs
