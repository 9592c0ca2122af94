// run: runs a program whose device memory is files of a mount (docs/pool.md).
#include "fuse/mounts/mount_flags.hpp"
#include "pool/memory/names.hpp"
#include "tools/host/command.hpp"
#include "tools/host/mounts.hpp"
#include "tools/pool/program.hpp"
#include "vmm/base/units.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <link.h>
#include <pwd.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLimitLeast = 2 * MiB;     // a device gives no less
constexpr int kNotFound = 127, kNotExecuted = 126; // as a shell has them
constexpr const char *kWithValue[] = {"--pool", "--limit", "--spill"};

// How many of the arguments are ours; then comes the program. `first` is its index.
int count_own(int argc, char **argv, int &first) {
    for (int index = 1; index < argc; ++index) {
        const std::string_view word = argv[index];
        first = word == "--" ? index + 1 : index;
        if (word == "--" || !word.starts_with('-')) return index;
        for (const char *const option : kWithValue)
            if (word == option) ++index;
    }
    first = argc;
    return argc;
}

// Beside the command, or in the prefix that it was installed into.
Result<std::string> find_library(const std::string &name) {
    std::error_code error;
    const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
    for (const fs::path &path : {folder / name, folder.parent_path() / "lib/gmemfs" / name})
        if (fs::exists(path, error)) return path.string();
    return Error{ENOENT, 0, "find library", name + ": it lies neither beside gmemfs nor in lib/gmemfs"};
}

// What is preloaded is in this process, too. Two doors to one driver would each hide the other's memory.
Result<void> check_interposers() {
    for (const char *const symbol : {"cuMemAlloc_v2", "cuMemCreate", "cuGetProcAddress", "cuGetProcAddress_v2"}) {
        void *const found = ::dlsym(RTLD_DEFAULT, symbol);
        Dl_info file = {};
        if (found == nullptr || ::dladdr(found, &file) == 0) continue;
        return Error{EBUSY, 0, "run program",
            std::string(file.dli_fname) + " is preloaded, and hooks " + symbol + " as well: take it out of LD_PRELOAD"};
    }
    return {};
}

// The very driver that the mount uses: its memory becomes files there. By a path that nobody else writes (pool/door).
Result<std::string> find_driver(const std::string &directory) {
    std::string path = TRY(read_attribute(directory, "user.gmemfs.driver"));
    if (path.find('/') == std::string::npos) {
        void *const handle = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
        link_map *loaded = nullptr;
        if (handle == nullptr || ::dlinfo(handle, RTLD_DI_LINKMAP, &loaded) != 0)
            return Error{ENOENT, 0, "find driver", path + ": run `gmemfs doctor`"};
        path = loaded->l_name;
    }
    return "/proc/self/root" + path;
}

// Beside the driver, as its packages have it. Empty: there is none.
std::string find_nvml(const std::string &driver) {
    std::error_code error;
    const fs::path path = fs::path(driver).parent_path() / "libnvidia-ml.so.1";
    return fs::exists(path, error) ? path.string() : "";
}

Result<std::string> default_directory() {
    const std::vector<Mount> mounts = TRY(list_mounts(kFilesystemType));
    if (mounts.size() != 1)
        return Error{EINVAL, 0, "choose a directory",
            mounts.empty() ? "no gmemfs is mounted: `gmemfs mount MOUNTPOINT` first"
                           : "there are several mounts: name a directory in one of them with --pool"};
    const passwd *const user = ::getpwuid(::geteuid()); // NOLINT(concurrency-mt-unsafe): one thread
    const std::string name = user != nullptr ? user->pw_name : std::to_string(::geteuid());
    const std::string above = mounts.front().path + "/.pool";
    if (::mkdir(above.c_str(), 0777) == 0)
        (void)::chmod(above.c_str(), 01777); // for every user of the mount, as /tmp is
    return above + "/" + name;
}

// Absolute, there, in a mount, and one that this user can make directories in.
Result<std::string> prepare_directory(const std::string &wanted) {
    const bool is_new = ::mkdir(wanted.c_str(), 0700) == 0;
    if (!is_new && errno != EEXIST) return Error{errno, 0, "make directory", wanted};
    std::array<char, PATH_MAX> whole = {};
    const bool is_there = ::realpath(wanted.c_str(), whole.data()) != nullptr;
    const int code = errno;
    const Result<Mount> mount = is_there ? find_mount_of(whole.data()) : Result<Mount>(Error{code, 0, "find", wanted});
    if (!mount && is_new) (void)::rmdir(wanted.c_str());
    if (!mount) return Error(mount.error());
    if (!fs::is_directory(whole.data())) return Error{ENOTDIR, 0, "use directory", wanted};
    if (::access(whole.data(), W_OK | X_OK) != 0)
        return Error{errno, 0, "use directory", wanted + ": this user can't make directories in it"};
    return std::string(whole.data());
}

struct Wanted {
    const char *directory = nullptr;
    std::uint64_t limit = 0;
    bool keep = false;
    bool spill = false; // to host memory
};

Result<void> tell_processes(const Wanted &wanted) {
    TRY(check_interposers());
    const std::string chosen = wanted.directory != nullptr ? wanted.directory : TRY(default_directory());
    const std::string directory = TRY(prepare_directory(chosen));
    const std::string driver = TRY(find_driver(directory));
    const std::string library = TRY(find_library("libgmemfs-pool.so"));
    const std::string nvml = wanted.limit == 0 ? "" : find_nvml(driver);
    const std::string nvml_library = nvml.empty() ? "" : TRY(find_library("libgmemfs-nvml.so"));
    std::string audit = TRY(find_library("libgmemfs-door.so"));
    if (const char *const others = g_getenv("LD_AUDIT"); others != nullptr && others[0] != '\0')
        audit += std::string(":") + others;
    const auto set = [](const char *name, const std::string &value) {
        if (value.empty())
            ::unsetenv(name); // NOLINT(concurrency-mt-unsafe)
        else
            ::setenv(name, value.c_str(), 1); // NOLINT(concurrency-mt-unsafe)
    };
    set(pool::kDirectoryVariable, directory);
    set(pool::kDriverVariable, driver);
    set(pool::kLibraryVariable, library);
    set(pool::kLimitVariable, wanted.limit == 0 ? "" : std::to_string(wanted.limit));
    set(pool::kSpillVariable, wanted.spill ? "host" : "");
    set(pool::kKeepVariable, wanted.keep ? "1" : "");
    set(pool::kNvmlVariable, nvml);
    set(pool::kNvmlLibraryVariable, nvml_library);
    set("LD_AUDIT", audit);
    return {};
}

constexpr const char *kDescription =
    "Device memory that PROGRAM and its children allocate, by whatever library, becomes files in\n"
    "DIR/NAME.PID/: arenas for what is small, and each large allocation a file. They go with their\n"
    "process. Without --pool, DIR is .pool/USER in the only mount.\n\n"
    "  gmemfs run --pool /mnt/gpu/work --limit 40G python3 train.py\n"
    "  gmemfs pool stat /mnt/gpu/work\n\n"
    "The exit status is PROGRAM's; 127: it isn't there, 126: it can't be run.";

} // namespace

int run_run(int argc, char **argv) {
    int first = argc;
    const int own = count_own(argc, argv, first);
    gchar *directory = nullptr;
    gchar *limit = nullptr;
    gchar *spill = nullptr;
    gboolean keep = FALSE;
    const Synopsis synopsis = {
        "PROGRAM [ARGUMENT...]", "Runs a program whose device memory is files of a mount.", kDescription, 0, 0};
    const CommandLine line = parse_command_line(own, argv, synopsis,
        {{"pool", 0, 0, G_OPTION_ARG_FILENAME, &directory, "Directory in a mount", "DIR"},
            {"limit", 0, 0, G_OPTION_ARG_STRING, &limit, "Bytes of device memory that each process may hold", "SIZE"},
            {"spill", 0, 0, G_OPTION_ARG_STRING, &spill, "host: what has no room is in host memory", "WHERE"},
            {"keep", 0, 0, G_OPTION_ARG_NONE, &keep, "Files outlive the program", nullptr}});
    if (line.exit_status) return *line.exit_status;
    if (first >= argc) return fail_usage("run", "it lacks a parameter: PROGRAM");
    if (spill != nullptr && std::string_view(spill) != "host")
        return fail_usage("run", "--spill=" + std::string(spill) + ": it can be host");
    Wanted wanted = {directory, 0, keep != FALSE, spill != nullptr};
    if (limit != nullptr) {
        const Result<std::uint64_t> bytes = parse_size(limit);
        if (!bytes)
            return fail_usage("run", "--limit=" + std::string(limit) + ": " + std::strerror(bytes.error().code));
        if (*bytes < kLimitLeast)
            return fail_usage(
                "run", "--limit=" + std::string(limit) + ": a device gives no less than " + format_size(kLimitLeast));
        wanted.limit = *bytes;
    }
    const Result<std::string> program = find_program(argv[first]);
    if (!program) return fail(program.error()), program.error().code == ENOENT ? kNotFound : kNotExecuted;
    if (const Result<void> checked = check_program(*program); !checked) return fail(checked.error()), kNotExecuted;
    if (const Result<void> told = tell_processes(wanted); !told) return fail(told.error());
    ::execv(program->c_str(), argv + first);
    return fail(Error{errno, 0, "run program", *program}), kNotExecuted;
}

} // namespace gmemfs
