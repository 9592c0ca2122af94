// Test client: two processes share a file's device memory: one writes a pattern with a kernel, the other checks it.
//
//     parent                                 child
//     create, truncate, read the handle
//     import, map, write pattern 1
//                                            read the handle, import, map
//                                            check pattern 1, write pattern 2
//     check pattern 2 by kernel, and by reading the file
//
// It uses what any peer would: the two extended attributes and the driver's import calls; nothing of the server.
#include "tests/peer/pattern.hpp"
#include "tests/peer/peer_file.hpp"

#include "vmm/base/units.hpp"

#include <fcntl.h>
#include <getopt.h>
#include <span>
#include <spawn.h>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

constexpr std::uint64_t kFileSize = 8 * MiB;
constexpr std::uint32_t kParentSeed = 1;
constexpr std::uint32_t kChildSeed = 2;

constexpr std::string_view kUsage =
    R"(usage: test-client [--driver LIBRARY] MOUNTPOINT      parent and child, one after the other
       test-client [--driver LIBRARY] --parent PATH   in one terminal: creates PATH, then waits for the child
       test-client [--driver LIBRARY] --child PATH    in another terminal

Shares the device memory of a file in a gmemfs mount between two processes, by its fabric handle.
--driver LIBRARY  libcuda.so.1 to load: for a simulated mount, the simulator's (default: libcuda.so.1)
)";

// Who starts the child: this program, or the user in another terminal.
enum class Child { spawned, prompted };

struct Options {
    std::string library = "libcuda.so.1";
    std::string parent, child, mount;
};

Result<void> write_pattern(Narrator &narrator, PeerFile &file, Pattern &pattern, std::uint32_t seed) {
    return narrator.tell("write pattern " + std::to_string(seed) + " with a kernel",
        [&] { return pattern.write(file.mapping->address(), file.mapping->size(), seed); });
}

Result<void> check_pattern(Narrator &narrator, PeerFile &file, Pattern &pattern, std::uint32_t seed) {
    return narrator.tell("check pattern " + std::to_string(seed) + " with a kernel", [&]() -> Result<void> {
        const std::uint64_t wrong = TRY(pattern.count_mismatches(file.mapping->address(), file.mapping->size(), seed));
        if (wrong == 0) return {};
        return Error{EBADMSG, 0, "check pattern", std::to_string(wrong) + " words of the mapping differ"};
    });
}

// The file's bytes are the mapping's bytes: what a kernel wrote is what read(2) gives.
Result<void> check_by_reading(const std::string &path, std::uint32_t seed) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return Error{errno, 0, "open file", path};
    std::vector<std::uint32_t> words(MiB / sizeof(std::uint32_t));
    for (std::uint64_t offset = 0; offset < kFileSize; offset += MiB) {
        const ssize_t size = ::pread(file.get(), words.data(), MiB, static_cast<off_t>(offset));
        if (size != static_cast<ssize_t>(MiB)) return Error{size < 0 ? errno : EIO, 0, "read file", path};
        for (std::uint64_t index = 0; index < words.size(); ++index)
            if (words[index] != Pattern::word(seed, offset / sizeof(std::uint32_t) + index))
                return Error{EBADMSG, 0, "read file", path + ": not what the kernel wrote"};
    }
    return {};
}

Result<void> run_child(const std::string &path, const std::string &library) {
    Narrator narrator("child");
    PeerFile file = TRY(PeerFile::open(narrator, path, library));
    const auto pattern = TRY(narrator.tell("load the kernels", [&] { return Pattern::create(*file.device); }));
    TRY(check_pattern(narrator, file, *pattern, kParentSeed));
    return write_pattern(narrator, file, *pattern, kChildSeed);
}

// posix_spawn starts a new program without copying this process, whose driver wouldn't survive a fork.
Result<void> spawn_child(const std::string &path, const std::string &library) {
    const char *arguments[] = {"test-client", "--driver", library.c_str(), "--child", path.c_str(), nullptr};
    pid_t child = 0;
    const int error =
        ::posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, const_cast<char *const *>(arguments), environ);
    if (error != 0) return Error{error, 0, "start the child", {}};
    int status = 0;
    if (::waitpid(child, &status, 0) != child) return Error{errno, 0, "wait for the child", {}};
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return Error{ECHILD, 0, "share with the child", "it failed, and said why above"};
}

Result<void> prompt_for_child(const std::string &path, const std::string &library) {
    std::printf("\nnow run in another terminal:  test-client --driver %s --child %s\n"
                "and press Enter here when it has ended: ",
        library.c_str(), path.c_str());
    std::fflush(stdout);
    for (int c = std::getchar(); c != '\n'; c = std::getchar())
        if (c == EOF) return Error{ECANCELED, 0, "wait for the child", "no Enter came"};
    return {};
}

Result<void> run_parent(const std::string &path, const std::string &library, Child child) {
    Narrator narrator("parent");
    TRY(narrator.tell("create " + path + " and truncate it to " + format_size(kFileSize),
        [&] { return create_file(path, kFileSize); }));
    PeerFile file = TRY(PeerFile::open(narrator, path, library));
    const auto pattern = TRY(narrator.tell("load the kernels", [&] { return Pattern::create(*file.device); }));
    TRY(write_pattern(narrator, file, *pattern, kParentSeed));
    TRY(child == Child::prompted ? prompt_for_child(path, library) : spawn_child(path, library));
    TRY(check_pattern(narrator, file, *pattern, kChildSeed));
    return narrator.tell("read the file: the same bytes", [&] { return check_by_reading(path, kChildSeed); });
}

Result<void> run_both(const std::string &mount, const std::string &library) {
    const std::string path = mount + "/test-client." + std::to_string(::getpid());
    Result<void> result = run_parent(path, library, Child::spawned);
    if (::unlink(path.c_str()) != 0 && result) return Error{errno, 0, "remove file", path};
    return result;
}

int usage_error() {
    std::fputs(kUsage.data(), stderr);
    return 2;
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {{"driver", required_argument, nullptr, 'd'},
        {"parent", required_argument, nullptr, 'p'}, {"child", required_argument, nullptr, 'c'},
        {"help", no_argument, nullptr, 'h'}, {}};
    Options options;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        switch (key) {
        case 'd': options.library = optarg; break;
        case 'p': options.parent = optarg; break;
        case 'c': options.child = optarg; break;
        case 'h': return std::fputs(kUsage.data(), stdout), 0;
        default: return usage_error();
        }
    }
    if (optind < argc) options.mount = argv[optind++];
    const int chosen = !options.parent.empty() + !options.child.empty() + !options.mount.empty();
    if (chosen != 1 || optind < argc) return usage_error();
    const Result<void> result = !options.mount.empty()    ? run_both(options.mount, options.library)
                                : !options.parent.empty() ? run_parent(options.parent, options.library, Child::prompted)
                                                          : run_child(options.child, options.library);
    if (result) {
        std::printf("%s: PASS\n", options.child.empty() ? "test-client" : "child");
        return 0;
    }
    std::fflush(stdout);
    std::fprintf(stderr, "test-client: %s\n", result.error().text().c_str());
    return 1;
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
