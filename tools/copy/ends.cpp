#include "tools/copy/ends.hpp"

#include "tools/copy/device_file.hpp"
#include "tools/copy/direct_source.hpp"
#include "tools/copy/parts.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

// The target's memory as the host sees it: null where it can't be had, and then pwrite(2) does it. A full disk shall be
// an errno, and no SIGBUS: so it is allocated before it is touched, by each lane what it copies, or all of it at first
// where the kernel can't do that (before Linux 5.14).
class HostMapping {
public:
    HostMapping(int fd, std::uint64_t size) : size_(size) {
        void *const address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (address == MAP_FAILED) return;
        is_lazy_ = ::madvise(address, 1, MADV_POPULATE_WRITE) == 0;
        if (is_lazy_ || ::fallocate(fd, 0, 0, static_cast<off_t>(size)) == 0)
            address_ = address;
        else
            ::munmap(address, size);
    }
    HostMapping(const HostMapping &) = delete;
    HostMapping &operator=(const HostMapping &) = delete;
    ~HostMapping() {
        if (address_ != nullptr) ::munmap(address_, size_);
    }
    std::byte *bytes() const { return static_cast<std::byte *>(address_); }
    bool is_lazy() const { return is_lazy_; } ///< the copy allocates: see CopyEnd::is_lazy

private:
    std::uint64_t size_;
    bool is_lazy_ = false;
    void *address_ = nullptr;
};

struct Ends {
    CopyEnd source, target;
    std::vector<CopyPart> parts;
    std::unique_ptr<DeviceFile> mapped; // whichever of both lies in a mount
};

// The parts of a mapped file, and their devices, opened. One device alone where more isn't known.
Result<std::vector<CopyPart>> find_parts(CopyDevices &devices, const std::string &library,
    std::vector<PlacedPart> placed, std::uint64_t size, int first_ordinal) {
    const auto is_elsewhere = [&](const PlacedPart &part) { return part.device != placed.front().device; };
    if (std::none_of(placed.begin(), placed.end(), is_elsewhere)) placed = {{0, size, {}}};
    std::vector<int> ordinals;         // of the devices, each once
    std::vector<std::size_t> index_of; // in these, of each part
    for (const PlacedPart &part : placed) {
        const bool is_first = part.device.empty() || part.device == "host";
        const int ordinal = is_first ? first_ordinal : TRY(devices.ordinal_of(library, part.device));
        const auto found = std::find(ordinals.begin(), ordinals.end(), ordinal);
        index_of.push_back(static_cast<std::size_t>(found - ordinals.begin()));
        if (found == ordinals.end()) ordinals.push_back(ordinal);
    }
    const std::vector<Device *> opened = TRY(devices.open(library, ordinals));
    std::vector<CopyPart> parts;
    for (std::size_t at = 0; at < placed.size(); ++at)
        parts.push_back({placed.at(at).offset, placed.at(at).length, opened.at(index_of.at(at))});
    return parts;
}

// Maps the one that lies in a mount.
Ends find_ends(CopyDevices &devices, const OpenedFile &source, const OpenedFile &target, std::uint64_t size) {
    Ends ends = {{source.fd}, {target.fd}, {{0, size, nullptr}}, nullptr};
    const std::string target_library = devices.library_for(target.place);
    const std::string source_library = target_library.empty() ? devices.library_for(source.place) : "";
    const std::string &library = target_library.empty() ? source_library : target_library;
    // Mapping a packed file would wake it; by read(2) it stays as it is.
    if (library.empty() || (target_library.empty() && is_packed(source.fd))) return ends;
    const OpenedFile &file = target_library.empty() ? source : target;
    const int access = target_library.empty() ? GMEMFS_READ : GMEMFS_READ_WRITE;
    // To each device what lies on it: opening 8 GiB to another one takes 12 ms (H200), and it may have no link.
    Result<std::unique_ptr<DeviceFile>> mapped = DeviceFile::open(file.path, library, access, GMEMFS_REACH_OWN);
    if (!mapped) return ends;
    const std::vector<PlacedPart> placed = read_parts(file.fd, size);
    if (placed.empty() && (*mapped)->info().extent_count > 1) // one device is to reach them all
        mapped = DeviceFile::open(file.path, library, access, GMEMFS_REACH_ALL);
    if (!mapped) return ends;
    Result<std::vector<CopyPart>> parts = find_parts(devices, library, placed, size, (*mapped)->info().device);
    if (!parts) return ends;
    ends.parts = *std::move(parts);
    ends.mapped = *std::move(mapped);
    (target_library.empty() ? ends.source : ends.target).address = ends.mapped->info().address;
    return ends;
}

} // namespace

bool is_packed(int fd) {
    char value[4096] = {};
    if (::fgetxattr(fd, "user.gmemfs.residence", value, sizeof value - 1) < 0) return false;
    const nlohmann::json told = nlohmann::json::parse(value, nullptr, false);
    return told.is_object() && told.value("where", std::string()).ends_with("packed");
}

Result<std::uint64_t> copy_side_by_side(CopyDevices &devices, const OpenedFile &source, const OpenedFile &target,
    std::uint64_t size, LaneCount lanes, ReadsDisk reads, Progress &progress) {
    Ends ends = find_ends(devices, source, target, size);
    std::unique_ptr<DirectSource> direct;
    if (ends.target.is_device() && reads == ReadsDisk::directly) direct = DirectSource::open(source.fd, size);
    ends.source.direct = direct.get();
    std::optional<HostMapping> mapping;
    if (ends.source.is_device()) mapping.emplace(target.fd, size);
    if (mapping) ends.target.mapped = mapping->bytes(), ends.target.is_lazy = mapping->is_lazy();
    const std::uint64_t copied =
        TRY(copy_bytes(devices.lanes(), ends.parts, ends.source, ends.target, lanes, progress));
    // What was written past the filesystem's back is sealed.
    if (ends.target.is_device() && ::fsync(target.fd) != 0) return Error{errno, 0, "seal file", {}};
    return copied;
}

} // namespace gmemfs
