// Attach: how long a peer's calls of libgmemfs take: open, map, unmap, close. Prints JSON.
//
//     attach --library LIBGMEMFS [--driver LIBRARY] [--repeats N] PATH                  medians, microseconds
//     attach --library LIBGMEMFS [--driver LIBRARY] [--repeats N] --processes N PATH    open and map, of N at once
//
// Of several processes each opens and maps for the first time, when all are ready: the median of the fastest ones, of
// the second fastest, and so on to the slowest.
//
// The library is opened at run time, so that two versions of it can be measured by one program. As in a peer that is at
// work, the process has a context of the device, which is current. The first round isn't counted.
#include "client/lib/gmemfs.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <getopt.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

struct Options {
    const char *library = nullptr;
    const char *driver = "libcuda.so.1";
    int repeats = 200;
    int processes = 0; // 0: one, over and over
    const char *path = nullptr;
};

double now_us() {
    using namespace std::chrono;
    return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] void fail(const std::string &what) {
    std::fprintf(stderr, "attach: %s\n", what.c_str());
    std::exit(1);
}

template <typename Function>
Function *find(void *library, const char *name) {
    void *const found = ::dlsym(library, name);
    if (found == nullptr) fail(std::string(name) + " is not there: " + ::dlerror());
    return reinterpret_cast<Function *>(found);
}

void *open_library(const char *path) {
    void *const library = ::dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) fail(::dlerror());
    return library;
}

// The device's primary context, made current: by the driver's own calls, since libgmemfs makes none.
void make_context(const char *path) {
    void *const driver = open_library(path);
    void *context = nullptr;
    const bool is_made = find<int(unsigned)>(driver, "cuInit")(0) == 0 &&
                         find<int(void **, int)>(driver, "cuDevicePrimaryCtxRetain")(&context, 0) == 0 &&
                         find<int(void *)>(driver, "cuCtxSetCurrent")(context) == 0;
    if (!is_made) fail(std::string(path) + ": no context of device 0");
}

struct Library {
    void *handle;
    decltype(gmemfs_open) *open = find<decltype(gmemfs_open)>(handle, "gmemfs_open");
    decltype(gmemfs_map) *map = find<decltype(gmemfs_map)>(handle, "gmemfs_map");
    decltype(gmemfs_unmap) *unmap = find<decltype(gmemfs_unmap)>(handle, "gmemfs_unmap");
    decltype(gmemfs_close) *close = find<decltype(gmemfs_close)>(handle, "gmemfs_close");
    decltype(gmemfs_last_error) *last_error = find<decltype(gmemfs_last_error)>(handle, "gmemfs_last_error");
    void check(int code) const {
        if (code != 0) fail(last_error());
    }
};

constexpr std::size_t kCalls = 5;
using Round = std::array<double, kCalls>; // open, map, unmap, close, all four

gmemfs_open_options open_options(const Options &options) {
    gmemfs_open_options open = {};
    open.struct_size = sizeof open;
    open.driver = options.driver;
    return open;
}

Round measure(const Library &library, const Options &options) {
    const gmemfs_open_options open = open_options(options);
    gmemfs_file *file = nullptr;
    gmemfs_mapping *mapping = nullptr;
    const double start = now_us();
    library.check(library.open(options.path, &open, &file));
    const double opened = now_us();
    library.check(library.map(file, nullptr, &mapping));
    const double mapped = now_us();
    library.check(library.unmap(mapping));
    const double unmapped = now_us();
    library.close(file);
    const double closed = now_us();
    return {opened - start, mapped - opened, unmapped - mapped, closed - unmapped, closed - start};
}

double median(std::vector<double> times) {
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
    return times[times.size() / 2];
}

double median(const std::vector<Round> &rounds, std::size_t call) {
    std::vector<double> times;
    for (const Round &round : rounds) times.push_back(round[call]);
    return median(std::move(times));
}

struct Pipe {
    Pipe() {
        if (::pipe(ends) != 0) fail("no pipe");
    }
    ~Pipe() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    Pipe(const Pipe &) = delete;
    Pipe &operator=(const Pipe &) = delete;
    void write(const void *bytes, std::size_t size) const {
        if (::write(ends[1], bytes, size) != static_cast<ssize_t>(size)) fail("nobody reads");
    }
    void read(void *bytes, std::size_t size) const {
        if (::read(ends[0], bytes, size) != static_cast<ssize_t>(size)) fail("a process has ended");
    }
    int ends[2] = {-1, -1};
};

struct Pipes {
    Pipe ready, start, told, end;
};

// In a child: says that it is ready, waits for the start, and tells how long it took. All hold their mappings until
// all have one.
[[noreturn]] void attach_once(const Options &options, const Pipes &pipes) {
    make_context(options.driver);
    const Library library = {open_library(options.library)};
    const gmemfs_open_options open = open_options(options);
    gmemfs_file *file = nullptr;
    gmemfs_mapping *mapping = nullptr;
    char byte = 0;
    pipes.ready.write(&byte, 1);
    pipes.start.read(&byte, 1);
    const double start = now_us();
    library.check(library.open(options.path, &open, &file));
    library.check(library.map(file, nullptr, &mapping));
    const double took = now_us() - start;
    pipes.told.write(&took, sizeof took);
    pipes.end.read(&byte, 1);
    std::_Exit(0);
}

// Of the processes, the fastest first.
std::vector<double> measure_at_once(const Options &options) {
    const Pipes pipes;
    std::vector<double> times(static_cast<std::size_t>(options.processes));
    const std::string bytes(times.size(), '\0');
    for (std::size_t index = 0; index < times.size(); ++index) {
        const pid_t child = ::fork(); // before the driver is there
        if (child < 0) fail("no process");
        if (child == 0) attach_once(options, pipes);
    }
    char byte = 0;
    for (std::size_t index = 0; index < times.size(); ++index) pipes.ready.read(&byte, 1);
    pipes.start.write(bytes.data(), bytes.size());
    for (double &time : times) pipes.told.read(&time, sizeof time);
    pipes.end.write(bytes.data(), bytes.size());
    for (std::size_t index = 0; index < times.size(); ++index)
        if (::wait(nullptr) < 0) fail("no child");
    std::sort(times.begin(), times.end());
    return times;
}

void print_at_once(const Options &options) {
    std::vector<std::vector<double>> by_rank(static_cast<std::size_t>(options.processes));
    for (int round = 0; round < options.repeats; ++round) {
        const std::vector<double> times = measure_at_once(options);
        for (std::size_t rank = 0; rank < times.size(); ++rank) by_rank[rank].push_back(times[rank]);
    }
    std::printf("{\"at_once_us\": [");
    for (std::size_t rank = 0; rank < by_rank.size(); ++rank)
        std::printf("%s%.2f", rank == 0 ? "" : ", ", median(by_rank[rank]));
    std::printf("]}\n");
}

} // namespace

int main(int count, char **words) {
    const option longs[] = {{"library", required_argument, nullptr, 'l'}, {"driver", required_argument, nullptr, 'd'},
        {"repeats", required_argument, nullptr, 'r'}, {"processes", required_argument, nullptr, 'p'},
        {nullptr, 0, nullptr, 0}};
    Options options;
    for (int letter = 0; (letter = ::getopt_long(count, words, "", longs, nullptr)) != -1;) {
        if (letter == 'l') options.library = optarg;
        if (letter == 'd') options.driver = optarg;
        if (letter == 'r') options.repeats = std::atoi(optarg);
        if (letter == 'p') options.processes = std::atoi(optarg);
        if (letter == '?') return 2;
    }
    if (optind + 1 != count || options.library == nullptr || options.repeats < 1 || options.processes < 0) {
        std::fprintf(
            stderr, "usage: attach --library LIBGMEMFS [--driver LIBRARY] [--repeats N] [--processes N] PATH\n");
        return 2;
    }
    options.path = words[optind];
    if (options.processes != 0) {
        print_at_once(options);
        return 0;
    }
    make_context(options.driver);
    const Library library = {open_library(options.library)};
    (void)measure(library, options);
    std::vector<Round> rounds;
    for (int index = 0; index < options.repeats; ++index) rounds.push_back(measure(library, options));
    std::printf("{\"open_us\": %.2f, \"map_us\": %.2f, \"unmap_us\": %.2f, \"close_us\": %.2f, \"all_us\": %.2f}\n",
        median(rounds, 0), median(rounds, 1), median(rounds, 2), median(rounds, 3), median(rounds, 4));
    return 0;
}
