#include "fuse/host/near.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

namespace gmemfs {
namespace {

namespace fs = std::filesystem;

// Empty where it can't be read. A file of /proc and /sys says no size.
std::string read_all(const std::string &path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::optional<int> number_of(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_number = error == std::errc() && end == text.data() + text.size() && number >= 0;
    return is_number ? std::optional(number) : std::nullopt;
}

// Each word between commas.
template <typename Take>
void for_each_word(std::string_view list, Take take) {
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(','), list.size());
        take(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
}

// "0-3,8-11": the processors of a node.
void note_processors(std::string_view list, int node, std::vector<int> &node_of_processor) {
    for_each_word(list.substr(0, list.find('\n')), [&](std::string_view range) {
        constexpr int kProcessorsMost = 1 << 16; // of a line that isn't what it should be
        const std::size_t dash = range.find('-');
        const std::optional<int> first = number_of(range.substr(0, dash));
        const std::optional<int> last = dash == std::string_view::npos ? first : number_of(range.substr(dash + 1));
        if (!first || !last || *last >= kProcessorsMost) return;
        if (node_of_processor.size() <= static_cast<std::size_t>(*last))
            node_of_processor.resize(static_cast<std::size_t>(*last) + 1, -1);
        for (int each = *first; each <= *last; ++each) node_of_processor[static_cast<std::size_t>(each)] = node;
    });
}

// The value of an environment's variable; empty where there is none.
std::string_view value_of(std::string_view environment, std::string_view name) {
    while (!environment.empty()) {
        const std::string_view word = environment.substr(0, environment.find('\0'));
        if (word.starts_with(name) && word.substr(name.size()).starts_with('=')) return word.substr(name.size() + 1);
        environment.remove_prefix(std::min(word.size() + 1, environment.size()));
    }
    return {};
}

} // namespace

Near::Near(std::vector<DeviceInfo> all, const std::vector<std::unique_ptr<Device>> &mine, std::function<pid_t()> caller,
    Roots roots)
    : all_(std::move(all)), mine_(mine), caller_(std::move(caller)), roots_(std::move(roots)) {
    std::error_code error;
    fs::directory_iterator entry(roots_.sys + "/devices/system/node", error);
    for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename();
        const std::optional<int> node = name.starts_with("node") ? number_of(name.substr(4)) : std::nullopt;
        if (node) note_processors(read_all(entry->path() / "cpulist"), *node, node_of_processor_);
    }
    for (const auto &device : mine_) node_of_[device.get()] = node_of(device->info());
}

int Near::node_of(const DeviceInfo &device) const {
    if (device.numa_node >= 0) return device.numa_node;
    std::string bus_id = device.bus_id; // the driver's digits are capitals, sysfs' are not
    std::ranges::transform(bus_id, bus_id.begin(), [](unsigned char each) { return std::tolower(each); });
    std::ifstream file(roots_.sys + "/bus/pci/devices/" + bus_id + "/numa_node");
    int node = -1;
    return file >> node ? node : -1;
}

int Near::node_of_process(const std::string &folder) const {
    // "1234 (a name) S 1 ...": the processor is field 39, so the 37th behind the name, which may hold anything.
    constexpr int kBehindName = 37;
    const std::string stat = read_all(folder + "/stat");
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) return -1;
    std::istringstream words(stat.substr(name_end + 1));
    std::string word;
    for (int index = 0; index < kBehindName; ++index) words >> word;
    const std::optional<int> processor = number_of(word);
    const bool is_known = words && processor && static_cast<std::size_t>(*processor) < node_of_processor_.size();
    return is_known ? node_of_processor_[static_cast<std::size_t>(*processor)] : -1;
}

// The devices that a list names, by their place in `base` or by UUID, or its begin: up to the first word that is
// neither, as CUDA reads it.
std::vector<int> Near::ordinals(std::string_view list, const std::vector<int> &base) const {
    std::vector<int> found;
    bool is_good = true;
    for_each_word(list, [&](std::string_view word) {
        const std::optional<int> place = number_of(word);
        const auto device = std::ranges::find_if(all_, [&](const DeviceInfo &info) {
            return word.size() > 4 && word.starts_with("GPU-") && info.uuid_text().starts_with(word);
        });
        is_good = is_good && (place ? static_cast<std::size_t>(*place) < base.size() : device != all_.end());
        if (is_good) found.push_back(place ? base[static_cast<std::size_t>(*place)] : device->ordinal);
    });
    return found;
}

// Empty: the process doesn't say.
std::vector<int> Near::seen_by_process(const std::string &folder) const {
    const std::string environment = read_all(folder + "/environ");
    std::vector<int> base(all_.empty() ? 0 : static_cast<std::size_t>(all_.back().ordinal) + 1); // one may be lost
    std::iota(base.begin(), base.end(), 0);
    std::vector<int> of_container = ordinals(value_of(environment, "NVIDIA_VISIBLE_DEVICES"), base);
    std::ranges::sort(of_container); // a container's devices keep their order
    if (!of_container.empty()) base = of_container;
    const std::vector<int> of_process = ordinals(value_of(environment, "CUDA_VISIBLE_DEVICES"), base);
    return of_process.empty() ? of_container : of_process;
}

std::vector<std::vector<Device *>> Near::near() const {
    const pid_t pid = caller_();
    if (pid == 0) return {};
    const std::string folder = roots_.proc + "/" + std::to_string(pid);
    const int node = node_of_process(folder);
    const std::vector<int> seen = seen_by_process(folder);
    std::vector<Device *> on_node, seen_on_node, seen_elsewhere;
    for (const auto &device : mine_) {
        const bool is_on_node = node >= 0 && node_of_.at(device.get()) == node;
        const bool is_seen = std::ranges::find(seen, device->info().ordinal) != seen.end();
        if (is_on_node) on_node.push_back(device.get());
        if (is_seen) (is_on_node ? seen_on_node : seen_elsewhere).push_back(device.get());
    }
    return {std::move(seen_on_node), std::move(seen_elsewhere), std::move(on_node)};
}

} // namespace gmemfs
