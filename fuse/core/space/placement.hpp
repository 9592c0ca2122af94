// Placement: which device a file lives on, or which devices, and which part of its bytes each of them has.
//
//     spread over 3          | GPU 0        | GPU 1        | GPU 2      |      equal parts, an extent each
//     interleaved over 2     | GPU 0 | GPU 1 | GPU 0 | GPU 1 | GPU 0 |         parts of one unit
//
// Parts are whole granules, so no block of parity belongs to two devices. The first device is the file's home: small
// files, images and the kernels that read across are there.
#pragma once

#include "vmm/base/units.hpp"
#include "vmm/device/device.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gmemfs {

class Storage;

/// A plain value; the devices outlive it.
struct Placement {
    /// An extent of less isn't worth its mapping: 8 GiB in stripes of 2 MiB are mapped in 328 ms, of 32 MiB in 20 (two
    /// H200).
    static constexpr std::uint64_t kUnitMin = 32 * MiB;

    Device *home = nullptr;       ///< null: chosen when the file gets its first memory
    std::vector<Device *> others; ///< those behind the home, in the order of their parts; empty: one device has it all
    std::uint64_t unit = 0;       ///< bytes, whole granules: after so many comes the next device; 0: spread
    bool is_automatic = false;    ///< while there is no home: a file too large for one device is spread over all

    Placement() = default;
    Placement(Device *one) : home(one) {} // NOLINT(google-explicit-constructor): one device is the usual placement
    bool operator==(const Placement &) const = default;

    bool is_wide() const { return !others.empty(); }
    std::size_t count() const { return others.size() + 1; }
    Device &device(std::size_t index) const { return index == 0 ? *home : *others[index - 1]; }
    bool has(const Device &device) const;

    struct Part {
        Device *device;
        std::uint64_t offset, length; ///< bytes, in the file
    };
    /// How many parts a file of `size` bytes has.
    std::uint64_t part_count(std::uint64_t size) const;
    /// All of them; home isn't null. The last one ends with the file. Depends on how many granules the size takes, so
    /// that a file whose memory stays as large needn't move.
    std::vector<Part> parts(std::uint64_t size) const;

private:
    std::uint64_t granularity() const;
    std::uint64_t share(std::uint64_t size) const; // bytes of each part but the last
};

/// What user.gmemfs.device says: a device ("1", "GPU-...", "host"), "auto", "spread", "spread:0-3,5",
/// "interleave:64M", "interleave:64M:0-3". Without a list, all devices of the mount. EINVAL: it is none of these, or
/// the mount uses no such device.
Result<Placement> read_placement(const Storage &storage, std::string_view text);
/// "0-3,5,GPU-...": GPUs of the mount, none of them twice. EINVAL.
Result<std::vector<Device *>> read_devices(const Storage &storage, std::string_view text);
/// The same by the driver's ordinals: "0-3,5".
std::string devices_text(const std::vector<Device *> &devices);
/// What read_placement() takes, to be read again; a list has the driver's ordinals. ENODATA: nothing was chosen yet.
Result<std::string> placement_text(const Storage &storage, const Placement &placement);

} // namespace gmemfs
