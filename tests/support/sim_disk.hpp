// SimDisk: a disk of the simulator's memory, as a worker opens it.
#pragma once

#include "block/disk/disk.hpp"
#include "tests/support/simulation.hpp"

#include <cstring>
#include <vector>

namespace gmemfs::test {

/// What the broker would give for a file of `size` bytes.
inline client::Attached attach_memory(std::uint64_t size) {
    const Driver &driver = Simulation::get().driver();
    const DeviceInfo &info = Simulation::get().device().info();
    const Allocation memory = must(Allocation::create(driver, info, size, HandlePolicy::fd));
    client::Attached attached;
    attached.size = attached.allocated = size;
    protocol::ExtentRecord extent = {};
    extent.length = size;
    extent.device = info.uuid;
    extent.handle_type = protocol::kDescriptor;
    attached.extents.push_back(extent);
    attached.fds.push_back(must(memory.export_fd()));
    return attached;
}

/// The same, of zeros.
inline client::Attached attach_zeros(std::uint64_t size) {
    const Driver &driver = Simulation::get().driver();
    client::Attached attached = attach_memory(size);
    client::Attached mapped;
    mapped.size = mapped.allocated = size;
    mapped.extents = attached.extents;
    mapped.fds.push_back(must(attached.fds.front().duplicate()));
    const DeviceInfo &info = Simulation::get().device().info();
    const client::AddressRange range = must(client::AddressRange::create(
        driver, {info}, mapped, client::Access::write, {client::Reach::Kind::listed, {}}, 0));
    must(Simulation::get().device().make_current());
    must(driver.check(driver.cuMemsetD8Async(range.address(), 0, size, nullptr), "clear"));
    must(driver.check(driver.cuStreamSynchronize(nullptr), "clear"));
    return attached;
}

/// Sets bytes behind the lanes, and waits: their streams don't wait for the default one.
inline void set_bytes(block::Disk &disk, std::uint64_t offset, std::uint64_t length, unsigned char value) {
    const Driver &driver = Simulation::get().driver();
    ASSERT_EQ(driver.cuMemsetD8Async(disk.address() + offset, value, length, nullptr), CUDA_SUCCESS);
    ASSERT_EQ(driver.cuStreamSynchronize(nullptr), CUDA_SUCCESS);
}

/// Zeros at first.
inline std::unique_ptr<block::Disk> make_disk(
    std::uint64_t size, block::Mode mode = block::Mode::read_write, std::span<std::uint32_t> sums = {}) {
    client::Attached attached = attach_memory(size);
    std::shared_ptr<const client::Devices> devices = must(client::open_devices(Simulation::get().driver().library));
    std::unique_ptr<block::Disk> disk = must(block::Disk::open(std::move(devices), attached, size, mode, sums));
    if (mode == block::Mode::read_write) set_bytes(*disk, 0, size, 0);
    return disk;
}

} // namespace gmemfs::test
