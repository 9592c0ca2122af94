#include "tools/remote/source.hpp"

#include "tools/copy/ends.hpp"
#include "tools/copy/verify.hpp"
#include "tools/host/side_by_side.hpp"
#include "tools/remote/fabric.hpp"
#include "tools/remote/file_version.hpp"
#include "tools/remote/pieces.hpp"
#include "tools/remote/read_ahead.hpp"
#include "tools/remote/tree_watch.hpp"
#include "vmm/base/all_bytes.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace gmemfs {
namespace {

Sent failed(std::uint32_t entry, const Error &error) { return {entry, Sent::State::failed, error.code, told(error)}; }

Sent unusable(std::uint32_t entry, const Error &error) {
    return {entry, Sent::State::unusable, error.code, told(error)};
}

// Whether it is another file by now than it was.
bool has_changed(int fd, const FileVersion &before) {
    const Result<FileVersion> now = read_version(fd);
    return now && *now != before;
}

} // namespace

Result<void> greet(FramePipe &pipe) {
    const Result<void> said = pipe.send(FrameKind::hello, encode(Hello{kRemoteVersion, "gmemfs " GMEMFS_VERSION}));
    if (!said && said.error().code != EPIPE) return Error(said.error());
    Frame frame; // one that has ended may have said why
    TRY(pipe.receive(frame));
    TRY(decode_hello(frame));
    return {};
}

bool tell_failure(FramePipe &pipe, const Error &error) {
    return pipe.send(FrameKind::failed, encode(Failed{error.code, told(error)})).has_value();
}

Result<std::optional<Done>> RemoteSource::serve() {
    Frame frame;
    for (;;) {
        const Result<void> came = pipe_.receive(frame);
        if (!came && came.error().code == EPIPE) return std::optional<Done>();
        if (!came) return Error(came.error());
        if (frame.kind == FrameKind::done) return std::optional(TRY(decode_done(frame)));
        TRY(answer(frame));
    }
}

Result<void> RemoteSource::answer(const Frame &frame) {
    switch (frame.kind) {
    case FrameKind::list: return list(TRY(decode_list(frame)));
    case FrameKind::fetch: return send_file(TRY(decode_fetch(frame)));
    case FrameKind::watch: TRY(decode_empty(frame, FrameKind::watch)); return watch();
    case FrameKind::failed: return Error(decode_list(frame).error());
    default: return Error{EPROTO, 0, "answer the receiver", "it asks for what nobody asks for here"};
    }
}

Result<void> RemoteSource::list(const List &request) {
    const std::string &path = only_path_.empty() ? request.path : only_path_;
    if (!only_path_.empty() && request.path != only_name_) return Error{EACCES, 0, "send", request.path};
    const auto warn = [this](const std::string &line) { (void)pipe_.send(FrameKind::warning, encode_text(line)); };
    tree_.reset();
    SnapshotTree tree = TRY(SnapshotTree::create(path, warn, SnapshotTree::Unreadable::left_out));
    if (tree.entries().front().is_folder() && !request.recursive)
        return Error{EISDIR, 0, "send", path + ": use -r for folders"};
    tree_.emplace(std::move(tree));
    path_ = path;
    for (const SnapshotEntry &entry : tree_->entries()) TRY(pipe_.send(FrameKind::entry, encode(entry)));
    return pipe_.send(FrameKind::listed, encode(Listed{tree_->entries().size()}));
}

Result<void> RemoteSource::watch() {
    if (!tree_) return Error{EPROTO, 0, "answer the receiver", "it watches what isn't listed"};
    if (!TRY(wait_for_change(*tree_, path_, pipe_.incoming_fd()))) return {};
    return pipe_.send(FrameKind::changed, {});
}

Result<void> RemoteSource::send_file(const Fetch &request) {
    const bool is_known = tree_ && request.entry < tree_->entries().size() && tree_->entries()[request.entry].is_file();
    if (!is_known) return Error{EPROTO, 0, "answer the receiver", "it asks for a file that isn't listed"};
    const Result<Fd> file = tree_->open_file(request.entry);
    if (!file) return pipe_.send(FrameKind::sent, encode(failed(request.entry, file.error())));
    const Sent sent = TRY(send_opened(request, file->get()));
    return pipe_.send(FrameKind::sent, encode(sent));
}

// What is to come.
Result<Coming> RemoteSource::compare(const Fetch &request, int fd, const FileVersion &version) {
    Coming opened = {request.entry, version.size, {}, true, {}};
    if (request.have.empty()) return opened;
    opened.missing = missing_pieces(version.size, TRY(read_pieces(fd, version.size, kThreadsDefault)), request.have);
    opened.is_whole = opened.missing.size() > kPiecesMost;
    if (opened.is_whole) opened.missing.clear();
    return opened;
}

// The receiver takes the bytes by itself, and says when it has them.
Result<Sent> RemoteSource::share_by_fabric(const Fetch &request, int fd, Coming opened, const FileVersion &before) {
    if (!is_in_mount(fd)) return unusable(request.entry, Error{ENOTTY, 0, "share", "the file lies in no mount"});
    const Fd file(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    const Result<FabricExport> shared = FabricExport::create(file, tree_->path_of(request.entry));
    if (!shared) return unusable(request.entry, shared.error());
    opened.transport_says = shared->says();
    opened.transport = RemoteTransport::fabric;
    TRY(pipe_.send(FrameKind::coming, encode(opened)));
    Frame frame;
    TRY(pipe_.receive(frame));
    if (TRY(decode_taken(frame)).entry != request.entry)
        return Error{EPROTO, 0, "answer the receiver", "it has taken another file"};
    return close_file(request, fd, before);
}

Result<NixlProcess *> RemoteSource::nixl() {
    if (nixl_ == nullptr) nixl_ = TRY(NixlProcess::start(NixlProcess::Role::source, {}));
    return nixl_.get();
}

// The helper sends, and returns when the receiver's helper has it all. A size that isn't that for which the receiver
// is ready is told, and nothing is sent.
Result<Sent> RemoteSource::send_by_nixl(const Fetch &request, int fd, Coming opened, const FileVersion &before) {
    const Result<NixlProcess *> helper = nixl();
    if (!helper) return unusable(request.entry, helper.error());
    opened.transport = RemoteTransport::nixl;
    TRY(pipe_.send(FrameKind::coming, encode(opened)));
    if (opened.size != request.size) return Sent{request.entry, Sent::State::changed, 0, {}};
    const std::vector<ByteRange> ranges = opened.ranges();
    const std::string path = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd);
    const auto watch = [](std::uint64_t) { return !is_interrupted(); };
    const Result<void> sent =
        ranges.empty() ? Result<void>() : (*helper)->send(request.entry, path, ranges, request.transport_says, watch);
    if (!sent) {
        nixl_.reset();
        if (sent.error().code == EINTR) return Error(sent.error());
        if (has_changed(fd, before)) return Sent{request.entry, Sent::State::changed, 0, {}};
        return unusable(request.entry, sent.error());
    }
    return close_file(request, fd, before);
}

// An Error is the pipe's, and ends all; what is the file's is told.
Result<Sent> RemoteSource::send_opened(const Fetch &request, int fd) {
    const Result<FileVersion> before = read_version(fd);
    if (!before) return failed(request.entry, before.error());
    if (request.takes_image && request.have.empty() && is_in_mount(fd) && is_packed(fd)) {
        const Result<std::unique_ptr<SavedImage>> image =
            SavedImage::open([&] { return tree_->open_file(request.entry); });
        if (image) return send_image(request, fd, **image, *before);
        // It was woken meanwhile, or there is no room for what has to be made: its bytes do as well.
    }
    Result<Coming> opened = compare(request, fd, *before);
    if (!opened) return failed(request.entry, opened.error());
    if (request.transport == RemoteTransport::fabric) return share_by_fabric(request, fd, *std::move(opened), *before);
    if (request.transport == RemoteTransport::nixl) return send_by_nixl(request, fd, *std::move(opened), *before);
    if (request.transport != RemoteTransport::ssh)
        return unusable(request.entry, Error{ENOTSUP, 0, "send", "this gmemfs doesn't know the transport"});
    TRY(pipe_.send(FrameKind::coming, encode(*opened)));
    Sent sent = TRY(send_bytes(request, fd, *opened, *before));
    if (sent.state != Sent::State::whole) return sent;
    if (sent.text.empty()) return close_file(request, fd, *before);
    if (has_changed(fd, *before)) return Sent{request.entry, Sent::State::changed, 0, {}};
    return sent;
}

// With the digest, where all of the file went through one buffer.
Result<Sent> RemoteSource::send_bytes(const Fetch &request, int fd, const Coming &opened, const FileVersion &before) {
    const auto send = [&](std::uint64_t offset, std::span<const std::byte> bytes) {
        return pipe_.send(FrameKind::data, encode_head(Data{request.entry, offset, {}}), bytes);
    };
    const auto stopped = [&](const Error &error) {
        return has_changed(fd, before) ? Sent{request.entry, Sent::State::changed, 0, {}}
                                       : failed(request.entry, error);
    };
    if (opened.size <= kDataMost) {
        std::vector<std::byte> bytes(opened.size);
        const Result<void> read = read_all(fd, bytes, 0, is_interrupted);
        if (!read) return stopped(read.error());
        if (!opened.ranges().empty()) TRY(send(0, bytes));
        return Sent { request.entry, Sent::State::whole, 0, digest_text(TRY(make_digest(bytes))) };
    }
    const auto read = [fd](std::span<std::byte> bytes, std::uint64_t offset) {
        return read_all(fd, bytes, offset, is_interrupted);
    };
    const std::optional<Error> error = TRY(send_ahead(request, read, opened));
    return error ? stopped(*error) : Sent{request.entry, Sent::State::whole, 0, {}};
}

// An Error of the Result is the pipe's; the other one is that of reading.
Result<std::optional<Error>> RemoteSource::send_ahead(
    const Fetch &request, ReadAhead::Read read, const Coming &opened) {
    ReadAhead ahead(std::move(read), opened.ranges());
    for (;;) {
        Result<std::optional<FileChunk>> chunk = ahead.next();
        if (!chunk) return std::optional(chunk.error());
        if (!*chunk) return std::optional<Error>();
        TRY(pipe_.send(FrameKind::data, encode_head(Data{request.entry, (*chunk)->offset, {}}), (*chunk)->bytes));
        ahead.give_back(**std::move(chunk));
    }
}

// The digest is that of the file's bytes, which the server has in the image, or which are decoded on the way.
Result<Sent> RemoteSource::send_image(const Fetch &request, int fd, SavedImage &image, const FileVersion &before) {
    Coming opened = {request.entry, before.size, {}, true, {}};
    opened.image_size = image.size();
    TRY(pipe_.send(FrameKind::coming, encode(opened)));
    const auto read = [&](std::span<std::byte> bytes, std::uint64_t offset) { return image.read(bytes, offset); };
    const std::optional<Error> error = TRY(send_ahead(request, read, opened));
    if (error)
        return error->code == ESTALE ? Sent{request.entry, Sent::State::changed, 0, {}} : failed(request.entry, *error);
    if (image.state().has_digest == 0) return close_file(request, fd, before);
    if (has_changed(fd, before)) return Sent{request.entry, Sent::State::changed, 0, {}};
    Digest digest;
    std::memcpy(digest.data(), image.state().digest, digest.size());
    return Sent{request.entry, Sent::State::whole, 0, digest_text(digest)};
}

Result<Sent> RemoteSource::close_file(const Fetch &request, int fd, const FileVersion &before) {
    const Result<std::string> digest = digest_of_file(fd, before.size, kThreadsDefault);
    if (!digest) return failed(request.entry, digest.error());
    if (has_changed(fd, before)) return Sent{request.entry, Sent::State::changed, 0, {}};
    return Sent{request.entry, Sent::State::whole, 0, *digest};
}

} // namespace gmemfs
