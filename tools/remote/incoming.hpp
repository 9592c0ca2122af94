// Incoming: a file that was asked for, and what has come of it so far.
//
// What fails here is kept until the source has ended the file, because its bytes are under way.
#pragma once

#include "tools/host/progress.hpp"
#include "tools/remote/landing.hpp"
#include "tools/remote/write_behind.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

/// Not thread-safe.
class Incoming {
public:
    /// Opens the file for `name` in the open folder. `mode`: the source's. `size`: as far as it is known. Landing's
    /// errors; EINTR.
    enum class Start { empty, with_what_is_there };
    static Result<std::unique_ptr<Incoming>> create(
        std::uint32_t entry, Fd folder, const std::string &name, mode_t mode, std::uint64_t size, Start start);
    /// By NIXL: what the helper of this end says to the other one.
    void say(std::vector<std::byte> says) { says_ = std::move(says); }
    /// Room for as many bytes as are asked for, before the source says how many there are. ENOSPC.
    Result<void> make_room_early() { return landing_->allocate(size_); }
    /// How its bytes come; by ssh where nothing else is said before request().
    void come_by(RemoteTransport transport) { transport_ = transport; }
    RemoteTransport transport() const { return transport_; }

    std::uint32_t entry() const { return entry_; }
    std::uint64_t size() const { return size_; }
    bool is_small() const { return size_ <= kDataMost; }
    Fetch request() const;

    /// The source says what is to come: makes room. From here to check() the bytes of one that comes by ssh move.
    Result<void> open(const Coming &opened, Progress &progress);
    /// EPROTO: the bytes aren't those that come next.
    Result<void> take(const Data &data);
    bool has_failed() const { return failure_.has_value(); } ///< here: what comes is dropped
    const Error &failure() const { return *failure_; }
    void fail(const Error &error) { failure_ = error; }
    /// The source has said what comes, and nothing is left of that.
    bool is_complete() const { return is_opened_ && to_come_.empty(); }
    /// All has come, past the channel.
    void take_all();
    /// The transport doesn't work: everything has to come by another one.
    void give_up(const Error &error) { unusable_ = error; }
    const std::optional<Error> &unusable() const { return unusable_; }
    /// The source has sent all: the file is written, and has the digest `expected`. EPROTO: not all has come. EBADMSG:
    /// another digest. What failed before.
    Result<void> check(const std::string &expected);
    /// Nothing had to come, and the file that has the name is right: it stays.
    bool is_there() const { return is_there_; }
    std::uint64_t bytes() const { return bytes_; } ///< that came
    Landing &landing() { return *landing_; }

private:
    Incoming(std::uint32_t entry, mode_t mode, std::uint64_t size) : entry_(entry), mode_(mode), size_(size) {}
    Result<void> look(Fd there);
    Result<void> make_room(const Coming &opened);
    Result<void> unpack();
    Result<void> check_bytes(const std::string &expected);

    const std::uint32_t entry_;
    const mode_t mode_; // the source's
    std::uint64_t size_, image_size_ = 0;
    std::unique_ptr<Landing> landing_;
    Fd there_;                            // the file that has the name; none where a part is gone on with
    std::vector<Digest> have_;            // of there_, or of the part
    std::vector<ByteRange> to_come_;      // what is still to come, in order
    std::unique_ptr<WriteBehind> writer_; // of a large one
    std::optional<Digest> digest_;        // of a small one, which came in one piece
    bool takes_image_ = false;            // in place of its bytes
    bool is_opened_ = false, is_there_ = false;
    std::vector<std::byte> says_;
    RemoteTransport transport_ = RemoteTransport::ssh;
    std::optional<Progress::Moving> moving_;
    std::uint64_t bytes_ = 0;
    std::optional<Error> failure_, unusable_;
};

} // namespace gmemfs
