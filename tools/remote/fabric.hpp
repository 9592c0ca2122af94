// Fabric: a file's bytes over NVLink, between two processes of one host or of one NVLink domain.
//
//     source    takes a lease to read, and the extents' fabric handles with it (client/wire/protocol.hpp)
//     receiver  imports them, and copies device to device into its own file; then the source ends its lease
//
// A handle gives reading and writing, whatever it is for. So the broker gives it to users alone who may read and write
// the file, and the receiver is believed as much as the ssh that reached this host.
#pragma once

#include "client/lib/broker_session.hpp"
#include "tools/copy/devices.hpp"
#include "tools/copy/ends.hpp"
#include "tools/host/progress.hpp"
#include "tools/remote/message.hpp"

#include <memory>
#include <span>
#include <vector>

namespace gmemfs {

/// The source's end: as long as it lives, the file has its memory and its handles. Not thread-safe.
class FabricExport {
public:
    /// ENOTSUP: the file's mount has no fabric handles (`gmemfs doctor` says why), or it lies in no mount. EACCES: the
    /// user may not write to it. ENODATA: it has no memory. Else the broker's.
    static Result<FabricExport> create(const Fd &file, const std::string &path);
    FabricExport(FabricExport &&) = default;
    FabricExport &operator=(FabricExport &&) = delete;

    /// For the receiver: Coming::transport_says.
    const std::vector<std::byte> &says() const { return says_; }

private:
    explicit FabricExport(client::BrokerSession session) : session_(std::move(session)) {}

    client::BrokerSession session_; // with its lease, which ends with the connection
    std::vector<std::byte> says_;
};

/// The extents that FabricExport::says() tells, in the order of the file. EPROTO: they are none, or leave gaps.
Result<std::vector<protocol::ExtentRecord>> decode_extents(std::span<const std::byte> says);

/// Copies the ranges out of the extents that `says` tells into `target`, a file of a mount. ENOTSUP and
/// others: the handles can't be imported here; nothing was written then. EPROTO: `says` is none, or the ranges lie
/// outside. EINTR.
Result<void> copy_by_fabric(CopyDevices &devices, std::span<const std::byte> says, std::span<const ByteRange> ranges,
    const OpenedFile &target, Progress &progress);

} // namespace gmemfs
