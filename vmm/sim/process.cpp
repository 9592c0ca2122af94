#include "vmm/sim/process.hpp"

#include "vmm/sim/fault.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

namespace gmemfs::sim {
namespace {

Process *g_process = nullptr; // set once, under the mutex of start_process
bool g_is_fork = false;       // of the process that has set it
constexpr int kVersion = 13000;
constexpr int kOldestVersion = 10020; // which brought virtual memory management

const char *text_of(const char *variable, const char *otherwise) {
    const char *const text = std::getenv(variable);
    return text == nullptr ? otherwise : text;
}

// "1", "0", or "0-1,2-3"; false where it is none of these.
bool parse_links(const std::string &text, Links &links) {
    if (text == "1") return true;
    links.is_all = false;
    if (text == "0") return true;
    for (const char *at = text.c_str(); *at != '\0'; ++at) {
        unsigned one = 0, other = 0;
        int length = 0;
        if (std::sscanf(at, "%u-%u%n", &one, &other, &length) != 2 || one == other) return false;
        links.pairs.insert(std::minmax(one, other));
        at += length;
        if (*at == '\0') return true;
        if (*at != ',') return false;
    }
    return false;
}

// "0", or "0,1": a node a device, -1 where there is none; devices that it doesn't name have the last one's. False where
// it is none of these.
bool parse_nodes(const std::string &text, std::vector<int> &nodes) {
    std::size_t named = 0;
    for (const char *at = text.c_str(); named < nodes.size(); ++named) {
        char *end = nullptr;
        const long node = std::strtol(at, &end, 10);
        if (end == at || node < -1 || node > 1023 || (*end != ',' && *end != '\0')) return false;
        std::fill(nodes.begin() + static_cast<std::ptrdiff_t>(named), nodes.end(), static_cast<int>(node));
        if (*end == '\0') return true;
        at = end + 1;
    }
    return false; // more than there are devices
}

// "8G", "2x8G", "8G,16G": a size a device; false where it is none of these.
bool parse_devices(const std::string &text, std::vector<std::uint64_t> &sizes) {
    std::size_t at = 0;
    while (at < text.size()) {
        std::size_t end = text.find(',', at);
        if (end == std::string::npos) end = text.size();
        std::string part = text.substr(at, end - at);
        at = end + 1;
        unsigned long times = 1;
        const std::size_t cross = part.find('x');
        if (cross != std::string::npos) {
            times = std::strtoul(part.c_str(), nullptr, 10);
            part = part.substr(cross + 1);
        }
        char *suffix = nullptr;
        const double number = std::strtod(part.c_str(), &suffix);
        const std::string unit = suffix;
        const double scale = unit.empty()  ? 1
                             : unit == "K" ? 1024.0
                             : unit == "M" ? 1048576.0
                             : unit == "G" ? 1073741824.0
                             : unit == "T" ? 1099511627776.0
                                           : 0;
        const double bytes = number * scale;
        if (part.empty() || bytes < static_cast<double>(kGranularity) || bytes > 1e15) return false;
        if (times == 0 || sizes.size() + times > kDevicesMax) return false;
        for (unsigned long i = 0; i < times; ++i)
            sizes.push_back(static_cast<std::uint64_t>(bytes) / kGranularity * kGranularity);
    }
    return !sizes.empty();
}

} // namespace

Process *process() {
    Process *const mine = __atomic_load_n(&g_process, __ATOMIC_ACQUIRE);
    return mine != nullptr && !__atomic_load_n(&g_is_fork, __ATOMIC_RELAXED) ? mine : nullptr;
}

Context *&current_context() {
    static thread_local Context *context = nullptr;
    return context;
}

int driver_version() {
    if (process() != nullptr) return process()->version;
    const char *const text = std::getenv("GMEMFS_SIM_DRIVER_VERSION");
    return text == nullptr ? kVersion : std::atoi(text);
}

CUresult start_process() {
    static std::mutex mutex;
    const std::lock_guard<std::mutex> hold(mutex);
    if (g_process != nullptr) return process() != nullptr ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
    std::string why;
    const std::string faults = text_of("GMEMFS_SIM_FAULTS", "");
    if (faults.starts_with('@')) {
        watch_for_plan(faults.substr(1));
    } else if (!set_plan(faults, why)) {
        std::fprintf(stderr, "gmemfs simulator: GMEMFS_SIM_FAULTS: %s\n", why.c_str());
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (driver_version() < kOldestVersion) {
        std::fprintf(stderr, "gmemfs simulator: GMEMFS_SIM_DRIVER_VERSION: not like 12040, which is CUDA 12.4\n");
        return CUDA_ERROR_INVALID_VALUE;
    }
    const std::string devices = text_of("GMEMFS_SIM_DEVICES", "");
    if (devices == "0") return CUDA_ERROR_NO_DEVICE;
    std::vector<std::uint64_t> sizes;
    if (!devices.empty() && !parse_devices(devices, sizes)) {
        std::fprintf(
            stderr, "gmemfs simulator: GMEMFS_SIM_DEVICES: '%s' is not like 8G, 2x8G or 8G,16G\n", devices.c_str());
        return CUDA_ERROR_INVALID_VALUE;
    }
    const std::string peers = text_of("GMEMFS_SIM_PEERS", "1");
    Links links;
    if (!parse_links(peers, links)) {
        std::fprintf(stderr, "gmemfs simulator: GMEMFS_SIM_PEERS: '%s' is not 0, 1 or like 0-1,2-3\n", peers.c_str());
        return CUDA_ERROR_INVALID_VALUE;
    }
    Machine *const machine = Machine::attach(text_of("GMEMFS_SIM_MACHINE", "default"), sizes);
    if (machine == nullptr) return CUDA_ERROR_OPERATING_SYSTEM;
    std::vector<int> nodes(machine->sizes().size());
    const std::string told_nodes = text_of("GMEMFS_SIM_NODES", "0");
    if (!parse_nodes(told_nodes, nodes)) {
        std::fprintf(stderr, "gmemfs simulator: GMEMFS_SIM_NODES: '%s' is not like 0 or 0,1\n", told_nodes.c_str());
        return CUDA_ERROR_INVALID_VALUE;
    }
    auto *const made = new Process{};
    made->pid = ::getpid();
    made->machine = machine;
    made->device_sizes = machine->sizes();
    made->has_imex = std::string(text_of("GMEMFS_SIM_IMEX", "1")) != "0";
    made->links = links;
    made->nodes = nodes;
    made->is_resident = std::string(text_of("GMEMFS_SIM_RESIDENT", "0")) != "0";
    made->version = driver_version();
    made->primary.resize(made->device_sizes.size());
    // Each call asks for it, five times in a copy and its wait; getpid(2) would take 0.1 us.
    ::pthread_atfork(nullptr, nullptr, [] { __atomic_store_n(&g_is_fork, true, __ATOMIC_RELAXED); });
    __atomic_store_n(&g_process, made, __ATOMIC_RELEASE);
    std::atexit([] {
        if (process() != nullptr) Machine::leave_all(); // but not in a child that was forked and has never started
    });
    return CUDA_SUCCESS;
}

std::map<std::uint64_t, Mapping>::iterator Process::mapping_at(CUdeviceptr address) {
    const std::uint64_t at = address & ~kTag;
    const auto next = mappings.upper_bound(at);
    if ((address & kTag) == 0 || next == mappings.begin()) return mappings.end();
    const auto found = std::prev(next);
    return at < found->first + found->second.size ? found : mappings.end();
}

CUdeviceptr Process::device_address(CUdeviceptr address) const {
    for (const auto &[start, range] : reservations)
        if (range.host_view != 0 && address >= range.host_view && address - range.host_view < range.size)
            return (start + (address - range.host_view)) | kTag;
    return address;
}

std::byte *Process::translate(CUdeviceptr address, std::uint64_t size, int access, std::uint32_t device) {
    if (size > kTag) return nullptr;
    const std::lock_guard<std::mutex> hold(mutex);
    CUdeviceptr at = address;
    do {
        const auto found = mapping_at(at);
        if (found == mappings.end() || (found->second.access[device] & access) != access) return nullptr;
        at = (found->first + found->second.size) | kTag;
    } while (at < address + size);
    return reinterpret_cast<std::byte *>(address & ~kTag); // NOLINT(performance-no-int-to-ptr): an address is a number
}

} // namespace gmemfs::sim
