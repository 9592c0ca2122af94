// Parity twins: the kernels as the simulator calls them, for one number of data rows.
#pragma once

#include "ecc/parity/kernels/repair.cuh"
#include "vmm/device/module.hpp"

#include <array>

namespace gmemfs {

/// Host twins of the entry points that ECC_ENTRIES makes. A warp's first lane does the work of all 32; the other lanes'
/// calls return at once.
template <unsigned kRows>
class ParityTwins {
public:
    static constexpr std::array<HostTwin, 3> make(const char *encode, const char *verify, const char *repair) {
        return {HostTwin{encode, run_encode, std::span(kSizes).first(4)}, HostTwin{verify, run_verify, kSizes},
            HostTwin{repair, run_repair, kSizes}};
    }

private:
    // data, parity, checksums, block count, findings
    static constexpr unsigned kSizes[] = {
        sizeof(CUdeviceptr), sizeof(CUdeviceptr), sizeof(CUdeviceptr), sizeof(std::uint64_t), sizeof(CUdeviceptr)};

    struct Memory {
        explicit Memory(const HostArguments &arguments)
            : data(arguments.pointer<std::uint8_t>(0)), parity(arguments.pointer<std::uint8_t>(1)),
              checksums(arguments.pointer<Checksum>(2)), block_count(arguments.value<std::uint64_t>(3)) {}
        bool is_mapped() const { return data != nullptr && parity != nullptr && checksums != nullptr; }

        std::uint8_t *data, *parity;
        Checksum *checksums;
        std::uint64_t block_count;
    };

    static bool is_first(const gmemfs_lane &lane) { return lane.thread_index % kLanes == 0; }
    static kernels::Warp warp(const gmemfs_lane &lane) {
        return {(std::uint64_t(lane.block_index) * lane.thread_count + lane.thread_index) / kLanes,
            std::uint64_t(lane.block_count) * lane.thread_count / kLanes};
    }

    static void run_encode(const gmemfs_lane *lane, void **params, void *(*translate)(unsigned long long)) {
        if (!is_first(*lane)) return;
        const Memory memory(HostArguments(params, translate));
        if (memory.is_mapped())
            kernels::parity_encode<kRows>(
                warp(*lane), memory.data, memory.parity, memory.checksums, memory.block_count);
    }
    static void run_verify(const gmemfs_lane *lane, void **params, void *(*translate)(unsigned long long)) {
        if (!is_first(*lane)) return;
        const HostArguments arguments(params, translate);
        const Memory memory(arguments);
        auto *const findings = arguments.pointer<Findings>(4);
        if (memory.is_mapped() && findings != nullptr)
            kernels::parity_verify<kRows>(
                warp(*lane), memory.data, memory.parity, memory.checksums, memory.block_count, findings);
    }
    static void run_repair(const gmemfs_lane *lane, void **params, void *(*translate)(unsigned long long)) {
        if (!is_first(*lane)) return;
        const HostArguments arguments(params, translate);
        const Memory memory(arguments);
        auto *const findings = arguments.pointer<Findings>(4);
        if (!memory.is_mapped() || findings == nullptr) return;
        kernels::RepairScratch scratch;
        kernels::parity_repair<kRows>(
            warp(*lane), memory.data, memory.parity, memory.checksums, memory.block_count, findings, scratch);
    }
};

} // namespace gmemfs
