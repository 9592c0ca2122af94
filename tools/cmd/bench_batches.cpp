#include "tools/cmd/bench_batches.hpp"

#include "fuse/host/json_text.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace gmemfs {
namespace {

double ms(double ns) { return ns / 1e6; }
double gb_per_second(const BatchReport &report) {
    return static_cast<double>(report.plain_size) /
           static_cast<double>(std::max<std::uint64_t>(1, report.times.total_ns));
}
double ratio(const BatchReport &report) {
    return static_cast<double>(report.plain_size) / static_cast<double>(report.packed_size);
}

struct Errors { // of predictions, as parts
    double median = 0, most = 0, most_loss = 0;
    std::size_t right = 0;
};
Errors errors_of(const std::vector<BatchBenchCheck> &checks) {
    Errors errors;
    std::vector<double> all;
    for (const BatchBenchCheck &check : checks) {
        all.push_back(std::abs(check.cpu_error()));
        all.push_back(std::abs(check.gpu_error()));
        errors.right += check.is_right() ? 1U : 0U;
        errors.most_loss = std::max(errors.most_loss, check.loss());
    }
    std::sort(all.begin(), all.end());
    if (!all.empty()) errors.median = all[all.size() / 2];
    if (!all.empty()) errors.most = all.back();
    return errors;
}

void print_label(const BatchBenchCase &each) {
    std::printf("%-6s %-4s %-6s %6s x %-6llu", name_of(each.kind.direction), name_of(each.kind.algorithm),
        name_of(each.kind.memory), format_size(each.kind.page_size).c_str(),
        static_cast<unsigned long long>(each.page_count));
}

void print_case(const BatchBenchCase &each) {
    print_label(each);
    std::printf(" %9.3f %6.2f", ms(static_cast<double>(each.cpu.times.total_ns)), gb_per_second(each.cpu));
    if (each.gpu) {
        const BatchTimes &times = each.gpu->times;
        std::printf(" %9.3f %6.2f %9.3f %9.3f %9.3f  %-3s %5.2f  %s", ms(static_cast<double>(times.total_ns)),
            gb_per_second(*each.gpu), ms(static_cast<double>(times.to_device_ns)),
            ms(static_cast<double>(times.compute_ns)), ms(static_cast<double>(times.from_device_ns)),
            times.compute_outweighs() ? "yes" : "no", ratio(*each.gpu), each.is_gpu_sooner() ? "gpu" : "cpu");
    }
    std::printf("\n");
}

void print_check(const BatchBenchCheck &check) {
    print_label(check.measured);
    std::printf(" %9.3f %9.3f %+5.0f %% %9.3f %9.3f %+5.0f %%  %s%s\n", ms(check.cpu_ns),
        ms(static_cast<double>(check.measured.cpu.times.total_ns)), 100 * check.cpu_error(), ms(check.gpu_ns),
        ms(static_cast<double>(check.measured.gpu->times.total_ns)), 100 * check.gpu_error(), name_of(check.chosen),
        check.is_right() ? "" : ", and the other one is sooner");
}

void print_table(const BatchBenchResult &result, const std::string &path) {
    std::printf("batches of pages on %s\n", result.machine.empty() ? "this machine" : result.machine.c_str());
    std::printf("\n%-34s %16s", "ms, and GB/s of pages", "CPU");
    if (!result.no_gpu)
        std::printf(" %16s %9s %9s %9s  %-3s %5s  %s", "GPU", "to device", "compute", "back", "5x", "ratio", "sooner");
    std::printf("\n");
    for (const BatchBenchCase &each : result.cases) print_case(each);
    if (result.no_gpu) {
        std::printf(
            "\nno GPU's back end: %s\nauto takes the processors, and needs no model\n", result.no_gpu->text().c_str());
        return;
    }
    std::printf("\n%-34s %28s %28s  %s\n", "sizes that the model hasn't seen", "CPU: predicted, measured",
        "GPU: predicted, measured", "auto");
    for (const BatchBenchCheck &check : result.checks) print_check(check);
    const Errors errors = errors_of(result.checks);
    std::printf(
        "\npredictions are off by %.0f %% (median), %.0f %% at the most; the sooner back end was chosen in %zu of "
        "%zu, and a wrong choice takes %.0f %% longer at the most\nmodel: %s\n",
        100 * errors.median, 100 * errors.most, errors.right, result.checks.size(), 100 * errors.most_loss,
        path.c_str());
}

nlohmann::json to_json(const BatchReport &report) {
    return {{"total_ns", report.times.total_ns}, {"to_device_ns", report.times.to_device_ns},
        {"compute_ns", report.times.compute_ns}, {"from_device_ns", report.times.from_device_ns},
        {"compute_outweighs", report.times.compute_outweighs()}, {"gb_per_second", gb_per_second(report)},
        {"ratio", ratio(report)}};
}

nlohmann::json to_json(const BatchBenchCase &each) {
    nlohmann::json all = {{"direction", name_of(each.kind.direction)}, {"algorithm", name_of(each.kind.algorithm)},
        {"memory", name_of(each.kind.memory)}, {"page_size", each.kind.page_size}, {"pages", each.page_count},
        {"cpu", to_json(each.cpu)}};
    if (each.gpu) {
        all["gpu"] = to_json(*each.gpu);
        all["sooner"] = each.is_gpu_sooner() ? "gpu" : "cpu";
    }
    return all;
}

void print_json(const BatchBenchResult &result, const std::string &path) {
    nlohmann::json all = {{"machine", result.machine}, {"cases", nlohmann::json::array()}};
    for (const BatchBenchCase &each : result.cases) all["cases"].push_back(to_json(each));
    if (result.no_gpu) {
        all["no_gpu"] = result.no_gpu->text();
    } else {
        all["model"] = path;
        all["checks"] = nlohmann::json::array();
        for (const BatchBenchCheck &check : result.checks) {
            nlohmann::json line = to_json(check.measured);
            line["predicted"] = {{"cpu_ns", check.cpu_ns}, {"gpu_ns", check.gpu_ns}};
            line["chosen"] = name_of(check.chosen);
            line["is_right"] = check.is_right();
            all["checks"].push_back(line);
        }
        const Errors errors = errors_of(result.checks);
        all["error"] = {{"median", errors.median}, {"most", errors.most}, {"right", errors.right},
            {"of", result.checks.size()}, {"most_loss", errors.most_loss}};
    }
    std::printf("%s\n", json_text(all, 2).c_str());
}

} // namespace

Result<void> run_bench_batches(const BatchBenchSettings &settings, BenchFormat format) {
    const BatchBenchResult result = TRY(bench_batches(settings));
    std::string path;
    if (!result.no_gpu) {
        path = model_path(result.machine);
        TRY(write_model(path, result.model, result.machine));
    }
    format == BenchFormat::table ? print_table(result, path) : print_json(result, path);
    return {};
}

} // namespace gmemfs
