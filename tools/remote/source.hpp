// RemoteSource: answers a receiver on another host: the names at a path, and the bytes of the files that it asks for.
//
// It is an ordinary process of the user that ssh made, and reads what that user may read. Files are reached from the
// folder that was named, one name at a time, so that no symbolic link leads elsewhere (SnapshotTree).
#pragma once

#include "tools/nixl/nixl_process.hpp"
#include "tools/remote/file_version.hpp"
#include "tools/remote/frame.hpp"
#include "tools/remote/message.hpp"
#include "tools/remote/read_ahead.hpp"
#include "tools/snapshot/saved_image.hpp"
#include "tools/snapshot/tree.hpp"

#include <memory>
#include <optional>
#include <string>

namespace gmemfs {

/// Not thread-safe.
class RemoteSource {
public:
    /// `pipe` outlives it. Answers for any path.
    explicit RemoteSource(FramePipe &pipe) : pipe_(pipe) {}
    /// Answers for one path alone, which the receiver calls `name`.
    RemoteSource(FramePipe &pipe, std::string name, std::string path)
        : pipe_(pipe), only_name_(std::move(name)), only_path_(std::move(path)) {}

    /// Answers until the receiver closes its end, or says what came of a push. EPROTO: a request that makes no sense.
    /// EPIPE: it has ended while it was answered. EINTR.
    Result<std::optional<Done>> serve();

private:
    Result<void> answer(const Frame &frame);
    Result<void> list(const List &request);
    Result<void> watch();
    Result<void> send_file(const Fetch &request);
    Result<Sent> send_opened(const Fetch &request, int fd);
    static Result<Coming> compare(const Fetch &request, int fd, const FileVersion &version);
    Result<Sent> send_by_nixl(const Fetch &request, int fd, Coming opened, const FileVersion &before);
    Result<NixlProcess *> nixl();
    Result<Sent> share_by_fabric(const Fetch &request, int fd, Coming opened, const FileVersion &before);
    Result<Sent> send_image(const Fetch &request, int fd, SavedImage &image, const FileVersion &before);
    Result<Sent> send_bytes(const Fetch &request, int fd, const Coming &opened, const FileVersion &before);
    Result<std::optional<Error>> send_ahead(const Fetch &request, ReadAhead::Read read, const Coming &opened);
    Result<Sent> close_file(const Fetch &request, int fd, const FileVersion &before);

    FramePipe &pipe_;
    const std::string only_name_, only_path_; // empty: any
    std::optional<SnapshotTree> tree_;
    std::string path_;                  // of the tree
    std::unique_ptr<NixlProcess> nixl_; // null until it is needed, and when it has ended
};

/// Says Hello, and takes the other side's. EPROTONOSUPPORT: it has another version.
Result<void> greet(FramePipe &pipe);
/// Says what ends the session here. Whether that went out.
bool tell_failure(FramePipe &pipe, const Error &error);

} // namespace gmemfs
