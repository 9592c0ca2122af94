// bench: measures what a device reaches by itself, which bounds what a mount on it can reach.
#include "tools/device/bench.hpp"
#include "ecc/batch/ring.hpp"
#include "ecc/nvcomp/places.hpp"
#include "fuse/host/json_text.hpp"
#include "tools/cmd/bench_batches.hpp"
#include "tools/device/request.hpp"
#include "tools/host/command.hpp"
#include "tools/host/progress.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

namespace gmemfs {
namespace {

double gb_per_second(const DeviceBenchCase &result) {
    return result.seconds > 0 ? static_cast<double>(result.bytes) / 1e9 / result.seconds : 0;
}

using Show = void(const DeviceInfo &, std::uint64_t size, const std::vector<DeviceBenchCase> &);

void print_table(const DeviceInfo &info, std::uint64_t size, const std::vector<DeviceBenchCase> &results) {
    std::printf("device %d: %s, %s; extents of %s\n", info.ordinal, info.name.c_str(), info.uuid_text().c_str(),
        format_size(size).c_str());
    for (const DeviceBenchCase &result : results) {
        if (result.bytes != 0)
            std::printf("%-36s %10.2f GB/s\n", result.name, gb_per_second(result));
        else
            std::printf("%-36s %10.1f us\n", result.name, result.seconds * 1e6);
    }
}

void print_json(const DeviceInfo &info, std::uint64_t size, const std::vector<DeviceBenchCase> &results) {
    nlohmann::json all = {{"size", size}, {"device", to_json(info)}};
    for (const DeviceBenchCase &result : results) {
        if (result.bytes != 0)
            all["gb_per_second"][result.key] = gb_per_second(result);
        else
            all["us"][result.key] = result.seconds * 1e6;
    }
    std::printf("%s\n", json_text(all, 2).c_str());
}

Result<void> run(const DeviceRequest &request, const DeviceBenchSettings &settings, Show show) {
    const std::unique_ptr<Driver> driver = TRY(request.open_driver());
    const DeviceInfo info = TRY(request.find(*driver));
    const std::unique_ptr<Device> device = TRY(Device::open(*driver, info));
    const std::vector<DeviceBenchCase> results = TRY(bench_device(*device, settings));
    show(info, round_up(settings.size, info.granularity), results);
    return {};
}

// --pack: what the driver is needed for is left out where there is none.
Result<void> run_batches(const DeviceRequest &request, unsigned rounds, std::uint64_t pages, BenchFormat format) {
    BatchBenchSettings settings;
    settings.threads = BatchRing::default_threads();
    settings.rounds = rounds;
    settings.pages = pages;
    settings.device.nvcomp = nvcomp_places();
    const Result<std::unique_ptr<Driver>> driver = request.open_driver();
    if (driver) {
        settings.device.driver = (*driver)->library;
        settings.device.ordinal = TRY(request.find(**driver))
        .ordinal;
    } else {
        settings.no_driver = driver.error();
    }
    return run_bench_batches(settings, format);
}

} // namespace

int run_bench(int argc, char **argv) {
    gchar *size_text = nullptr;
    gint rounds = 7;
    gint pages = 10'000;
    gboolean as_json = FALSE, is_pack = FALSE;
    DeviceRequest request;
    std::vector<GOptionEntry> options = request.options();
    options.push_back({"size", 0, 0, G_OPTION_ARG_STRING, &size_text, "Of each of two extents (1G)", "BYTES"});
    options.push_back({"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "Measurements of each case (7)", "N"});
    options.push_back({"pack", 0, 0, G_OPTION_ARG_NONE, &is_pack,
        "Batches of pages instead, packed by processors and GPU; writes the model that rings choose by", nullptr});
    options.push_back({"pages", 0, 0, G_OPTION_ARG_INT, &pages, "With --pack: of the largest batch (10000)", "N"});
    options.push_back({"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print one JSON object", nullptr});
    const Synopsis synopsis = {"",
        "Measures what a GPU reaches by itself: its copy engines, memory and parity kernels.",
        "Medians; GB are 10^9 bytes. It needs twice the size of device memory, and a sixteenth of it for parity.\n"
        "The simulator's figures say nothing about a GPU.",
        0, 0};
    request.take_simulated_size(argc, argv);
    const CommandLine line = parse_command_line(argc, argv, synopsis, options);
    const std::string wanted = size_text == nullptr ? "1G" : size_text;
    g_free(size_text);
    if (line.exit_status) return *line.exit_status;
    const auto check = [&]() -> Result<DeviceBenchSettings> {
        TRY(request.check());
        const std::uint64_t size = TRY(parse_size(wanted));
        if (size < MiB) return Error{EINVAL, 0, "--size", "at least 1M"};
        if (pages < 100 || pages > 1'000'000) return Error{EINVAL, 0, "--pages", "a number from 100 to 1000000"};
        if (rounds < 1 || rounds > 1000) return Error{EINVAL, 0, "--rounds", "a number from 1 to 1000"};
        return DeviceBenchSettings{size, static_cast<unsigned>(rounds)};
    };
    const Result<DeviceBenchSettings> settings = check();
    if (!settings) return fail_usage("bench", settings.error().text());
    catch_interruptions();
    const auto page_count = static_cast<std::uint64_t>(pages);
    const BenchFormat format = as_json != FALSE ? BenchFormat::json : BenchFormat::table;
    const Result<void> done = is_pack != FALSE ? run_batches(request, settings->rounds, page_count, format)
                                               : run(request, *settings, as_json != FALSE ? print_json : print_table);
    return done ? 0 : fail_or_interrupted(done.error());
}

} // namespace gmemfs
