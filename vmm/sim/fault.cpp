#include "vmm/sim/fault.hpp"

#include "vmm/base/random.hpp"
#include "vmm/device/copy_batch.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace gmemfs::sim {
namespace {

struct Code {
    std::string_view name;
    CUresult value;
    bool is_sticky;
};
constexpr std::array kCodes = {
#define RESULT(code, sticky) Code{#code, CUDA_ERROR_##code, sticky},
#include "vmm/sim/results.def"
#undef RESULT
};

constexpr std::array kFunctions = {
#define REQUIRED(name, version) std::string_view(#name),
#define OPTIONAL(name, version) std::string_view(#name),
#define PEER(name, version) std::string_view(#name),
#include "vmm/device/driver_entries.def"
#include "vmm/sim/peer_entries.def"
#undef REQUIRED
#undef OPTIONAL
#undef PEER
    std::string_view("cuCtxCreate"),
    std::string_view(GMEMFS_COPY_BATCH),
};

struct Rule {
    std::string function;                // "*" for any
    std::optional<std::uint32_t> device; // of the calls that count; none: all
    enum class Kind { once, from, chance, delay } kind = Kind::once;
    unsigned long number = 0; // of the call, for `once` and `from`
    double chance = 0;
    unsigned delay_us = 0;
    CUresult result = CUDA_SUCCESS;
    unsigned long count = 0;
    bool is_done = false; // a device was lost, or is back

    bool is_return() const { return is_loss() && result == CUDA_SUCCESS; }
    bool is_loss() const { return kind == Kind::from && function == "*" && device; }
};

struct Plan {
    std::mutex mutex;
    std::vector<Rule> rules;
    Random random{1};
    std::atomic<bool> is_empty = true;
    std::atomic<unsigned long> calls = 0;
    std::string watched; // constant once the process has started; empty for none
};

Plan &plan() {
    static auto *const only = new Plan;
    return *only;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

bool parse_number(std::string_view text, double &number) {
    char *end = nullptr;
    const std::string copy(text);
    number = std::strtod(copy.c_str(), &end);
    return !copy.empty() && *end == '\0' && number >= 0;
}

bool parse_result(std::string_view text, CUresult &result) {
    for (const Code &code : kCodes)
        if (text == code.name) return result = code.value, true;
    return false;
}

bool is_function(std::string_view name) {
    if (name == "*") return true;
    for (const std::string_view known : kFunctions)
        if (known == name) return true;
    return false;
}

// "NAME" or "NAME@DEVICE".
std::string parse_subject(std::string_view text, Rule &rule) {
    const std::size_t at = text.find('@');
    rule.function = trim(text.substr(0, at));
    if (!is_function(rule.function)) return "no driver function is called '" + rule.function + "'";
    if (at == std::string_view::npos) return "";
    double number = 0;
    if (!parse_number(trim(text.substr(at + 1)), number) || number >= kDevicesMax)
        return "no device, as in cuMemCreate@2";
    rule.device = static_cast<std::uint32_t>(number);
    return "";
}

// One rule, or what is wrong with it.
std::string parse_rule(std::string_view text, Rule &rule) {
    const std::size_t mark = text.find_first_of("#%~");
    if (mark == std::string_view::npos) return "no '#', '%' or '~'";
    if (std::string wrong = parse_subject(text.substr(0, mark), rule); !wrong.empty()) return wrong;
    double number = 0;
    if (text[mark] == '~') {
        std::string_view delay = trim(text.substr(mark + 1));
        double scale = 0;
        if (delay.size() > 2 && delay.substr(delay.size() - 2) == "ms") scale = 1000;
        if (delay.size() > 2 && delay.substr(delay.size() - 2) == "us") scale = 1;
        if (scale == 0 || !parse_number(delay.substr(0, delay.size() - 2), number)) return "no time, as in 5ms or 20us";
        rule.kind = Rule::Kind::delay;
        rule.delay_us = static_cast<unsigned>(number * scale);
        return "";
    }
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals < mark) return "no '=RESULT'";
    const std::string_view result = trim(text.substr(equals + 1));
    const bool is_back = result == "SUCCESS";
    if (!is_back && !parse_result(result, rule.result)) return "no such result";
    std::string_view which = trim(text.substr(mark + 1, equals - mark - 1));
    rule.kind = text[mark] == '%' ? Rule::Kind::chance : Rule::Kind::once;
    if (rule.kind == Rule::Kind::once && !which.empty() && which.back() == '+') {
        rule.kind = Rule::Kind::from;
        which.remove_suffix(1);
    }
    if (!parse_number(which, number)) return "no number";
    if (is_back && !rule.is_loss()) return "SUCCESS is for a device that is back, as in *@2#1+=SUCCESS";
    if (text[mark] == '#' && number < 1) return "calls are counted from 1";
    if (text[mark] == '%' && number > 1) return "no probability, which is 1 at the most";
    rule.chance = number;
    rule.number = static_cast<unsigned long>(number);
    return "";
}

// What gives something back is never the call that "*" means: were it to fail, nobody could do anything but leak.
bool gives_back(std::string_view function) {
    constexpr std::array kGivers = {"cuMemRelease", "cuMemUnmap", "cuMemAddressFree", "cuMemFree", "cuMemFreeHost",
        "cuMemHostUnregister", "cuStreamDestroy", "cuEventDestroy", "cuModuleUnload", "cuCtxDestroy",
        "cuDevicePrimaryCtxRelease", "cuIpcCloseMemHandle", "cuArrayDestroy", "cuMemPoolDestroy"};
    return std::find(kGivers.begin(), kGivers.end(), function) != kGivers.end();
}

bool applies(Rule &rule, Random &random) {
    if (rule.is_done) return false;
    ++rule.count;
    switch (rule.kind) {
    case Rule::Kind::once: return rule.count == rule.number;
    case Rule::Kind::from: return rule.count >= rule.number;
    case Rule::Kind::chance: return static_cast<double>(random.below(1u << 30)) < rule.chance * (1u << 30);
    case Rule::Kind::delay: return false;
    }
    return false;
}

CUresult fault_of_plan(const char *function, std::optional<std::uint32_t> device, Machine &machine) {
    Plan &now = plan();
    if (!gives_back(function)) now.calls.fetch_add(1, std::memory_order_relaxed);
    if (now.is_empty.load(std::memory_order_relaxed)) return CUDA_SUCCESS;
    unsigned delay_us = 0;
    CUresult result = CUDA_SUCCESS;
    {
        const std::lock_guard<std::mutex> hold(now.mutex);
        for (Rule &rule : now.rules) {
            if (rule.is_return() && !std::exchange(rule.is_done, true)) machine.lose(*rule.device, CUDA_SUCCESS);
            if (rule.function == "*" ? gives_back(function) : rule.function != function) continue;
            if (rule.device && rule.device != device) continue;
            if (rule.kind == Rule::Kind::delay) delay_us += rule.delay_us;
            if (!applies(rule, now.random)) continue;
            if (rule.is_loss()) {
                machine.lose(*rule.device, rule.result);
                rule.is_done = true; // or what another process says later would be forgotten
            }
            if (result == CUDA_SUCCESS) result = rule.result;
        }
    }
    if (delay_us != 0) ::usleep(delay_us);
    return result;
}

} // namespace

bool set_plan(const std::string &text, std::string &why) {
    std::vector<Rule> rules;
    std::uint64_t seed = 1;
    std::string_view rest = text;
    while (!rest.empty()) {
        const std::size_t end = rest.find(';');
        const std::string_view part = trim(rest.substr(0, end));
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        if (part.empty()) continue;
        double number = 0;
        if (part.substr(0, 5) == "seed=" && parse_number(part.substr(5), number)) {
            seed = static_cast<std::uint64_t>(number);
            continue;
        }
        Rule rule;
        why = parse_rule(part, rule);
        if (!why.empty()) {
            why.insert(0, "': ").insert(0, part).insert(0, "'");
            return false;
        }
        rules.push_back(rule);
    }
    Plan &now = plan();
    const std::lock_guard<std::mutex> hold(now.mutex);
    now.is_empty = rules.empty();
    now.rules = std::move(rules);
    now.random = Random(seed);
    now.calls = 0;
    return true;
}

void watch_for_plan(const std::string &path) { plan().watched = path; }

void take_watched_plan() {
    const std::string &path = plan().watched;
    if (path.empty() || ::access(path.c_str(), F_OK) != 0) return;
    const std::string taken = path + "." + std::to_string(::getpid());
    if (::rename(path.c_str(), taken.c_str()) != 0) return; // another thread or process was first
    std::ifstream file(taken);
    std::string text;
    std::getline(file, text);
    ::unlink(taken.c_str());
    std::string why;
    if (!set_plan(text, why)) std::fprintf(stderr, "gmemfs simulator: %s: %s\n", path.c_str(), why.c_str());
}

CUresult planned_fault(const char *function, std::optional<std::uint32_t> device, Machine &machine) {
    const CUresult planned = fault_of_plan(function, device, machine);
    if (planned != CUDA_SUCCESS || !device || gives_back(function)) return planned;
    return static_cast<CUresult>(machine.loss_of(*device));
}

unsigned long call_count() { return plan().calls.load(std::memory_order_relaxed); }

bool is_sticky(CUresult result) {
    for (const Code &code : kCodes)
        if (code.value == result) return code.is_sticky;
    return false;
}

} // namespace gmemfs::sim
