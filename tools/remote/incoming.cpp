#include "tools/remote/incoming.hpp"

#include "tools/copy/verify.hpp"
#include "tools/host/interruption.hpp"
#include "tools/host/side_by_side.hpp"
#include "tools/remote/file_version.hpp"
#include "tools/remote/pieces.hpp"
#include "tools/snapshot/given_image.hpp"
#include "vmm/base/all_bytes.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {

Result<std::unique_ptr<Incoming>> Incoming::create(
    std::uint32_t entry, Fd folder, const std::string &name, mode_t mode, std::uint64_t size, Start start) {
    std::unique_ptr<Incoming> made(new Incoming(entry, mode, size));
    Fd there;
    if (start == Start::with_what_is_there)
        there = Fd(::openat(folder.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    const Landing::Kind kind = start == Start::empty ? Landing::Kind::new_file : Landing::Kind::part;
    made->landing_ = TRY(Landing::create(std::move(folder), name, mode, kind));
    made->takes_image_ = start == Start::empty;
    if (start == Start::with_what_is_there) TRY(made->look(std::move(there)));
    return made;
}

// A part goes before the file that has the name: it is the later one.
Result<void> Incoming::look(Fd there) {
    const std::uint64_t part = landing_->size();
    struct stat status = {};
    const bool is_file = there && ::fstat(there.get(), &status) == 0 && S_ISREG(status.st_mode);
    if (part == 0 && is_file) there_ = std::move(there);
    const std::uint64_t size = there_ ? static_cast<std::uint64_t>(status.st_size) : part;
    have_ = TRY(read_pieces(there_ ? there_.get() : landing_->fd(), size, kThreadsDefault));
    return {};
}

Fetch Incoming::request() const { // A part is told by its bytes, which an image hasn't.
    return {entry_, size_, transport_, have_, says_, takes_image_};
}

Result<void> Incoming::open(const Coming &opened, Progress &progress) {
    if (is_opened_) return Error{EPROTO, 0, "read from the other host", "a file that is opened twice"};
    if (!opened.is_whole && have_.empty())
        return Error{EPROTO, 0, "read from the other host", "it leaves out what isn't here"};
    if (opened.image_size != 0 && !takes_image_)
        return Error{EPROTO, 0, "read from the other host", "an image that nobody has asked for"};
    if (opened.transport != transport_ && opened.transport != RemoteTransport::ssh)
        return Error{EPROTO, 0, "read from the other host", "another transport than was asked for"};
    is_opened_ = true;
    transport_ = opened.transport;
    size_ = opened.size;
    image_size_ = opened.image_size;
    to_come_ = opened.ranges();
    std::reverse(to_come_.begin(), to_come_.end()); // the next one is the last
    const Result<void> made = make_room(opened);
    if (!made) failure_ = made.error();
    if (transport_ == RemoteTransport::ssh) moving_.emplace(progress);
    return {};
}

Result<void> Incoming::make_room(const Coming &opened) {
    if (!opened.is_whole && there_ && to_come_.empty()) {
        struct stat status = {};
        is_there_ = ::fstat(there_.get(), &status) == 0 && static_cast<std::uint64_t>(status.st_size) == size_;
        if (is_there_) return {};
    }
    if (image_size_ != 0) {
        TRY(landing_->allocate(image_size_));
        writer_ = std::make_unique<WriteBehind>(landing_->fd());
        return {};
    }
    // A small file is written at once, into an extent that it shares with others.
    if (!is_small() || transport_ != RemoteTransport::ssh || landing_->size() > size_) TRY(landing_->allocate(size_));
    if (!opened.is_whole && there_) {
        std::size_t next = 0;
        for (std::uint64_t piece = 0; piece * kPiece < size_; ++piece) {
            const bool comes = next < opened.missing.size() && opened.missing[next] == piece;
            if (comes)
                ++next;
            else
                TRY(landing_->copy_from(there_.get(), {piece * kPiece, std::min(kPiece, size_ - piece * kPiece)}));
        }
    }
    if (!is_small() && transport_ == RemoteTransport::ssh) writer_ = std::make_unique<WriteBehind>(landing_->fd());
    return {};
}

Result<void> Incoming::take(const Data &data) {
    const bool is_next = is_opened_ && transport_ == RemoteTransport::ssh && !to_come_.empty() &&
                         to_come_.back().offset == data.offset && data.bytes.size() <= to_come_.back().length;
    if (!is_next) return Error{EPROTO, 0, "read from the other host", "bytes that nobody has asked for"};
    ByteRange &range = to_come_.back();
    range.offset += data.bytes.size();
    range.length -= data.bytes.size();
    if (range.length == 0) to_come_.pop_back();
    bytes_ += data.bytes.size();
    if (failure_) return {};
    if (writer_) {
        FileChunk chunk = {data.offset, writer_->take_memory()};
        chunk.bytes.assign(data.bytes.begin(), data.bytes.end());
        writer_->put(std::move(chunk));
        return {};
    }
    const Result<void> written = write_all(landing_->fd(), data.bytes, data.offset, is_interrupted);
    if (!written) failure_ = written.error();
    if (data.bytes.size() == size_ && image_size_ == 0) digest_ = TRY(make_digest(data.bytes));
    return {};
}

void Incoming::take_all() {
    for (const ByteRange &range : to_come_) bytes_ += range.length;
    to_come_.clear();
    // What was written past the filesystem's back is sealed.
    if (!is_there_ && ::fsync(landing_->fd()) != 0) failure_ = Error{errno, 0, "seal file", {}};
}

Result<void> Incoming::check(const std::string &expected) {
    if (!is_opened_ || !to_come_.empty())
        return Error{EPROTO, 0, "read from the other host", "a file that ends before all of it has come"};
    if (writer_) {
        const Result<void> written = writer_->finish();
        if (!written && !failure_) failure_ = written.error();
    }
    moving_.reset();
    if (failure_) return Error(*failure_);
    if (image_size_ != 0) TRY(unpack());
    return check_bytes(expected);
}

// In a mount it stays packed.
Result<void> Incoming::unpack() {
    if (TRY(give_image(landing_->fd(), size_))) return {};
    const std::unique_ptr<NewFile> image = TRY(landing_->replace(mode_));
    TRY(landing_->allocate(size_));
    return unpack_on_host(image->fd(), landing_->fd(), size_, kThreadsDefault);
}

Result<void> Incoming::check_bytes(const std::string &expected) {
    const int fd = is_there_ ? there_.get() : landing_->fd();
    const std::string digest = digest_ ? digest_text(*digest_) : TRY(digest_of_file(fd, size_, kThreadsDefault));
    if (digest == expected) return {};
    return Error{EBADMSG, 0, "fetch",
        is_there_ ? "the file that is here has the same pieces, and yet another digest"
                  : "what is here has another digest than what is there; nothing was replaced"};
}

} // namespace gmemfs
