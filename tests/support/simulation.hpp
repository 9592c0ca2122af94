// Simulation: the simulator opened in the test's own process, with devices, a keeper and copiers over it.
#pragma once

#include "fuse/core/volume.hpp"
#include "tests/support/must.hpp"
#include "vmm/device/driver.hpp"
#include "vmm/keeper/local.hpp"
#include "vmm/memory/copiers.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gmemfs::test {

/// Opened once in a process, because a driver can't be closed; a machine of its own, by the process id. Two devices:
/// 256 MiB and 128 MiB.
class Simulation {
public:
    static Simulation &get();

    const Driver &driver() const { return *driver_; }
    const std::vector<std::unique_ptr<Device>> &devices() const { return devices_; }
    Device &device() { return *devices_.front(); }
    Device &host() { return *host_; } ///< host memory for both
    Copiers &copiers() { return *copiers_; }
    PinnedBuffer &buffer() { return *buffer_; } ///< 8 MiB of pinned memory for reads and writes

    /// Plans faults ("cuMemCreate#1=OUT_OF_MEMORY"); an empty plan ends them. Counts begin anew.
    void plan_faults(const std::string &plan);
    /// Driver calls since the last plan.
    unsigned long call_count() const;
    /// What this process holds of the driver's things, by name, and "descriptors": what is left shows what leaked.
    std::map<std::string, unsigned long> live() const;
    /// Bytes of device memory in use by everyone, over both devices.
    std::uint64_t used() const;

private:
    Simulation();

    std::unique_ptr<Driver> driver_;
    std::vector<std::unique_ptr<Device>> devices_;
    std::unique_ptr<Device> host_;
    std::unique_ptr<Copiers> copiers_;
    std::unique_ptr<PinnedBuffer> buffer_;
    int (*set_faults_)(const char *) = nullptr;
    unsigned long (*call_count_)() = nullptr;
    unsigned long (*live_count_)(const char *) = nullptr;
};

/// Bytes that depend on `seed` and the place.
void fill_with_pattern(std::span<std::byte> bytes, unsigned seed);

/// A test on the simulator; after each, no fault is planned and no device memory is left in use.
class OnSimulation : public ::testing::Test {
protected:
    OnSimulation() : used_before_(simulation().used()) {}
    ~OnSimulation() override { // after the members of the test itself are gone
        simulation().plan_faults("");
        EXPECT_EQ(simulation().used(), used_before_) << "device memory leaked";
    }
    static Simulation &simulation() { return Simulation::get(); }
    static Copiers &copiers() { return simulation().copiers(); }

    /// The same, in the pinned buffer.
    static std::span<std::byte> pattern(std::size_t size, unsigned seed);

private:
    const std::uint64_t used_before_;
};

/// The errno of a Result that must have failed; 0 where it didn't.
template <typename T>
int code_of(const Result<T> &result) {
    return result ? 0 : result.error().code;
}

} // namespace gmemfs::test
