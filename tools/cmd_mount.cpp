// mount: parse, check, go to the background, serve.
#include "fuse/background.hpp"
#include "fuse/log.hpp"
#include "fuse/mount_point.hpp"
#include "fuse/runtime_folder.hpp"
#include "fuse/server.hpp"
#include "tools/command.hpp"
#include "tools/mounts.hpp"

#include <cstdio>

namespace gmemfs {
namespace {

// The mount of a dead server goes, where its keeper lives and this server takes over what it holds.
Result<std::string> make_way(const Options &options) {
    Result<std::string> checked = check_mount_point(options.mount_point);
    if (checked || checked.error().code != ENOTCONN || !options.keeper) return checked;
    const std::string mount_point = TRY(resolve_mount_point(options.mount_point));
    if (!has_abandoned_keeper(mount_point)) return checked;
    TRY(unmount(mount_point, UnmountMode::lazily));
    return check_mount_point(mount_point);
}

Result<int> mount(Options options) {
    options.mount_point = TRY(make_way(options));
    TRY(check_fuse(options));
    std::optional<Background> background;
    if (!options.foreground) {
        Result<Background::Side> side = Background::fork(); // before the driver is opened
        if (!side) return Error(side.error());
        if (!side->second) return side->exit_status;
        background = std::move(side->second);
    }
    const auto serve = [&]() -> Result<void> {
        TRY(start_log({options.debug, !options.foreground, options.log_file}));
        const std::unique_ptr<Server> server = TRY(Server::create(options));
        server->run([&] {
            if (background) background->ready();
        });
        return {};
    };
    const Result<void> served = serve();
    if (served) return 0;
    if (!background) return Error(served.error());
    background->fail("gmemfs: " + served.error().text() + "\n");
    return kFailure;
}

} // namespace

int run_mount(int argc, char **argv) {
    const Result<ParsedOptions> parsed = parse_options(argc, argv);
    if (!parsed) {
        std::fprintf(stderr, "gmemfs mount: %s\n", parsed.error().detail.c_str());
        return kUsage;
    }
    if (!parsed->help.empty()) {
        std::fputs(parsed->help.c_str(), stdout);
        return 0;
    }
    if (parsed->options.print) {
        std::fputs(describe_options(parsed->options).c_str(), stdout);
        return 0;
    }
    const Result<int> status = mount(parsed->options);
    return status ? *status : fail(status.error());
}

} // namespace gmemfs
