#include "tools/remote/fabric.hpp"

#include "client/lib/address_range.hpp"
#include "tools/copy/device_file.hpp"
#include "tools/host/bytes.hpp"
#include "vmm/device/stream.hpp"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// What one copy takes can't be interrupted: 0.7 ms between two H200. In pieces of 64 MiB 4 GiB take 2 % longer than in
// one (docs/devices.md).
constexpr std::uint64_t kCopyPiece = 256 * MiB;

Error bad() { return Error{EPROTO, 0, "read from the other host", "fabric handles that can't be"}; }

Result<void> copy_range(Device &device, const Stream &stream, CUdeviceptr to, CUdeviceptr from, const ByteRange &range,
    Progress &progress) {
    const std::uint64_t end = range.offset + range.length;
    for (std::uint64_t at = range.offset; at < end;) {
        if (is_interrupted()) return Error{EINTR, 0, "interrupted", {}};
        const std::uint64_t length = std::min(kCopyPiece, end - at);
        TRY(device.check(
            device.driver().cuMemcpyDtoDAsync(to + at, from + at, length, stream.get()), "copy from the other host"));
        TRY(device.check(device.driver().cuStreamSynchronize(stream.get()), "copy from the other host"));
        at += length;
        progress.add(length);
    }
    return {};
}

} // namespace

Result<FabricExport> FabricExport::create(const Fd &file, const std::string &path) {
    FabricExport made(TRY(client::BrokerSession::connect(file, path)));
    const client::Attached attached = TRY(made.session_.attach(file, path, protocol::kFabric, 0));
    ByteWriter writer;
    writer.put(static_cast<std::uint32_t>(attached.extents.size()));
    for (const protocol::ExtentRecord &extent : attached.extents) {
        writer.put(extent.offset);
        writer.put(extent.length);
        writer.put(extent.fabric);
    }
    made.says_ = writer.finish();
    if (made.says_.size() <= kTransportMost) return made;
    return Error{ENOTSUP, 0, "share by fabric handles", "the file has too many extents"};
}

Result<std::vector<protocol::ExtentRecord>> decode_extents(std::span<const std::byte> says) {
    ByteReader reader(says);
    const auto count = reader.take<std::uint32_t>();
    if (count == 0 || count > kTransportMost / sizeof(FabricHandle)) return bad();
    std::vector<protocol::ExtentRecord> extents;
    std::uint64_t end = 0;
    for (std::uint32_t index = 0; index < count && reader.is_good(); ++index) {
        protocol::ExtentRecord extent = {};
        extent.offset = reader.take<std::uint64_t>();
        extent.length = reader.take<std::uint64_t>();
        extent.handle_type = protocol::kFabric;
        extent.fabric = reader.take<FabricHandle>();
        if (extent.offset != end || extent.length == 0 || __builtin_add_overflow(end, extent.length, &end))
            return bad();
        extents.push_back(extent);
    }
    if (!reader.is_done() || end > std::uint64_t(1) << 62) return bad();
    return extents;
}

Result<void> copy_by_fabric(CopyDevices &devices, std::span<const std::byte> says, std::span<const ByteRange> ranges,
    const OpenedFile &target, Progress &progress) {
    client::Attached source;
    source.extents = TRY(decode_extents(says));
    source.allocated = source.extents.back().offset + source.extents.back().length;
    for (const ByteRange &range : ranges)
        if (range.offset + range.length > source.allocated) return bad();
    const std::string library = devices.library_for(target.place);
    if (library.empty()) return Error{ENOTTY, 0, "copy by fabric handles", "the target lies in no mount"};
    const std::unique_ptr<DeviceFile> file =
        TRY(DeviceFile::open(target.path, library, GMEMFS_READ_WRITE, GMEMFS_REACH_ALL));
    const int ordinal = file->info().device;
    Device &device = *TRY(devices.open(library, std::span(&ordinal, 1)))
    .front();
    // Where the memory lies over there is no matter of this process's: the device that copies gets access.
    for (protocol::ExtentRecord &extent : source.extents) extent.device = device.info().uuid;
    const client::AddressRange mapped = TRY(client::AddressRange::create(
        device.driver(), {device.info()}, source, client::Access::read, {client::Reach::Kind::own, {}}, 0));
    const Stream stream = TRY(Stream::create(device));
    const Progress::Moving moving(progress);
    for (const ByteRange &range : ranges)
        TRY(copy_range(device, stream, file->info().address, mapped.address(), range, progress));
    return {};
}

} // namespace gmemfs
