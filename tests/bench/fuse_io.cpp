// FUSE I/O: several processes write or read a file at once, block by block; prints the rate of all together as JSON.
//
//     fuse_io write|read [--jobs N] [--block BYTES] [--size BYTES] [--files] [--random REQUESTS] PATH
//
// Each job has `size` bytes of its own in the one file, from job * size on; with --files, a file of its own: PATH.0,
// PATH.1, ... It moves them in order; with --random, it moves so many blocks of them, anywhere. All start together, at
// a barrier; the rate is all their bytes over the time from the start to the end of the last. Buffers are page-aligned,
// and written before the clock starts, so that no page fault is measured. Blocks are whole, or it is an error.
#include "vmm/base/fd.hpp"
#include "vmm/base/random.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

enum class Direction { write, read };

struct Options {
    Direction direction = Direction::write;
    std::uint64_t jobs = 1;
    std::uint64_t block = MiB;
    std::uint64_t size = GiB;
    std::uint64_t random = 0; // requests; 0: all blocks in order
    bool has_files = false;   // a file for each job
    std::string path;
};

constexpr std::uint64_t kJobsMax = 256;

// Shared by all processes.
struct Shared {
    pthread_barrier_t start;
    double started[kJobsMax], ended[kJobsMax]; // seconds; index: job
};

double now_seconds() {
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

std::uint64_t requests_of(const Options &options) {
    return options.random != 0 ? options.random : options.size / options.block;
}

Result<void> move_blocks(const Options &options, const Fd &file, void *buffer, std::uint64_t job) {
    const std::uint64_t first = options.has_files ? 0 : job * options.size;
    const std::uint64_t blocks = options.size / options.block;
    Random random(job + 1);
    for (std::uint64_t index = 0; index < requests_of(options); ++index) {
        const std::uint64_t block = options.random != 0 ? random.next() % blocks : index;
        const auto offset = static_cast<off_t>(first + block * options.block);
        const ssize_t size = options.direction == Direction::write ? ::pwrite(file.get(), buffer, options.block, offset)
                                                                   : ::pread(file.get(), buffer, options.block, offset);
        if (size != static_cast<ssize_t>(options.block))
            return Error{size < 0 ? errno : EIO, 0, "move block", options.path + ": a block came short"};
    }
    return {};
}

Result<void> run_job(const Options &options, Shared &shared, std::uint64_t job) {
    const std::string path = options.has_files ? options.path + "." + std::to_string(job) : options.path;
    const Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    const int code = errno;
    void *buffer = ::mmap(nullptr, options.block, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer != MAP_FAILED) {
        Random random(job);
        auto *words = static_cast<std::uint64_t *>(buffer);
        std::generate(words, words + options.block / sizeof *words, [&] { return random.next(); });
    }
    ::pthread_barrier_wait(&shared.start); // also where the file didn't open: the others wait for this job
    if (!file) return Error{code, 0, "open file", path};
    if (buffer == MAP_FAILED) return Error{ENOMEM, 0, "make buffer", {}};
    shared.started[job] = now_seconds();
    TRY(move_blocks(options, file, buffer, job));
    shared.ended[job] = now_seconds();
    return {};
}

int run_jobs(const Options &options) {
    auto *shared = static_cast<Shared *>(
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    if (shared == MAP_FAILED) return 1;
    pthread_barrierattr_t attributes;
    ::pthread_barrierattr_init(&attributes);
    ::pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_barrier_init(&shared->start, &attributes, static_cast<unsigned>(options.jobs));
    for (std::uint64_t job = 0; job < options.jobs; ++job) {
        if (::fork() != 0) continue;
        const Result<void> result = run_job(options, *shared, job);
        if (!result) std::fprintf(stderr, "fuse_io: %s\n", result.error().text().c_str());
        ::_exit(result ? 0 : 1);
    }
    int failures = 0;
    for (int status = 0; ::wait(&status) > 0;) failures += status != 0;
    if (failures != 0) return 1;
    const double started = *std::min_element(shared->started, shared->started + options.jobs);
    const double ended = *std::max_element(shared->ended, shared->ended + options.jobs);
    const double requests = static_cast<double>(options.jobs * requests_of(options));
    std::printf("{\"gb_per_second\": %.4f, \"requests_per_second\": %.1f, \"seconds\": %.6f}\n",
        requests * static_cast<double>(options.block) / (ended - started) / 1e9, requests / (ended - started),
        ended - started);
    return 0;
}

int usage_error() {
    std::fputs("usage: fuse_io write|read [--jobs N] [--block BYTES] [--size BYTES] [--files] [--random REQUESTS] "
               "PATH\n",
        stderr);
    return 2;
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {{"jobs", required_argument, nullptr, 'j'},
        {"block", required_argument, nullptr, 'b'}, {"size", required_argument, nullptr, 's'},
        {"files", no_argument, nullptr, 'f'}, {"random", required_argument, nullptr, 'r'}, {}};
    Options options;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == '?') return usage_error();
        if (key == 'f') {
            options.has_files = true;
            continue;
        }
        const Result<std::uint64_t> number = parse_size(optarg);
        if (!number || *number == 0) return usage_error();
        (key == 'j' ? options.jobs : key == 'b' ? options.block : key == 'r' ? options.random : options.size) = *number;
    }
    if (optind + 2 != argc || options.jobs > kJobsMax || options.size % options.block != 0) return usage_error();
    const std::string_view direction = argv[optind];
    if (direction != "write" && direction != "read") return usage_error();
    options.direction = direction == "read" ? Direction::read : Direction::write;
    options.path = argv[optind + 1];
    return run_jobs(options);
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
