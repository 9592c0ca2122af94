// Gmemfs-block: serves a file of a gmemfs mount as a block device; `gmemfs block` starts it.
//
// A program of its own, without GLib, libfuse and the server, because what it has in memory is locked there.
#include "block/process/supervisor.hpp"
#include "block/process/worker.hpp"

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <getopt.h>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <syslog.h>
#include <unistd.h>

namespace {

using namespace gmemfs;
using namespace gmemfs::block;

constexpr int kUsage = 2;

int fail(const Error &error, int said_to = STDERR_FILENO) {
    ::dprintf(said_to, "gmemfs: %s\n", error.text().c_str());
    return 1;
}

enum class Ground : std::uint8_t { foreground, background };

struct CommandLine {
    Order order;
    Ground ground = Ground::foreground;
    bool is_worker = false;
};

// `gmemfs block` has looked at what users wrote; this is what the two programs say to each other.
std::optional<CommandLine> parse(int argc, char **argv) {
    constexpr option kOptions[] = {{"work", no_argument, nullptr, 'w'}, {"door", required_argument, nullptr, 'd'},
        {"number", required_argument, nullptr, 'n'}, {"socket", required_argument, nullptr, 's'},
        {"queues", required_argument, nullptr, 'q'}, {"read-only", no_argument, nullptr, 'r'},
        {"verify", no_argument, nullptr, 'v'}, {"no-spare", no_argument, nullptr, 'S'},
        {"locked", no_argument, nullptr, 'l'}, {"background", no_argument, nullptr, 'b'},
        {"orphan", required_argument, nullptr, 'o'}, {"shared-fd", required_argument, nullptr, 'C'},
        {"listener-fd", required_argument, nullptr, 'L'}, {nullptr, 0, nullptr, 0}};
    CommandLine line;
    Plan &plan = line.order.plan;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there are no threads yet
    for (int found = 0; (found = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        switch (found) {
        case 'w': line.is_worker = true; break;
        case 'd':
            if (!door_of(optarg)) return {};
            plan.door = *door_of(optarg);
            break;
        case 'n': plan.number = std::atoi(optarg); break;
        case 's': line.order.socket_path = optarg; break;
        case 'q': plan.queues = static_cast<std::uint32_t>(std::atoi(optarg)); break;
        case 'r': plan.mode = Mode::read_only; break;
        case 'v': line.order.verify = Order::Verify::yes; break;
        case 'S': line.order.spare = Order::Spare::none; break;
        case 'l': plan.locking = Locking::required; break;
        case 'o': line.order.orphan.pid = std::atoi(optarg); break;
        case 'C': line.order.orphan.shared = std::atoi(optarg); break;
        case 'L': line.order.orphan.listener = std::atoi(optarg); break;
        case 'b': line.ground = Ground::background; break;
        default: return {};
        }
    }
    if (!line.is_worker && (optind != argc - 1 || plan.queues == 0 || plan.queues > kSignalFdsMax)) return {};
    if (!line.is_worker) plan.file = argv[optind];
    return line;
}

void leave(std::initializer_list<int> streams) {
    const Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int stream : streams) ::dup2(nothing.get(), stream);
}

int supervise(const CommandLine &line) {
    // Who started this may read to the end of standard error, as $(... 2>&1) does: so workers mustn't have it, nor this
    // one once it serves. They have syslog.
    const bool leaves = line.ground == Ground::background;
    Fd said_to(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    if (leaves) leave({STDIN_FILENO, STDERR_FILENO});
    const Result<std::unique_ptr<Supervisor>> supervisor = Supervisor::create(line.order);
    if (!supervisor) return fail(supervisor.error(), said_to.get());
    said_to = Fd();
    std::printf("%s\n", (*supervisor)->device().name().c_str());
    std::fflush(stdout);
    if (leaves) leave({STDOUT_FILENO});
    const Result<void> ended = (*supervisor)->run();
    return ended ? 0 : fail(ended.error());
}

} // namespace

int main(int argc, char **argv) {
    ::openlog("gmemfs-block", LOG_PERROR | LOG_PID, LOG_DAEMON);
    const std::optional<CommandLine> line = parse(argc, argv);
    if (!line) {
        std::fprintf(stderr, "gmemfs-block: it is started by `gmemfs block`; see gmemfs block --help\n");
        return kUsage;
    }
    if (!line->is_worker) return supervise(*line);
    const Result<void> served = run_worker(Fd(kWorkerSocket));
    return served ? 0 : 1; // the supervisor was told why
}
