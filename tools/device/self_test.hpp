// SelfTest: tests all that gmemfs asks of a device's memory: plain bytes there and back, parity, repairs.
#pragma once

#include "tools/device/self_test_pattern.hpp"
#include "tools/host/progress.hpp"
#include "vmm/device/device.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gmemfs {

/// When a bit is turned behind the test's back, so that the test itself can be tried.
enum class Planted : std::uint8_t {
    nothing,
    memory, ///< after the fill
    parity, ///< after the encode, so that data and parity don't agree
    repair, ///< after the repair, in a block that was mended
};

struct SelfTestSettings {
    std::uint64_t size = 0; ///< bytes, rounded up to the granularity
    std::uint64_t seed = 1; ///< of the bytes and of the errors
    bool ecc = false;
    Planted planted = Planted::nothing;
    Progress::Display display = Progress::Display::none;
};

struct SelfTestStep {
    const char *name;
    double seconds;
    std::uint64_t bytes; ///< looked at or moved; 0 where a rate says nothing
    bool passed;
};

/// What was seen, as far as the test has come. A plain value.
struct SelfTestReport {
    std::vector<SelfTestStep> steps;
    std::uint64_t size = 0;            ///< bytes, after rounding
    std::uint64_t mismatches = 0;      ///< bytes of plain memory that weren't as they were written
    std::uint64_t blocks = 0;          ///< of 128 KiB, with parity
    std::uint64_t symbols_made = 0;    ///< made wrong
    std::uint64_t blocks_made = 0;     ///< blocks with such symbols
    std::uint64_t beyond_made = 0;     ///< of those, blocks with more than can be mended
    std::uint64_t blocks_found = 0;    ///< by the verification
    std::uint64_t blocks_repaired = 0; ///< with symbols_repaired
    std::uint64_t symbols_repaired = 0;
    std::uint64_t beyond_found = 0; ///< reported as damaged by the repair
    std::uint64_t used_before = 0;  ///< bytes of device memory in use by everybody
    std::uint64_t used_after = 0;
};

/// Runs the test. `report` is filled, and `tell` is called, as far as the test comes. All memory is free again when it
/// returns. EIO: the device failed the test; the detail says where. EINTR: the user has interrupted. ENOSPC: the device
/// is full.
Result<void> run_self_test(Device &device, const SelfTestSettings &settings, SelfTestReport &report,
    const std::function<void(const SelfTestStep &)> &tell);

} // namespace gmemfs
