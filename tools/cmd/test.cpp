// test: a self-test of a device: its memory, its parity, its repairs; for people, and by its exit status for scripts.
#include "ecc/parity/block.hpp"
#include "fuse/host/json_text.hpp"
#include "tools/device/request.hpp"
#include "tools/device/self_test.hpp"
#include "tools/host/command.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <unistd.h>

namespace gmemfs {
namespace {

struct FreeText {
    void operator()(gchar *text) const { g_free(text); }
};
using Text = std::unique_ptr<gchar, FreeText>;

struct Request {
    SelfTestSettings settings;
    bool as_json = false;
};

Result<Planted> parse_planted(std::string_view text) {
    if (text == "memory") return Planted::memory;
    if (text == "parity") return Planted::parity;
    if (text == "repair") return Planted::repair;
    return Error{EINVAL, 0, "--plant", "memory, parity or repair"};
}

Result<Request> check_request(Request request, const gchar *size, const gchar *planted) {
    request.settings.size = TRY(parse_size(size != nullptr ? size : "1G"));
    if (request.settings.size == 0) return Error{EINVAL, 0, "--size", "at least a byte"};
    if (planted != nullptr) request.settings.planted = TRY(parse_planted(planted));
    if (request.settings.planted != Planted::nothing && request.settings.planted != Planted::memory &&
        !request.settings.ecc)
        return Error{EINVAL, 0, "--plant", std::string(planted) + " needs --ecc"};
    return request;
}

double rate(const SelfTestStep &step) {
    return step.seconds > 0 ? static_cast<double>(step.bytes) / 1e9 / step.seconds : 0;
}

void print_step(const SelfTestStep &step) {
    std::printf("%-5s %-24s %10.2f ms", step.passed ? "ok" : "fail", step.name, step.seconds * 1e3);
    if (step.bytes != 0) std::printf(" %10.2f GB/s", rate(step));
    std::printf("\n");
    std::fflush(stdout);
}

void print_heading(const DeviceInfo &info, const SelfTestSettings &settings) {
    std::printf("device %d: %s, %s; %s of %s, seed %ju\n", info.ordinal, info.name.c_str(), info.uuid_text().c_str(),
        format_size(settings.size).c_str(), format_size(info.total).c_str(), uintmax_t(settings.seed));
}

// No memory, or interrupted: then there are no mismatches to count.
bool was_compared(const SelfTestReport &report) {
    return std::any_of(report.steps.begin(), report.steps.end(),
        [](const SelfTestStep &step) { return std::string_view(step.name).starts_with("read back"); });
}

void print_summary(const Request &request, const SelfTestReport &report) {
    std::printf("\ndevice memory in use, by everybody: %s before, %s after\n", format_size(report.used_before).c_str(),
        format_size(report.used_after).c_str());
    if (!was_compared(report)) return;
    std::printf("plain memory: %ju bytes, %ju mismatches\n", uintmax_t(report.size), uintmax_t(report.mismatches));
    if (!request.settings.ecc) return;
    std::printf(
        "parity: %ju blocks of 128 KiB; errors made in %ju of them (%ju symbols), in %ju beyond repair\n"
        "        found %ju blocks; repaired %ju (%ju symbols); reported as beyond repair, and not written %ju\n",
        uintmax_t(report.blocks), uintmax_t(report.blocks_made), uintmax_t(report.symbols_made),
        uintmax_t(report.beyond_made), uintmax_t(report.blocks_found), uintmax_t(report.blocks_repaired),
        uintmax_t(report.symbols_repaired), uintmax_t(report.beyond_found));
}

nlohmann::json to_json(const SelfTestStep &step) {
    nlohmann::json json = {{"name", step.name}, {"seconds", step.seconds}, {"passed", step.passed}};
    if (step.bytes != 0) json.update({{"bytes", step.bytes}, {"gb_per_second", rate(step)}});
    return json;
}

void print_json(const Request &request, const std::optional<DeviceInfo> &info, const SelfTestReport &report,
    const Result<void> &result) {
    nlohmann::json steps = nlohmann::json::array();
    for (const SelfTestStep &step : report.steps) steps.push_back(to_json(step));
    nlohmann::json all = {{"passed", result.has_value()}, {"seed", request.settings.seed},
        {"ecc", request.settings.ecc}, {"size", report.size}, {"steps", steps},
        {"mismatches", was_compared(report) ? nlohmann::json(report.mismatches) : nlohmann::json(nullptr)},
        {"memory", {{"used_before", report.used_before}, {"used_after", report.used_after}}}};
    if (!result) all["failure"] = result.error().text();
    if (info) all["device"] = to_json(*info);
    if (request.settings.ecc)
        all["parity"] = {{"blocks", report.blocks}, {"blocks_made", report.blocks_made},
            {"symbols_made", report.symbols_made}, {"beyond_repair_made", report.beyond_made},
            {"blocks_found", report.blocks_found}, {"blocks_repaired", report.blocks_repaired},
            {"symbols_repaired", report.symbols_repaired}, {"beyond_repair_found", report.beyond_found}};
    std::printf("%s\n", json_text(all, 2).c_str());
}

// Before anything is told: what the device has no room for isn't tested.
Result<void> check_room(const Device &device, const SelfTestSettings &settings) {
    const Device::Memory memory = TRY(device.memory());
    const std::uint64_t parity = settings.ecc ? settings.size / kBlockSize * kBlockParitySize : 0;
    if (settings.size <= memory.free && parity <= memory.free - settings.size) return {};
    return Error{ENOSPC, 0, "test device",
        "--size=" + format_size(settings.size) +
            (settings.ecc ? " and its parity need more than the " : " is more than the ") + format_size(memory.free) +
            " that are free: choose less by --size"};
}

Result<void> test_device(
    const Request &request, const DeviceRequest &wanted, std::optional<DeviceInfo> &info, SelfTestReport &report) {
    const std::unique_ptr<Driver> driver = TRY(wanted.open_driver());
    info = TRY(wanted.find(*driver));
    const std::unique_ptr<Device> device = TRY(Device::open(*driver, *info));
    TRY(check_room(*device, request.settings));
    if (!request.as_json) print_heading(*info, request.settings);
    return run_self_test(*device, request.settings, report, [&](const SelfTestStep &step) {
        if (!request.as_json) print_step(step);
    });
}

int run_request(const Request &request, const DeviceRequest &wanted) {
    std::optional<DeviceInfo> info;
    SelfTestReport report;
    const Result<void> result = test_device(request, wanted, info, report);
    if (request.as_json)
        print_json(request, info, report, result);
    else if (!report.steps.empty())
        print_summary(request, report);
    if (result) {
        if (!request.as_json) std::printf("passed\n");
        return 0;
    }
    std::fflush(stdout);
    return fail_or_interrupted(result.error());
}

} // namespace

int run_test(int argc, char **argv) {
    gchar *size = nullptr, *planted = nullptr;
    gint64 seed = 1;
    gboolean ecc = FALSE, as_json = FALSE;
    DeviceRequest wanted;
    std::vector<GOptionEntry> options = wanted.options();
    const std::vector<GOptionEntry> own = {
        {"size", 0, 0, G_OPTION_ARG_STRING, &size, "How much memory to test (1G)", "BYTES"},
        {"ecc", 0, 0, G_OPTION_ARG_NONE, &ecc, "Test parity, too: encode, make errors, find and repair them", nullptr},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "What the bytes and the errors made depend on (1)", "N"},
        {"plant", 0, 0, G_OPTION_ARG_STRING, &planted,
            "Turn a bit behind the test's back, which must then fail: in memory, parity or repair", "WHERE"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print one JSON object", nullptr},
    };
    options.insert(options.end(), own.begin(), own.end());
    const Synopsis synopsis = {"", "Tests the memory of a GPU, and parity on it. What others have there is left alone.",
        "Exit status 0: the device passed. 1: it failed, or can't be tested. 130: interrupted; all memory is free "
        "again.",
        0, 0};
    wanted.take_simulated_size(argc, argv);
    const CommandLine line = parse_command_line(argc, argv, synopsis, options);
    const Text size_owner(size), planted_owner(planted);
    if (line.exit_status) return *line.exit_status;
    Request asked;
    asked.settings.seed = static_cast<std::uint64_t>(seed);
    asked.settings.ecc = ecc != FALSE;
    asked.as_json = as_json != FALSE;
    if (::isatty(STDERR_FILENO) != 0) asked.settings.display = Progress::Display::line;
    const auto check = [&]() -> Result<Request> {
        TRY(wanted.check());
        return check_request(asked, size, planted);
    };
    const Result<Request> request = check();
    if (!request) return fail_usage("test", request.error().text());
    catch_interruptions();
    return run_request(*request, wanted);
}

} // namespace gmemfs
