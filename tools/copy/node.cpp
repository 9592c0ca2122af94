#include "tools/copy/node.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <string_view>
#include <system_error>

namespace gmemfs {
namespace {

// "0-15,32-47", as the kernel writes it; what it never writes ends the list.
cpu_set_t parse_processors(std::string_view text) {
    cpu_set_t set;
    CPU_ZERO(&set);
    const char *at = text.data();
    const char *const end = at + text.size();
    const auto number = [&](unsigned &value) {
        const auto [behind, error] = std::from_chars(at, end, value);
        at = behind;
        return error == std::errc();
    };
    for (unsigned first = 0; number(first);) {
        unsigned last = first;
        if (at != end && *at == '-' && !number(*(++at, &last))) break;
        for (unsigned one = first; one <= last && one < CPU_SETSIZE; ++one) CPU_SET(one, &set);
        if (at == end || *at++ != ',') break;
    }
    return set;
}

} // namespace

std::optional<int> node_of(const Driver &driver, const DeviceInfo &device, const std::string &pci_folder) {
    int node = -1;
    constexpr auto kNode = CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID; // unknown before 12.2
    if (driver.cuDeviceGetAttribute(&node, kNode, device.handle) == CUDA_SUCCESS && node >= 0) return node;
    std::string bus_id = device.bus_id;
    std::transform(
        bus_id.begin(), bus_id.end(), bus_id.begin(), [](unsigned char digit) { return std::tolower(digit); });
    std::ifstream told(pci_folder + "/" + bus_id + "/numa_node");
    if (told >> node && node >= 0) return node;
    return std::nullopt;
}

std::optional<cpu_set_t> processors_near(int node, const std::string &node_folder) {
    std::ifstream told(node_folder + "/node" + std::to_string(node) + "/cpulist");
    std::string text;
    cpu_set_t allowed;
    if (!(told >> text) || ::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return std::nullopt;
    const cpu_set_t there = parse_processors(text);
    cpu_set_t near;
    CPU_AND(&near, &there, &allowed);
    if (CPU_COUNT(&near) == 0 || CPU_EQUAL(&near, &allowed)) return std::nullopt;
    return near;
}

void stay_near(const std::optional<cpu_set_t> &processors) {
    if (processors) (void)::sched_setaffinity(0, sizeof *processors, &*processors);
}

} // namespace gmemfs
