#include "tools/block/block_device.hpp"

#include "block/disk/thin_folder.hpp"
#include "block/process/control_socket.hpp"
#include "tools/block/doors.hpp"
#include "tools/host/mounts.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kEndMs = 10000;      // after it has said that it ends
constexpr unsigned kQueuesMax = 8; // more gain nothing: one copy engine serves them all

// Beside this program, as in the build folder, or where it is installed.
Result<std::string> supervisor_path() {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
    for (const fs::path &path : {folder / "gmemfs-block", folder.parent_path() / "lib/gmemfs/gmemfs-block"})
        if (fs::exists(path, error)) return path.string();
    return Error{ENOENT, 0, "start the block device", "gmemfs-block isn't beside gmemfs: install it again"};
}

std::vector<std::string> arguments_of(const BlockOptions &options) {
    const block::DoorKind door = options.door.value_or(block::DoorKind::socket);
    // The kernel's nbd driver sends a request that takes long by a sibling connection, while the first may still do it.
    const unsigned most = door == block::DoorKind::nbd ? 1 : kQueuesMax;
    const unsigned queues =
        options.queues != 0 ? options.queues : std::clamp(std::thread::hardware_concurrency(), 1U, most);
    std::vector<std::string> arguments = {
        "gmemfs-block", "--door", block::word_of(door), "--queues", std::to_string(queues)};
    if (options.number >= 0) arguments.insert(arguments.end(), {"--number", std::to_string(options.number)});
    if (!options.socket.empty()) arguments.insert(arguments.end(), {"--socket", options.socket});
    if (options.mode == block::Mode::read_only) arguments.emplace_back("--read-only");
    if (options.locking == block::Locking::required) arguments.emplace_back("--locked");
    if (options.verifies) arguments.emplace_back("--verify");
    if (!options.has_spare) arguments.emplace_back("--no-spare");
    if (options.orphan != 0)
        arguments.insert(arguments.end(),
            {"--orphan", std::to_string(options.orphan), "--shared-fd", std::to_string(options.orphan_shared),
                "--listener-fd", std::to_string(options.orphan_listener)});
    return arguments;
}

std::vector<char *> pointers_to(std::vector<std::string> &arguments) {
    std::vector<char *> pointers;
    for (std::string &argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    return pointers;
}

Result<pid_t> spawn(const std::string &program, std::vector<std::string> arguments, int output) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID); // a terminal's signals aren't for it
    pid_t pid = 0;
    const int code =
        ::posix_spawn(&pid, program.c_str(), &actions, &attributes, pointers_to(arguments).data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (code != 0) return Error{code, 0, "start the block device", program};
    return pid;
}

// The device's name, once its supervisor is ready; nothing where that has ended.
std::string read_name(const Fd &output) {
    std::string name;
    std::array<char, 512> bytes;
    for (;;) {
        const ssize_t count = ::read(output.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return {};
        name.append(bytes.data(), static_cast<std::size_t>(count));
        if (const std::size_t end = name.find('\n'); end != std::string::npos) return name.substr(0, end);
    }
}

Result<nlohmann::json> find_block_device(const std::string &name) {
    for (nlohmann::json &device : list_block_devices())
        if (device.value("device", std::string()) == name || device.value("file", std::string()) == name)
            return std::move(device);
    return Error{ENOENT, 0, "find the block device", name + ": it is no block device of gmemfs: gmemfs block --list"};
}

} // namespace

// "/dev/nbd3", "/dev/ublkb3" or "3".
Result<int> device_number(std::string text, const std::string &prefix) {
    if (text.starts_with(prefix)) text = text.substr(prefix.size());
    char *end = nullptr;
    const long number = std::strtol(text.c_str(), &end, 10);
    if (!text.empty() && *end == '\0' && number >= 0 && number < INT_MAX) return static_cast<int>(number);
    return Error{EINVAL, 0, "choose the device", text + ": it is " + prefix + "N, or N"};
}

Result<std::string> absolute_path(const std::string &path) {
    std::error_code error;
    std::filesystem::path whole = std::filesystem::weakly_canonical(std::filesystem::absolute(path), error);
    if (error) return Error{error.value(), 0, "find file", path};
    return whole.string();
}

namespace {

Result<void> check_place(const std::string &path) {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    const Result<Mount> mount = find_mount_of(folder);
    return mount ? Result<void>() : about(path, mount.error());
}

} // namespace

Result<void> make_thin_disk(const std::string &path, std::optional<std::uint64_t> size) {
    std::error_code error;
    const bool is_there = std::filesystem::exists(path, error);
    if (is_there && !std::filesystem::is_directory(path, error))
        return Error{ENOTDIR, 0, "make a thin disk", path + ": it is a file; a thin disk is a directory"};
    if (!size && is_there) return {}; // its supervisor looks at it
    if (!size) return Error{EINVAL, 0, "make a thin disk", path + ": it isn't there yet: --size says how large it is"};
    TRY(check_place(path));
    return block::make_thin_folder(path, *size);
}

Result<void> make_disk_file(const std::string &path, std::uint64_t size) {
    TRY(check_place(path));
    const Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    struct stat status = {};
    if (!file || ::fstat(file.get(), &status) != 0) return Error{errno, 0, "make the disk's file", path};
    if (static_cast<std::uint64_t>(status.st_size) == size) return {};
    if (status.st_size != 0)
        return Error{EEXIST, 0, "make the disk's file",
            path + ": it is there, with " + format_size(static_cast<std::uint64_t>(status.st_size)) +
                ": leave --size out, or name another"};
    if (::ftruncate(file.get(), static_cast<off_t>(size)) == 0) return {};
    return Error{errno, 0, "allocate the disk's memory", path + ": " + format_size(size)};
}

Result<void> check_queues(const BlockOptions &options) {
    if (options.queues <= 1 || options.door != block::DoorKind::nbd) return {};
    return Error{EINVAL, 0, "choose the queues", "an nbd device has one: docs/block.md says why"};
}

block::DoorKind best_door() {
    if (check_ublk()) return block::DoorKind::ublk;
    return check_nbd() ? block::DoorKind::nbd : block::DoorKind::socket;
}

Result<std::string> start_block_device(const BlockOptions &options) {
    const std::string program = TRY(supervisor_path());
    std::vector<std::string> arguments = arguments_of(options);
    arguments.insert(arguments.end(), {"--background", "--", options.file});
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error{errno, 0, "start the block device"};
    const Fd output(ends[0]);
    Fd other(ends[1]);
    const pid_t pid = TRY(spawn(program, std::move(arguments), other.get()));
    other.reset();
    std::string name = read_name(output);
    if (!name.empty()) return name;
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
    return Error{ECHILD, 0, "start the block device", options.file};
}

Error become_supervisor(const BlockOptions &options) {
    const Result<std::string> program = supervisor_path();
    if (!program) return program.error();
    std::vector<std::string> arguments = arguments_of(options);
    arguments.insert(arguments.end(), {"--", options.file});
    ::execv(program->c_str(), pointers_to(arguments).data());
    return Error{errno, 0, "start the block device", *program};
}

std::vector<nlohmann::json> list_block_devices() {
    std::vector<nlohmann::json> devices;
    for (const std::string &path : block::find_supervisors()) {
        const Result<std::string> text = block::ask_supervisor(path, block::kStatus);
        if (!text) continue; // it has just ended
        nlohmann::json told = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
        if (!told.is_object()) continue;
        told["control"] = path;
        devices.push_back(std::move(told));
    }
    std::sort(devices.begin(), devices.end(), [](const nlohmann::json &one, const nlohmann::json &other) {
        return one.value("device", std::string()) < other.value("device", std::string());
    });
    return devices;
}

Result<void> detach_block_device(const std::string &name) {
    const nlohmann::json device = TRY(find_block_device(name));
    // An orphan answers for itself.
    const nlohmann::json pid = device.value("supervisor", nlohmann::json());
    const Fd supervisor(pid.is_number() ? static_cast<int>(::syscall(SYS_pidfd_open, pid.get<pid_t>(), 0)) : -1);
    const std::string answer = TRY(block::ask_supervisor(device.value("control", std::string()), block::kDetach));
    if (answer != "ok") return Error{EBUSY, 0, "detach", answer};
    // Its lock and its leases go with it: who makes the file a device again, or removes it, doesn't meet them.
    pollfd ended = {supervisor.get(), POLLIN, 0};
    if (supervisor) ::poll(&ended, 1, kEndMs);
    return {};
}

Result<void> adopt_block_device(const std::string &name) {
    const nlohmann::json device = TRY(find_block_device(name));
    if (!device["supervisor"].is_null())
        return Error{EALREADY, 0, "adopt", name + ": process " + device["supervisor"].dump() + " supervises it"};
    BlockOptions options;
    options.file = device.value("file", std::string());
    options.door = block::door_of(device.value("door", std::string()));
    options.number = device.value("number", -1);
    if (options.door == block::DoorKind::socket) options.socket = device.value("device", std::string());
    options.queues = device.value("queues", 1U);
    options.mode = device.value("read_only", false) ? block::Mode::read_only : block::Mode::read_write;
    options.locking = device.value("locked", false) ? block::Locking::required : block::Locking::where_allowed;
    options.verifies = device.value("verify", false);
    options.orphan = device["worker"].value("pid", 0);
    options.orphan_shared = device.value("shared_fd", -1);
    options.orphan_listener = device.value("listener_fd", -1);
    TRY(start_block_device(options));
    return {};
}

} // namespace gmemfs
