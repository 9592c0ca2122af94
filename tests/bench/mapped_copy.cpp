// Mapped copy: what a parallel memcpy into a new file that is mapped can reach: the bound of a copy out of the device.
//
//     mapped_copy FILE [--size BYTES] [--threads N]      prints JSON: GB/s (10^9 bytes a second); FILE is removed
//
// Each thread copies chunks of 4 MiB from a buffer of its own that stays in the cache's reach; as `gmemfs cp` does, it
// allocates each chunk by madvise(2) before it touches it. The first run isn't counted; the median of 5.
#include "vmm/base/fd.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <getopt.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

constexpr std::uint64_t kChunk = 4 * MiB;
constexpr int kRepeats = 5;

struct Options {
    const char *path = nullptr;
    std::uint64_t size = 8 * GiB;
    unsigned threads = 12;
};

// Seconds, without making and removing the file; less than 0: errno says why not.
double copy_once(const Options &options) {
    const Fd file(::open(options.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(options.size)) != 0) return -1;
    void *const target = ::mmap(nullptr, options.size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (target == MAP_FAILED) return -1;
    std::atomic<std::uint64_t> next = 0;
    std::atomic<bool> failed = false;
    const auto began = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (unsigned index = 0; index < options.threads; ++index)
        threads.emplace_back([&] {
            const std::vector<std::byte> source(kChunk, std::byte{0x5a});
            for (std::uint64_t offset; (offset = next.fetch_add(kChunk)) < options.size;) {
                std::byte *const at = static_cast<std::byte *>(target) + offset;
                const std::size_t part = std::min(kChunk, options.size - offset);
                if (::madvise(at, part, MADV_POPULATE_WRITE) != 0) failed = true;
                if (failed) return;
                std::memcpy(at, source.data(), part);
            }
        });
    for (std::thread &thread : threads) thread.join();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    ::munmap(target, options.size);
    ::unlink(options.path);
    return failed ? -1 : seconds;
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {
        {"size", required_argument, nullptr, 's'}, {"threads", required_argument, nullptr, 't'}, {}};
    Options options;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        const Result<std::uint64_t> number = key == '?' ? Result<std::uint64_t>(0U) : parse_size(optarg);
        if (!number || *number == 0)
            return std::fputs("usage: mapped_copy FILE [--size BYTES] [--threads N]\n", stderr), 2;
        if (key == 's') options.size = *number;
        if (key == 't') options.threads = static_cast<unsigned>(*number);
    }
    if (optind + 1 != argc) return std::fputs("usage: mapped_copy FILE [--size BYTES] [--threads N]\n", stderr), 2;
    options.path = argv[optind];
    std::vector<double> seconds;
    for (int repeat = 0; repeat <= kRepeats; ++repeat) {
        const double taken = copy_once(options);
        if (taken < 0) return std::perror("mapped_copy"), 1;
        if (repeat > 0) seconds.push_back(taken);
    }
    std::sort(seconds.begin(), seconds.end());
    std::printf("{\"gb_per_second\": %.2f}\n", static_cast<double>(options.size) / 1e9 / seconds[kRepeats / 2]);
    return 0;
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
