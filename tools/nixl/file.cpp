#include "tools/nixl/file.hpp"

#include "tools/copy/ends.hpp"
#include "tools/copy/parts.hpp"
#include "tools/host/mounts.hpp"
#include "vmm/base/all_bytes.hpp"
#include "vmm/base/limits.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// A path that lies in the same mount as the open file: its own, or, where it has no name, its folder's.
std::string place_of(int fd) {
    constexpr std::string_view kUnnamed = " (deleted)";
    char path[4096] = {};
    const ssize_t size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
    std::string place(path, size > 0 ? static_cast<std::size_t>(size) : 0);
    struct stat status = {};
    if (!place.ends_with(kUnnamed) && ::stat(place.c_str(), &status) == 0) return place;
    return place.substr(0, place.rfind('/'));
}

bool is_of_simulator(const std::string &place) {
    const Result<Mount> mount = find_mount_of(place);
    if (!mount) return false;
    const Result<nlohmann::json> stats = read_stats(mount->path);
    return stats && stats->value("simulated", false);
}

// Their lengths, in the order of the file; empty where the mount doesn't tell.
std::vector<std::uint64_t> extent_lengths(int fd) {
    std::string text(kXattrSizeMax, '\0');
    const ssize_t size = ::fgetxattr(fd, "user.gmemfs.extents", text.data(), text.size());
    if (size <= 0) return {};
    text.resize(static_cast<std::size_t>(size));
    const nlohmann::json list = nlohmann::json::parse(text, nullptr, false);
    std::vector<std::uint64_t> lengths;
    if (!list.is_array()) return {};
    for (const nlohmann::json &extent : list) {
        const bool is_told = extent.is_object() && extent.value("length", nlohmann::json()).is_number_unsigned();
        if (!is_told) return {};
        lengths.push_back(extent.at("length").get<std::uint64_t>());
    }
    return lengths;
}

} // namespace

Result<std::unique_ptr<NixlFile>> NixlFile::open(CopyDevices &devices, const std::string &path, Access access) {
    std::unique_ptr<NixlFile> file(new NixlFile);
    file->fd_ = Fd(::open(path.c_str(), (access == Access::read ? O_RDONLY : O_RDWR) | O_CLOEXEC));
    struct stat status = {};
    if (!file->fd_ || ::fstat(file->fd_.get(), &status) != 0) return Error{errno, 0, "open", path};
    if (!S_ISREG(status.st_mode)) return Error{EINVAL, 0, "open", path + " is no regular file"};
    file->size_ = static_cast<std::uint64_t>(status.st_size);
    // Mapping a packed file would wake it; by read(2) it stays as it is.
    const bool is_to_map = file->size_ > 0 && !(access == Access::read && is_packed(file->fd_.get()));
    const std::string place = place_of(file->fd_.get());
    if (!is_to_map || !file->map(devices, place, access)) file->mapped_.reset(), file->parts_.clear();
    return file;
}

// Where it can't be mapped (no GPU in this container, a file that may only be read), the filesystem does it.
Result<void> NixlFile::map(CopyDevices &devices, const std::string &place, Access access) {
    const std::string library = devices.library_for(place);
    if (library.empty()) return Error{EINVAL, 0, "map", place};
    is_simulated_ = is_of_simulator(place);
    const int wanted = access == Access::read ? GMEMFS_READ : GMEMFS_READ_WRITE;
    const std::string path = "/proc/self/fd/" + std::to_string(fd_.get());
    mapped_ = TRY(DeviceFile::open(path, library, wanted, GMEMFS_REACH_OWN));
    if (read_parts(fd_.get(), size_).empty() && mapped_->info().extent_count > 1) {
        mapped_.reset(); // one device is to reach them all
        mapped_ = TRY(DeviceFile::open(path, library, wanted, GMEMFS_REACH_ALL));
    }
    return find_parts(devices, library);
}

Result<void> NixlFile::find_parts(CopyDevices &devices, const std::string &library) {
    std::vector<PlacedPart> placed = read_parts(fd_.get(), size_);
    if (placed.empty()) placed = {{0, size_, {}}};
    for (const PlacedPart &part : placed) {
        const bool is_first = part.device.empty() || part.device == "host";
        const int ordinal = is_first ? mapped_->info().device : TRY(devices.ordinal_of(library, part.device));
        const std::vector<Device *> opened = TRY(devices.open(library, std::span(&ordinal, 1)));
        parts_.push_back({part.offset, part.length, opened.front(), ordinal});
    }
    return {};
}

const NixlFile::Part &NixlFile::part_at(std::uint64_t offset) const {
    const auto behind = std::upper_bound(
        parts_.begin(), parts_.end(), offset, [](std::uint64_t at, const Part &part) { return at < part.offset; });
    GMEMFS_ASSERT(behind != parts_.begin());
    return *std::prev(behind);
}

std::vector<NixlFile::Memory> NixlFile::memory() const {
    std::vector<Memory> memory;
    std::uint64_t at = 0;
    if (!mapped_) return memory;
    for (const std::uint64_t length : extent_lengths(fd_.get())) {
        if (at >= size_) break;
        const std::uint64_t taken = std::min(length, size_ - at);
        memory.push_back({at, taken, mapped_->info().address + at, part_at(at).ordinal});
        at += taken;
    }
    return at == size_ ? memory : std::vector<Memory>();
}

Result<Stream *> NixlFile::stream_of(NixlStreams &streams, Device &device) {
    TRY(device.make_current());
    const auto known = streams.find(&device);
    if (known != streams.end()) return &known->second;
    Stream stream = TRY(Stream::create(device));
    return &streams.emplace(&device, std::move(stream)).first->second;
}

Result<void> NixlFile::copy(
    NixlStreams &streams, Way way, std::uint64_t offset, std::byte *bytes, std::size_t size) const {
    while (size > 0) {
        const Part &part = part_at(offset);
        const std::size_t length = std::min<std::uint64_t>(size, part.offset + part.length - offset);
        const Device &device = *part.device;
        const CUdeviceptr address = mapped_->info().address + offset;
        const CUstream stream = TRY(stream_of(streams, *part.device))
        ->get();
        TRY(device.check(way == Way::from_device ? device.driver().cuMemcpyDtoHAsync(bytes, address, length, stream)
                                                 : device.driver().cuMemcpyHtoDAsync(address, bytes, length, stream),
            "copy between device and slot"));
        TRY(device.check(device.driver().cuStreamSynchronize(stream), "copy between device and slot"));
        offset += length;
        bytes += length;
        size -= length;
    }
    return {};
}

Result<void> NixlFile::read(NixlStreams &streams, std::uint64_t offset, std::span<std::byte> bytes) const {
    if (!mapped_) return read_all(fd_.get(), bytes, offset, never);
    return copy(streams, Way::from_device, offset, bytes.data(), bytes.size());
}

Result<void> NixlFile::write(NixlStreams &streams, std::uint64_t offset, std::span<std::byte> bytes) const {
    if (!mapped_) return write_all(fd_.get(), bytes, offset, never);
    return copy(streams, Way::to_device, offset, bytes.data(), bytes.size());
}

Result<void> NixlFile::seal() const {
    if (::fsync(fd_.get()) != 0) return Error{errno, 0, "seal file", {}};
    return {};
}

} // namespace gmemfs
