// Bus copy: what a request of a filesystem can't go below: its bytes from a process's memory into a pinned buffer, and
// from there over the bus, waited for; or back. No kernel's queue, no filesystem.
//
//     bus_copy write|read [--driver LIBRARY] [--jobs N] [--size BYTES] [--block BYTES] [--demote]
//
// Prints JSON. Each job is a thread with a buffer, a stream and `size` bytes of device memory of its own. The
// processor's copy is what makes the bus slower: it then reads what lies in the caches of many cores, unless --demote
// moves it out of them (vmm/base/cache.hpp).
#include "vmm/base/cache.hpp"
#include "vmm/base/units.hpp"
#include "vmm/keeper/local.hpp"
#include "vmm/memory/copier.hpp"

#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <getopt.h>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace gmemfs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kBytes = 16 * MiB; // of a process's memory, gone through again and again

struct Options {
    std::string library = "libcuda.so.1";
    bool is_write = true;
    std::uint64_t jobs = 1, size = GiB, block = MiB;
    bool demotes = false;
};

class Job {
public:
    static Result<Job> create(Keeper &keeper, Device &device, const Options &options) {
        return Job(options, TRY(Extent::create(keeper, device, options.size)),
            TRY(PinnedBuffer::create(device, options.block)), TRY(Copier::create(device)));
    }
    Result<void> run() {
        for (std::uint64_t offset = 0; offset < options_.size; offset += options_.block) {
            const Slice slice = {extent_.get(), offset, options_.block};
            std::byte *const bytes = bytes_.data() + offset % bytes_.size();
            std::byte *const pinned = pinned_.bytes().data();
            if (options_.is_write) {
                std::memcpy(pinned, bytes, options_.block);
                if (options_.demotes) demote({pinned, options_.block});
                TRY(copier_.wait_after(copier_.queue_write(slice, pinned)));
            } else {
                TRY(copier_.wait_after(copier_.queue_read(slice, pinned)));
                std::memcpy(bytes, pinned, options_.block);
                if (options_.demotes) demote({pinned, options_.block});
            }
        }
        return {};
    }

private:
    Job(const Options &options, std::shared_ptr<Extent> extent, PinnedBuffer pinned, Copier copier)
        : options_(options), bytes_(std::max(kBytes, options.block), std::byte{0x5a}), extent_(std::move(extent)),
          pinned_(std::move(pinned)), copier_(std::move(copier)) {}

    const Options &options_;
    std::vector<std::byte> bytes_;
    std::shared_ptr<Extent> extent_;
    PinnedBuffer pinned_;
    Copier copier_; // ends before the memory it works on
};

Result<double> measure(const Options &options) {
    const std::unique_ptr<Driver> driver = TRY(Driver::open(options.library));
    const DeviceInfo info = TRY(DeviceInfo::query(*driver, 0));
    const std::unique_ptr<Device> device = TRY(Device::open(*driver, info));
    LocalKeeper keeper(*driver, HandlePolicy::fd);
    std::vector<Job> jobs;
    for (std::uint64_t index = 0; index < options.jobs; ++index)
        jobs.push_back(TRY(Job::create(keeper, *device, options)));
    std::vector<Result<void>> results(jobs.size());
    Clock::time_point began;
    std::barrier start(static_cast<std::ptrdiff_t>(jobs.size()), [&]() noexcept { began = Clock::now(); });
    std::vector<std::thread> threads;
    for (std::size_t index = 0; index < jobs.size(); ++index)
        threads.emplace_back([&, index] {
            results[index] = jobs[index].run(); // touches all, and isn't counted
            start.arrive_and_wait();
            if (results[index]) results[index] = jobs[index].run();
        });
    for (std::thread &thread : threads) thread.join();
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    for (const Result<void> &result : results)
        if (!result) return Error(result.error());
    return seconds;
}

int usage() {
    std::fputs(
        "usage: bus_copy write|read [--driver LIBRARY] [--jobs N] [--size BYTES] [--block BYTES] [--demote]\n", stderr);
    return 2;
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {{"driver", required_argument, nullptr, 'd'},
        {"jobs", required_argument, nullptr, 'j'}, {"size", required_argument, nullptr, 's'},
        {"block", required_argument, nullptr, 'b'}, {"demote", no_argument, nullptr, 'm'}, {}};
    Options options;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == 'd') options.library = optarg;
        if (key == 'm') options.demotes = true;
        if (key == 'd' || key == 'm') continue;
        const Result<std::uint64_t> number = key == '?' ? Result<std::uint64_t>(0U) : parse_size(optarg);
        if (!number || *number == 0) return usage();
        (key == 'j' ? options.jobs : key == 's' ? options.size : options.block) = *number;
    }
    const std::string_view direction = optind + 1 == argc ? argv[optind] : "";
    if (direction != "write" && direction != "read") return usage();
    options.is_write = direction == "write";
    options.size = round_up(options.size, options.block);
    const Result<double> seconds = measure(options);
    if (!seconds) return std::fprintf(stderr, "bus_copy: %s\n", seconds.error().text().c_str()), 1;
    const double requests = static_cast<double>(options.jobs * (options.size / options.block)) / *seconds;
    std::printf("{\"gb_per_second\": %.3f, \"requests_per_second\": %.0f}\n",
        requests * static_cast<double>(options.block) / 1e9, requests);
    return 0;
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
