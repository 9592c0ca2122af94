#include "tests/support/simulation.hpp"

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <unistd.h>

namespace gmemfs::test {
namespace {

constexpr std::size_t kBufferSize = 8 * MiB;

std::string library() {
    return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "sim/libcuda.so.1").string();
}

} // namespace

Simulation &Simulation::get() {
    static auto *const simulation = new Simulation; // never destroyed: the driver's threads outlive main
    return *simulation;
}

Simulation::Simulation() {
    ::setenv("GMEMFS_SIM_MACHINE", ("unit-" + std::to_string(::getpid())).c_str(), 1);
    ::setenv("GMEMFS_SIM_DEVICES", "256M,128M", 1);
    driver_ = must(Driver::open(library()));
    for (const DeviceInfo &info : must(query_devices(*driver_))) devices_.push_back(must(Device::open(*driver_, info)));
    host_ = must(Device::open(*driver_, must(DeviceInfo::query_host(*driver_, must(query_devices(*driver_))))));
    copiers_ = std::make_unique<Copiers>(must(Copiers::create(devices_)));
    buffer_ = std::make_unique<PinnedBuffer>(must(PinnedBuffer::create(*devices_.front(), kBufferSize)));
    void *const handle = ::dlopen(library().c_str(), RTLD_NOW | RTLD_NOLOAD);
    set_faults_ = reinterpret_cast<decltype(set_faults_)>(::dlsym(handle, "gmemfs_sim_set_faults"));
    call_count_ = reinterpret_cast<decltype(call_count_)>(::dlsym(handle, "gmemfs_sim_call_count"));
    live_count_ = reinterpret_cast<decltype(live_count_)>(::dlsym(handle, "gmemfs_sim_live_count"));
    GMEMFS_ASSERT(set_faults_ != nullptr);
    GMEMFS_ASSERT(live_count_ != nullptr);
    GMEMFS_ASSERT(call_count_ != nullptr);
}

void Simulation::plan_faults(const std::string &plan) { GMEMFS_ASSERT(set_faults_(plan.c_str()) == 0); }

unsigned long Simulation::call_count() const { return call_count_(); }

std::map<std::string, unsigned long> Simulation::live() const {
    std::map<std::string, unsigned long> counts;
    for (const char *const what :
        {"allocations", "mappings", "reservations", "pinned", "contexts", "modules", "streams", "events"})
        counts[what] = live_count_(what);
    for ([[maybe_unused]] const auto &entry : std::filesystem::directory_iterator("/proc/self/fd"))
        ++counts["descriptors"];
    return counts;
}

std::uint64_t Simulation::used() const {
    std::uint64_t bytes = 0;
    for (const auto &device : devices_) {
        const Device::Memory memory = must(device->memory());
        bytes += memory.total - memory.free;
    }
    return bytes;
}

void fill_with_pattern(std::span<std::byte> bytes, unsigned seed) {
    std::uint32_t state = seed * 2654435761U + 1;
    for (std::byte &byte : bytes) {
        state = state * 1664525U + 1013904223U; // Numerical Recipes, section 7.1: good enough to tell places apart
        byte = static_cast<std::byte>(state >> 24);
    }
}

std::span<std::byte> OnSimulation::pattern(std::size_t size, unsigned seed) {
    const std::span<std::byte> bytes = simulation().buffer().bytes().first(size);
    fill_with_pattern(bytes, seed);
    return bytes;
}

} // namespace gmemfs::test
