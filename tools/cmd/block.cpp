// block: serves a file of a mount as a block device; lists such devices, and detaches them.
#include "tools/block/block_device.hpp"
#include "tools/block/doors.hpp"
#include "tools/host/command.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>

namespace gmemfs {
namespace {

struct Given {
    gboolean ublk = FALSE, lists = FALSE, json = FALSE, read_only = FALSE, foreground = FALSE, verifies = FALSE,
             lacks_spare = FALSE, locked = FALSE, thin = FALSE;
    gchar *number = nullptr, *nbd = nullptr, *socket = nullptr, *size = nullptr, *detach = nullptr, *adopt = nullptr;
    gint queues = 0;
};

// A socket of the file's own, where it has to be named.
std::string default_socket(const std::string &file) {
    std::string name = file;
    for (char &letter : name)
        if (letter == '/') letter = '-';
    return "/tmp/gmemfs" + name + ".nbd";
}

Result<BlockOptions> read_options(const Given &given, const std::string &file) {
    BlockOptions options;
    options.file = TRY(absolute_path(file));
    const int doors = (given.ublk ? 1 : 0) + (given.nbd != nullptr ? 1 : 0) + (given.socket != nullptr ? 1 : 0);
    if (doors > 1) return Error{EINVAL, 0, "choose the door", "--ublk, --nbd and --socket exclude each other"};
    if (given.ublk) options.door = block::DoorKind::ublk;
    if (given.nbd != nullptr) {
        options.door = block::DoorKind::nbd;
        options.number = TRY(device_number(given.nbd, "/dev/nbd"));
    }
    if (given.number != nullptr) options.number = TRY(device_number(given.number, "/dev/ublkb"));
    if (given.socket != nullptr) options.door = block::DoorKind::socket;
    if (!options.door) options.door = best_door();
    if (options.door == block::DoorKind::socket) options.socket = default_socket(options.file);
    if (given.socket != nullptr) options.socket = TRY(absolute_path(given.socket));
    if (given.queues < 0 || given.queues > 64) return Error{EINVAL, 0, "choose the queues", "1 to 64"};
    options.queues = static_cast<unsigned>(given.queues);
    TRY(check_queues(options));
    options.mode = given.read_only ? block::Mode::read_only : block::Mode::read_write;
    options.locking = given.locked ? block::Locking::required : block::Locking::where_allowed;
    options.verifies = given.verifies != FALSE;
    options.has_spare = given.lacks_spare == FALSE;
    return options;
}

enum class ListForm : std::uint8_t { lines, json };

int print_list(ListForm form) {
    const std::vector<nlohmann::json> devices = list_block_devices();
    if (form == ListForm::json) {
        std::printf("%s\n", nlohmann::json(devices).dump(2).c_str());
        return finish_output(0);
    }
    if (devices.empty()) std::printf("no block devices\n");
    for (const nlohmann::json &device : devices) {
        const std::string used = device.value("used", false) ? "used" : "unused";
        const std::string thin = device.value("thin", false)
                                     ? "thin with " + format_size(device.value("allocated", std::uint64_t(0))) + ", "
                                     : "";
        std::printf("%s: %s, %s, %s%s%s, worker %d, %llu take-overs\n", device.value("device", std::string()).c_str(),
            device.value("file", std::string()).c_str(), format_size(device.value("size", std::uint64_t(0))).c_str(),
            thin.c_str(), device.value("read_only", false) ? "read only, " : "",
            (device["supervisor"].is_null() ? "WITHOUT A SUPERVISOR: gmemfs block --adopt" : used).c_str(),
            device["worker"].value("pid", 0),
            static_cast<unsigned long long>(device.value("takeovers", std::uint64_t(0))));
    }
    return finish_output(0);
}

Result<int> attach(const Given &given, const std::string &file) {
    const BlockOptions options = TRY(read_options(given, file));
    if (options.door == block::DoorKind::ublk) TRY(check_ublk());
    if (options.door == block::DoorKind::nbd) TRY(check_nbd());
    std::optional<std::uint64_t> size;
    if (given.size != nullptr) size = TRY(parse_size(given.size));
    std::error_code error;
    if (given.thin || std::filesystem::is_directory(options.file, error))
        TRY(make_thin_disk(options.file, size));
    else if (size)
        TRY(make_disk_file(options.file, *size));
    if (given.foreground) return become_supervisor(options);
    const Result<std::string> name = start_block_device(options);
    if (!name && name.error().code == ECHILD) return kFailure; // the supervisor has said why
    if (!name) return Error(name.error());
    std::printf("%s\n", name->c_str());
    return finish_output(0);
}

Result<void> on_device(const char *given, Result<void> (*action)(const std::string &)) {
    return action(TRY(absolute_path(given)));
}

int finish(const Result<void> &done) {
    if (done) return 0;
    return done.error().code == ECHILD ? kFailure : fail(done.error()); // its supervisor has said why
}

constexpr const char *kDescription =
    "Prints the device's name, or the socket's, once it is there:\n"
    "  gmemfs block /mnt/gpu/disk --size 8G            /dev/ublkb0, /dev/nbd0, or a socket, as the machine has them\n"
    "  mkfs.ext4 /dev/ublkb0; mount /dev/ublkb0 /mnt/disk\n"
    "  gmemfs block /mnt/gpu/thin --thin --size 1T     a directory, which has memory for what was written\n"
    "  gmemfs block /mnt/gpu/disk --socket /run/d.nbd  for qemu, nbdcopy, nbd-client: nbd+unix:///?socket=/run/d.nbd\n"
    "  gmemfs block --detach /dev/ublkb0\n"
    "Neither the filesystem's server nor a worker that is killed ends the device: see gmemfs(1).";

} // namespace

int run_block(int argc, char **argv) {
    Given given;
    const Synopsis synopsis = {"[FILE]", "Serves a file of a mount as a block device.", kDescription, 0, 1};
    const CommandLine line = parse_command_line(argc, argv, synopsis,
        {{"ublk", 0, 0, G_OPTION_ARG_NONE, &given.ublk, "a device of the kernel's ublk driver", nullptr},
            {"number", 0, 0, G_OPTION_ARG_STRING, &given.number, "which: /dev/ublkbN, or N; else a free one", "N"},
            {"nbd", 0, 0, G_OPTION_ARG_STRING, &given.nbd, "a device of the kernel's nbd driver", "/dev/nbdN"},
            {"socket", 0, 0, G_OPTION_ARG_FILENAME, &given.socket, "a Unix socket for NBD clients", "PATH"},
            {"size", 0, 0, G_OPTION_ARG_STRING, &given.size, "make FILE, where it isn't there, with so many bytes",
                "8G"},
            {"thin", 0, 0, G_OPTION_ARG_NONE, &given.thin,
                "FILE is a directory, and takes memory as the disk is written, 64 MiB at a time", nullptr},
            {"read-only", 'r', 0, G_OPTION_ARG_NONE, &given.read_only, "nobody may write", nullptr},
            {"queues", 0, 0, G_OPTION_ARG_INT, &given.queues, "of the device: 1 to 64; else one a processor, up to 8",
                "Q"},
            {"verify", 0, 0, G_OPTION_ARG_NONE, &given.verifies,
                "keep a checksum of each 4 KiB: damage is an error then, and not silent", nullptr},
            {"no-spare", 0, 0, G_OPTION_ARG_NONE, &given.lacks_spare,
                "no second worker: less memory, and seconds until another one serves", nullptr},
            {"locked", 0, 0, G_OPTION_ARG_NONE, &given.locked,
                "lock all that serves it into memory, or fail: for swap that is switched on by hand", nullptr},
            {"foreground", 'f', 0, G_OPTION_ARG_NONE, &given.foreground, "stay, and end with the device", nullptr},
            {"list", 'l', 0, G_OPTION_ARG_NONE, &given.lists, "the devices that this user has", nullptr},
            {"json", 0, 0, G_OPTION_ARG_NONE, &given.json, "the list as JSON", nullptr},
            {"detach", 'd', 0, G_OPTION_ARG_STRING, &given.detach, "end a device that nobody uses", "DEVICE"},
            {"adopt", 0, 0, G_OPTION_ARG_STRING, &given.adopt,
                "start another supervisor for a device whose own one has died", "DEVICE"}});
    if (line.exit_status) return *line.exit_status;
    const int actions = (given.lists ? 1 : 0) + (given.detach != nullptr ? 1 : 0) + (given.adopt != nullptr ? 1 : 0) +
                        static_cast<int>(line.parameters.size());
    if (actions != 1) return fail_usage("block", "give a FILE, --list, --detach or --adopt");
    if (given.lists) return print_list(given.json ? ListForm::json : ListForm::lines);
    if (given.detach != nullptr) return finish(on_device(given.detach, detach_block_device));
    if (given.adopt != nullptr) return finish(on_device(given.adopt, adopt_block_device));
    const Result<int> status = attach(given, line.parameters[0]);
    return status ? *status : fail(status.error());
}

} // namespace gmemfs
