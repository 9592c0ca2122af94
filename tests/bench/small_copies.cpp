// Small copies: what a batch of copies of 4 KiB between pinned memory and a device takes, by several ways.
//
//     small_copies [--driver LIBRARY] [--seconds S] [--beside-work]
//
// A batch is queued on a thread's stream and waited for, as block devices do it; threads share one context. By:
//     calls   a cuMemcpyHtoDAsync or cuMemcpyDtoHAsync for each copy
//     batch   one cuMemcpyBatchAsync (CUDA 13.0)
//     kernel  one launch, whose blocks of threads copy over the bus
// A line each: copies a second of all threads, and of a batch of one thread the time until all is queued, and from
// there to the end of the wait. A way that the driver or the build lacks is left out, as the kernel is on the
// simulator. --beside-work: meanwhile kernels of another process fill the device.
#include "tests/support/block_copies.cuh"
#include "vmm/base/random.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/copy_batch.h"
#include "vmm/device/module.hpp"
#include "vmm/device/staging.hpp"
#include "vmm/keeper/local.hpp"
#include "vmm/memory/extent.hpp"

#include <barrier>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <getopt.h>
#include <optional>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>

extern "C" const unsigned char block_copies_fatbin[];
extern "C" const unsigned char block_copies_fatbin_end[];

namespace gmemfs {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint64_t kBlock = 4 * KiB, kBatchMax = test::BlockCopies::kMax, kSize = 256 * MiB;

enum class Way { calls, batch, kernel };
enum class Direction { write, read };

enum class Beside { nothing, work };

struct Machine {
    std::unique_ptr<Driver> driver;
    std::unique_ptr<Device> device;
    gmemfs_copy_batch copy_batch = nullptr;
    std::optional<Module> module;
    CUfunction kernel = nullptr;
};

struct Case {
    Way way;
    Direction direction;
    Beside beside;
    std::size_t threads, batch;
    double seconds;
};

struct Taken {
    std::uint64_t batches = 0;
    double queue_us = 0, wait_us = 0; // of all of them
};

class Job {
public:
    static Result<Job> create(Machine &machine, CUdeviceptr memory, std::uint64_t seed) {
        return Job(machine, memory, seed, TRY(PinnedBuffer::create(*machine.device, kBatchMax * kBlock)),
            TRY(Stream::create(*machine.device)));
    }

    Result<void> run(const Case &chosen, Taken &taken) {
        TRY(machine_->device->make_current());
        const auto end = Clock::now() + std::chrono::duration<double>(chosen.seconds);
        for (Clock::time_point now = Clock::now(); now < end;) {
            choose(chosen);
            const Clock::time_point began = Clock::now();
            TRY(machine_->driver->check(queue(chosen), "queue copies"));
            const Clock::time_point queued = Clock::now();
            TRY(machine_->driver->check(machine_->driver->cuStreamSynchronize(stream_.get()), "wait for copies"));
            now = Clock::now();
            ++taken.batches;
            taken.queue_us += std::chrono::duration<double, std::micro>(queued - began).count();
            taken.wait_us += std::chrono::duration<double, std::micro>(now - queued).count();
        }
        return {};
    }

private:
    Job(Machine &machine, CUdeviceptr memory, std::uint64_t seed, PinnedBuffer pinned, Stream stream)
        : machine_(&machine), memory_(memory), random_(seed), pinned_(std::move(pinned)), stream_(std::move(stream)) {}

    void choose(const Case &chosen) {
        const bool is_write = chosen.direction == Direction::write;
        for (std::size_t index = 0; index < chosen.batch; ++index) {
            const CUdeviceptr device = memory_ + random_.below(kSize / kBlock) * kBlock;
            const auto host = reinterpret_cast<CUdeviceptr>(pinned_.bytes().data() + index * kBlock);
            from_[index] = is_write ? host : device;
            to_[index] = is_write ? device : host;
            sizes_[index] = kBlock;
            copies_.copies[index] = {from_[index], to_[index], kBlock};
        }
    }

    CUresult queue(const Case &chosen) {
        if (chosen.way == Way::batch) {
            gmemfs_copy_attributes attributes = {1, {}, {}, 0};
            std::size_t first = 0;
            return machine_->copy_batch(
                to_.data(), from_.data(), sizes_.data(), chosen.batch, &attributes, &first, 1, stream_.get());
        }
        if (chosen.way == Way::kernel) {
            void *arguments[] = {&copies_};
            return machine_->driver->cuLaunchKernel(machine_->kernel, static_cast<unsigned>(chosen.batch), 1, 1, 256, 1,
                1, 0, stream_.get(), arguments, nullptr);
        }
        CUresult result = CUDA_SUCCESS;
        for (std::size_t index = 0; index < chosen.batch && result == CUDA_SUCCESS; ++index)
            result = chosen.direction == Direction::write
                         ? machine_->driver->cuMemcpyHtoDAsync(to_[index], reinterpret_cast<const void *>(from_[index]),
                               kBlock, stream_.get()) // NOLINT
                         : machine_->driver->cuMemcpyDtoHAsync(
                               reinterpret_cast<void *>(to_[index]), from_[index], kBlock, stream_.get()); // NOLINT
        return result;
    }

    Machine *machine_;
    CUdeviceptr memory_;
    Random random_;
    PinnedBuffer pinned_;
    Stream stream_;
    std::array<CUdeviceptr, kBatchMax> from_ = {}, to_ = {};
    std::array<std::size_t, kBatchMax> sizes_ = {};
    test::BlockCopies copies_ = {};
};

Result<Machine> open_machine(const char *library, const char *kernel) {
    Machine machine;
    machine.driver = TRY(Driver::open(library));
    const DeviceInfo info = TRY(DeviceInfo::query(*machine.driver, 0));
    machine.device = TRY(Device::open(*machine.driver, info));
    machine.copy_batch =
        reinterpret_cast<gmemfs_copy_batch>(machine.driver->find(GMEMFS_COPY_BATCH, GMEMFS_COPY_BATCH_SINCE));
    const unsigned char *const volatile end = block_copies_fatbin_end; // as in parity_variants.cpp
    const std::span<const unsigned char> image(
        +block_copies_fatbin, static_cast<std::size_t>(end - +block_copies_fatbin));
    if (image.empty() || machine.driver->offer_host_kernel != nullptr) return machine;
    machine.module.emplace(TRY(Module::load(*machine.device, image, {})));
    machine.kernel = TRY(machine.module->function(kernel));
    return machine;
}

Result<void> measure(Machine &machine, CUdeviceptr memory, const Case &chosen) {
    std::vector<Job> jobs;
    for (std::size_t index = 0; index < chosen.threads; ++index)
        jobs.push_back(TRY(Job::create(machine, memory, index + 1)));
    std::vector<Result<void>> results(chosen.threads);
    std::vector<Taken> taken(chosen.threads);
    std::barrier start(static_cast<std::ptrdiff_t>(chosen.threads));
    std::vector<std::thread> threads;
    for (std::size_t index = 0; index < chosen.threads; ++index)
        threads.emplace_back([&, index] {
            start.arrive_and_wait();
            results[index] = jobs[index].run(chosen, taken[index]);
        });
    for (std::thread &thread : threads) thread.join();
    Taken all;
    for (const Result<void> &result : results)
        if (!result) return Error(result.error());
    for (const Taken &one : taken) all.batches += one.batches, all.queue_us += one.queue_us, all.wait_us += one.wait_us;
    constexpr const char *kWays[] = {"calls", "batch", "kernel"};
    const auto batches = static_cast<double>(all.batches);
    std::printf("small copies%s, %-5s %zu threads, batches of %2zu, %-6s: %8.0f/s; queued in %.1f us, then %.1f us\n",
        chosen.beside == Beside::work ? " beside work" : "", chosen.direction == Direction::write ? "write" : "read",
        chosen.threads, chosen.batch, kWays[static_cast<int>(chosen.way)],
        batches * static_cast<double>(chosen.batch) / chosen.seconds, all.queue_us / batches, all.wait_us / batches);
    return {};
}

// A process whose kernels are on the device from now on, until this one ends. Before this one has a driver.
Result<void> start_work(const char *library) {
    int ends[2];
    if (::pipe(ends) != 0) return Error{errno, 0, "start work", {}};
    if (::fork() != 0) {
        char byte = 0;
        ::close(ends[1]);
        const bool has_begun = ::read(ends[0], &byte, 1) == 1;
        return has_begun ? Result<void>() : Error{EIO, 0, "start work", "it takes a GPU"};
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    constexpr std::uint64_t kCycles = 8'500'000; // of each block of threads: 5 ms at 1.7 GHz
    constexpr unsigned kBlocks = 4096;           // more than fit at once
    Result<Machine> machine = open_machine(library, "busy_for");
    const Result<Stream> stream =
        machine && machine->kernel != nullptr ? Stream::create(*machine->device) : Result<Stream>(Error{ENODEV, 0, {}});
    if (!stream) ::_exit(1);
    std::uint64_t cycles = kCycles;
    void *arguments[] = {&cycles};
    for (bool is_first = true;; is_first = false) {
        for (int launch = 0; launch < 4; ++launch)
            if (machine->driver->cuLaunchKernel(
                    machine->kernel, kBlocks, 1, 1, 256, 1, 1, 0, stream->get(), arguments, nullptr) != CUDA_SUCCESS)
                ::_exit(1);
        if (is_first && ::write(ends[1], "x", 1) != 1) ::_exit(1);
        if (machine->driver->cuStreamSynchronize(stream->get()) != CUDA_SUCCESS) ::_exit(1);
    }
}

Result<void> measure_all(const char *library, double seconds, Beside beside) {
    if (beside == Beside::work) TRY(start_work(library));
    Machine machine = TRY(open_machine(library, "block_copies"));
    LocalKeeper keeper(*machine.driver, HandlePolicy::fd);
    const std::shared_ptr<Extent> extent = TRY(Extent::create(keeper, *machine.device, kSize));
    for (const Direction direction : {Direction::write, Direction::read})
        for (const std::size_t threads : {1, 4})
            for (const std::size_t batch : {1, 4, 16, 64})
                for (const Way way : {Way::calls, Way::batch, Way::kernel}) {
                    if (way == Way::batch && machine.copy_batch == nullptr) continue;
                    if (way == Way::kernel && machine.kernel == nullptr) continue;
                    TRY(measure(machine, extent->address(), {way, direction, beside, threads, batch, seconds}));
                }
    return {};
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {{"driver", required_argument, nullptr, 'd'},
        {"seconds", required_argument, nullptr, 's'}, {"beside-work", no_argument, nullptr, 'w'}, {}};
    const char *library = "libcuda.so.1";
    double seconds = 0.25;
    Beside beside = Beside::nothing;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == 'd') library = optarg;
        if (key == 'w') beside = Beside::work;
        if (key == 's') seconds = std::strtod(optarg, nullptr);
        if (key == '?' || !(seconds > 0)) {
            std::fputs("usage: small_copies [--driver LIBRARY] [--seconds S] [--beside-work]\n", stderr);
            return 2;
        }
    }
    const Result<void> measured = measure_all(library, seconds, beside);
    if (!measured) std::fprintf(stderr, "small_copies: %s\n", measured.error().text().c_str());
    return measured ? 0 : 1;
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
