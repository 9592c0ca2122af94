// DMA: the driver's own copy rates through gmemfs' Copier: pinned host memory to the device and back, and on the
// device.
//
//     dma [--driver LIBRARY] [--size BYTES] [--chunk BYTES]      prints JSON; rates in GB/s (10^9 bytes a second)
//
// Device to device counts bytes read plus bytes written. Each figure is the median of 7 after one warm-up.
//
// `refill_us` tells what a FUSE write pays besides its copies: the time in which the host fills 1 MiB of pinned memory
// again and again, `idle` where nobody else touches it, `copied` where the copy engine has read it in between.
#include "vmm/base/units.hpp"
#include "vmm/copier.hpp"
#include "vmm/local_keeper.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <getopt.h>
#include <vector>

namespace gmemfs {
namespace {

constexpr int kRepeats = 7;

struct Options {
    std::string library = "libcuda.so.1";
    std::uint64_t size = GiB;
    std::uint64_t chunk = 16 * MiB;
};

double now_seconds() {
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

// The median time in seconds of a call that queues and waits.
template <typename Call>
Result<double> median_seconds(Call call) {
    std::vector<double> times;
    for (int index = 0; index <= kRepeats; ++index) {
        const double start = now_seconds();
        TRY(call());
        if (index > 0) times.push_back(now_seconds() - start);
    }
    std::nth_element(times.begin(), times.begin() + kRepeats / 2, times.end());
    return times[kRepeats / 2];
}

struct Refill {
    double idle, copied; // us
};

// Fills the same MiB of pinned memory, and lets the copy engine read it in between or not.
Result<Refill> measure_refill(Copier &copier, Extent &extent, std::span<std::byte> pinned) {
    constexpr int kFills = 1000;
    const std::vector<std::byte> source(MiB, std::byte{1});
    const auto fill = [&](bool is_copied) -> Result<double> {
        double seconds = 0;
        for (int index = 0; index < kFills; ++index) {
            const double start = now_seconds();
            std::memcpy(pinned.data(), source.data(), source.size());
            seconds += now_seconds() - start;
            if (!is_copied) continue;
            TRY(copier.queue_write({&extent, 0, source.size()}, pinned.data()));
            TRY(copier.wait());
        }
        return seconds / kFills * 1e6;
    };
    TRY(fill(true)); // once without counting
    const double idle = TRY(fill(false));
    return Refill { idle, TRY(fill(true)) };
}

Result<void> measure(const Options &options) {
    const auto driver = TRY(Driver::open(options.library));
    const std::vector<DeviceInfo> devices = TRY(query_devices(*driver));
    if (devices.empty()) return Error{ENODEV, 0, "find device", options.library};
    const auto device = TRY(Device::open(*driver, devices.front()));
    LocalKeeper keeper(*driver, HandlePolicy::automatic);
    const auto one = TRY(Extent::create(keeper, *device, options.size));
    const auto other = TRY(Extent::create(keeper, *device, options.size));
    const PinnedBuffer pinned = TRY(PinnedBuffer::create(*device, 2 * options.chunk));
    Copier copier = TRY(Copier::create(*device));
    // Two chunks of pinned memory in turn, all queued at once: what the copy engine can do when it never waits.
    const auto chunks = [&](auto queue) {
        return median_seconds([&]() -> Result<void> {
            for (std::uint64_t offset = 0; offset < options.size; offset += options.chunk)
                TRY(queue(Slice{one.get(), offset, options.chunk},
                    pinned.bytes().data() + offset / options.chunk % 2 * options.chunk));
            return copier.wait();
        });
    };
    const double in = TRY(chunks([&](Slice slice, std::byte *host) { return copier.queue_write(slice, host); }));
    const double out = TRY(chunks([&](Slice slice, std::byte *host) { return copier.queue_read(slice, host); }));
    const double across = TRY(median_seconds([&]() -> Result<void> {
        TRY(copier.queue_copy({one.get(), 0, options.size}, {other.get(), 0, options.size}));
        return copier.wait();
    }));
    const double zero = TRY(median_seconds([&]() -> Result<void> {
        TRY(copier.queue_zero({one.get(), 0, options.size}));
        return copier.wait();
    }));
    const Refill refill = TRY(measure_refill(copier, *one, pinned.bytes().first(MiB)));
    const double gigabytes = static_cast<double>(options.size) / 1e9;
    std::printf(
        "{\"device\": \"%s\", \"size\": %ju, \"chunk\": %ju, \"host_to_device\": %.2f, \"device_to_host\": %.2f, "
        "\"device_to_device\": %.1f, \"zero\": %.1f, \"refill_us\": {\"idle\": %.1f, \"copied\": %.1f}}\n",
        device->info().name.c_str(), uintmax_t(options.size), uintmax_t(options.chunk), gigabytes / in, gigabytes / out,
        2 * gigabytes / across, gigabytes / zero, refill.idle, refill.copied);
    return {};
}

int usage_error() {
    std::fputs("usage: dma [--driver LIBRARY] [--size BYTES] [--chunk BYTES]\n", stderr);
    return 2;
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {{"driver", required_argument, nullptr, 'd'},
        {"size", required_argument, nullptr, 's'}, {"chunk", required_argument, nullptr, 'c'}, {}};
    Options options;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == '?') return usage_error();
        if (key == 'd') {
            options.library = optarg;
            continue;
        }
        const Result<std::uint64_t> number = parse_size(optarg);
        if (!number || *number == 0) return usage_error();
        (key == 's' ? options.size : options.chunk) = *number;
    }
    if (optind != argc || options.size % options.chunk != 0) return usage_error();
    const Result<void> result = measure(options);
    if (result) return 0;
    std::fprintf(stderr, "dma: %s\n", result.error().text().c_str());
    return 1;
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
