// Session: a mount's connection with the kernel: the channel (an open /dev/fuse), and libfuse, which parses.
//
// Answers are gmemfs' own (Reply), written to the channel or put into a ring. So libfuse never holds the channel while
// requests are served. In its place libfuse has one end of a socket. What libfuse answers by itself (FUSE_INIT, what it
// refuses) comes out at the other end, where the worker whose request it was takes it, and sends it like any answer.
// That needs nothing of libfuse but what all versions since 3.14 do (docs/decisions/013-without-custom-io.md).
//
//     kernel --- channel --- worker --- libfuse: parse() calls the operation
//        ^                     |  ^        |
//        +------- answer ------+  +-socket-+   what libfuse says by itself
#pragma once

#include "fuse/core/names/inode.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/lock.hpp"

#include <fuse_lowlevel.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace gmemfs {

/// Thread-safe between mount() or adopt(), and let_go().
class Session {
public:
    /// `options` are those of mount(8), with commas. `data` is what operations get by fuse_req_userdata. EINVAL:
    /// libfuse refuses the options.
    static Result<std::unique_ptr<Session>> create(
        const std::string &options, const fuse_lowlevel_ops &operations, void *data);
    /// Doesn't unmount, because another process may hold the channel, too.
    ~Session();
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    /// Mounts, as root by mount(2), else by fusermount3. Called once. The errno of either, or EIO.
    Result<void> mount(const std::string &place);
    /// Goes on with the mount that `channel` serves. Called once, in place of mount().
    Result<void> adopt(const Fd &channel);
    /// Closes the channel; no thread reads from it any more. Unmounts nothing, because libfuse would unmount whatever
    /// is at the path by now.
    void let_go();

    int channel() const { return channel_.get(); }
    /// Whether end() or libfuse has told the session to end.
    bool has_ended() const { return fuse_session_exited(session_) != 0; }
    void end() { fuse_session_exit(session_); }

    /// Has libfuse call the operation that `request` asks for. A request without an operation is answered by libfuse.
    void parse(std::span<std::byte> request);
    /// Valid after parse(): libfuse's own answer to the request of this number, a fuse_out_header and what follows.
    /// Empty where libfuse gave none.
    std::vector<std::byte> take_answer(std::uint64_t number) EXCLUDES(mutex_);

    /// Tells the kernel something that it hasn't asked for. ENOENT: the kernel doesn't know the inode, or keeps nothing
    /// of it.
    Result<void> notify(int code, std::span<const std::byte> body) const;
    /// Makes the kernel forget what it knows of a name, also that there is none. Errors: see notify(); ENOENT: it knew
    /// nothing.
    Result<void> forget_name(InodeId parent, const std::string &name) const;
    /// Makes the kernel ask again for the inode's attributes. Errors: see notify().
    Result<void> forget_attributes(InodeId id) const;

private:
    Session(fuse_session *session, Fd ours, Fd libfuses)
        : session_(session), ours_(std::move(ours)), libfuses_(std::move(libfuses)) {}

    fuse_session *const session_;
    Fd ours_;     // of the socket
    Fd libfuses_; // until libfuse has it
    Fd channel_;
    bool is_adopted_ = false;
    Mutex mutex_;
    // Those that a worker has taken from the socket and that answer another worker's request.
    std::unordered_map<std::uint64_t, std::vector<std::byte>> answers_ GUARDED_BY(mutex_);
};

} // namespace gmemfs
