// nixl: the helper that `gmemfs pull` and `gmemfs push` start on both hosts to move bytes by NIXL.
#include "tools/host/command.hpp"
#include "tools/nixl/places.hpp"
#include "tools/nixl/serve.hpp"
#include "vmm/base/units.hpp"

#include <csignal>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// By tests/bench/nixl.py slots of 512 KiB to 16 MiB differ by less than two runs of one shape do.
constexpr std::uint64_t kSlotSize = 4 * MiB;
constexpr int kSlots = 8;
constexpr int kThreads = 2;

Result<NixlSettings::Memory> parse_memory(const std::string &text) {
    // The device's memory itself only by name: a UCX without CUDA may take its addresses for the host's (NIXL issue
    // 1385), and that hasn't been tried on a GPU yet.
    if (text == "auto") return NixlSettings::Memory::automatic;
    if (text == "device") return NixlSettings::Memory::device;
    if (text.empty() || text == "staging") return NixlSettings::Memory::staging;
    return Error{EINVAL, 0, "--memory", text + ": auto, device or staging"};
}

// The caller's socket, kept apart from standard input, which libraries may touch.
Result<Fd> take_socket() {
    struct stat status = {};
    if (::fstat(STDIN_FILENO, &status) != 0 || !S_ISSOCK(status.st_mode))
        return Error{EINVAL, 0, "standard input", "`gmemfs pull` and `gmemfs push` start this"};
    Fd socket(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!socket) return Error{errno, 0, "standard input", {}};
    const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ::dup2(nothing.get(), STDIN_FILENO);
    return socket;
}

struct Flags {
    gboolean is_source = FALSE, is_target = FALSE;
    gchar *memory = nullptr, *slot_size = nullptr;
    gint slots = kSlots, threads = kThreads;
    Flags() = default;
    Flags(const Flags &) = delete;
    Flags &operator=(const Flags &) = delete;
    ~Flags() {
        g_free(memory);
        g_free(slot_size);
    }
};

Result<NixlSideSettings> read_settings(const Flags &flags) {
    NixlSideSettings settings;
    const std::string memory = flags.memory == nullptr ? "" : flags.memory;
    settings.memory = TRY(parse_memory(!memory.empty() ? memory : variable("GMEMFS_NIXL_MEMORY")));
    settings.slots.size = flags.slot_size == nullptr ? kSlotSize : TRY(parse_size(flags.slot_size));
    settings.slots.count = static_cast<std::uint32_t>(flags.slots);
    settings.threads = static_cast<unsigned>(flags.threads);
    const bool is_sound = settings.slots.size >= 4096 && settings.slots.size <= kNixlSlotMost && flags.slots >= 1 &&
                          settings.slots.count <= kNixlSlotsMost && flags.threads >= 1 && flags.threads <= 64;
    if (!is_sound || flags.is_source == flags.is_target)
        return Error{EINVAL, 0, "read the options", "--source or --target; slots of 4K to 64M, 256 at the most"};
    return settings;
}

} // namespace

int run_nixl(int argc, char **argv) {
    const Synopsis synopsis = {"", "Moves files' bytes to another host by NIXL, or from there.", "", 0, 0};
    Flags flags;
    const CommandLine line = parse_command_line(argc, argv, synopsis,
        {{"source", 0, 0, G_OPTION_ARG_NONE, &flags.is_source, "Send", nullptr},
            {"target", 0, 0, G_OPTION_ARG_NONE, &flags.is_target, "Receive", nullptr},
            {"memory", 0, 0, G_OPTION_ARG_STRING, &flags.memory,
                "staging, device, or auto: the device's where it can be registered", "KIND"},
            {"slot-size", 0, 0, G_OPTION_ARG_STRING, &flags.slot_size, "Bytes of a slot of staging memory", "BYTES"},
            {"slots", 0, 0, G_OPTION_ARG_INT, &flags.slots, "How many slots", "N"},
            {"threads", 0, 0, G_OPTION_ARG_INT, &flags.threads, "How many threads copy", "N"}});
    if (line.exit_status) return *line.exit_status;
    const Result<NixlSideSettings> settings = read_settings(flags);
    if (!settings) return fail_usage(argv[0], settings.error().text());
    const Result<Fd> socket = take_socket();
    if (!socket) return fail_usage(argv[0], socket.error().text());
    ::signal(SIGPIPE, SIG_IGN);
    const NixlProcess::Role role = flags.is_source ? NixlProcess::Role::source : NixlProcess::Role::target;
    const Result<void> served = serve_nixl(socket->get(), role, variable("GMEMFS_NIXL"), *settings);
    // No destructor of NIXL's or a driver's: they may wait for a peer that has gone.
    ::_exit(served || served.error().code == EPIPE ? 0 : kFailure);
}

} // namespace gmemfs
