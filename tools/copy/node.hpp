// Node: the processors next to a device, on a machine whose memory lies in several NUMA nodes.
//
// Pinned memory of another node is read over the link between both, which all traffic shares. Memory lies where the
// thread runs that first touches it: so a thread goes to the device's node before it pins.
#pragma once

#include "vmm/device/device.hpp"

#include <optional>
#include <sched.h>
#include <string>

namespace gmemfs {

/// Where the kernel tells of nodes, and of PCI devices.
inline constexpr const char *kNodeFolder = "/sys/devices/system/node";
inline constexpr const char *kPciFolder = "/sys/bus/pci/devices";

/// The number of the node next to the device: the driver's, else the kernel's. Nothing: both know of none.
std::optional<int> node_of(const Driver &driver, const DeviceInfo &device, const std::string &pci_folder);
/// The processors of a node that this thread may run on. Nothing: none, or all that it may run on, or there is no such
/// node in `node_folder`.
std::optional<cpu_set_t> processors_near(int node, const std::string &node_folder);

/// Runs this thread on those processors, until it ends. Where there is nothing, or it isn't allowed, it stays.
void stay_near(const std::optional<cpu_set_t> &processors);

} // namespace gmemfs
