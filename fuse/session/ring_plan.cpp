#include "fuse/session/ring_plan.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <system_error>

namespace gmemfs {
namespace {

constexpr unsigned kProcessorsMax = 1 << 16; // a queue's number has 16 bits

Result<std::vector<unsigned>> read_processors(const char *path) {
    std::ifstream file(path);
    std::string line;
    if (!std::getline(file, line)) return Error{ENOENT, 0, "read which processors there are", path};
    return parse_processors(line);
}

} // namespace

Result<std::vector<unsigned>> parse_processors(std::string_view list) {
    const Error wrong = {EINVAL, 0, "read a list of processors", std::string(list)};
    std::vector<unsigned> processors;
    const auto take_number = [&](unsigned &number) {
        const auto [end, error] = std::from_chars(list.data(), list.data() + list.size(), number);
        if (error != std::errc() || number >= kProcessorsMax) return false;
        list.remove_prefix(static_cast<std::size_t>(end - list.data()));
        return true;
    };
    while (true) {
        unsigned first = 0;
        if (!take_number(first)) return wrong;
        unsigned last = first;
        if (list.starts_with('-')) {
            list.remove_prefix(1);
            if (!take_number(last) || last < first) return wrong;
        }
        for (unsigned number = first; number <= last; ++number) processors.push_back(number);
        if (list.empty()) return processors;
        if (!list.starts_with(',')) return wrong;
        list.remove_prefix(1);
    }
}

std::vector<RingPlan> plan_rings(unsigned queues, const std::vector<unsigned> &online) {
    std::vector<unsigned> busy;
    RingPlan idle = {.queues = {}, .is_idle = true};
    for (unsigned queue = 0; queue < queues; ++queue) {
        const bool is_online = std::find(online.begin(), online.end(), queue) != online.end();
        (is_online ? busy : idle.queues).push_back(queue);
    }
    std::vector<RingPlan> plans;
    const auto count = static_cast<unsigned>(busy.size());
    if (count <= kRingWorkersMax) {
        const unsigned workers = std::min(kRingWorkersPerQueue, kRingWorkersMax / std::max(count, 1U));
        for (const unsigned queue : busy)
            for (unsigned worker = 0; worker < workers; ++worker)
                plans.push_back({.queues = {queue}, .processor = queue});
    } else {
        plans.resize(kRingWorkersMax);
        for (unsigned index = 0; index < count; ++index) plans[index % kRingWorkersMax].queues.push_back(busy[index]);
    }
    if (!idle.queues.empty()) plans.push_back(std::move(idle));
    return plans;
}

Result<std::vector<RingPlan>> plan_rings() {
    const std::vector<unsigned> possible = TRY(read_processors("/sys/devices/system/cpu/possible"));
    const std::vector<unsigned> online = TRY(read_processors("/sys/devices/system/cpu/online"));
    return plan_rings(static_cast<unsigned>(possible.size()), online);
}

} // namespace gmemfs
