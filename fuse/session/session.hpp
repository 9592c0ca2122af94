// Session: a mount's connection with the kernel: the FUSE device, and libfuse, which mounts and parses.
//
// Answers are gmemfs' own (Reply), written to the device or put into a ring. So libfuse never holds the device while
// requests are served: in its place it has one end of a socket, and what it answers by itself (FUSE_INIT, what it
// refuses) is taken from the other end, by the worker whose request it was, and sent like any answer. That needs
// nothing of libfuse but what all versions since 3.14 do (docs/decisions/013-without-custom-io.md).
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
    /// `options` are mount's, with commas; `data` is what operations find by fuse_req_userdata. EINVAL: libfuse refuses
    /// the options.
    static Result<std::unique_ptr<Session>> create(
        const std::string &options, const fuse_lowlevel_ops &operations, void *data);
    /// Leaves the mount: another process may hold the device, too.
    ~Session();
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    /// Once: as root by mount(2), else by fusermount3. The errno of either, or EIO.
    Result<void> mount(const std::string &place);
    /// Once, in place of mount(): goes on with a mount that is there.
    Result<void> adopt(const Fd &channel);
    /// No thread reads from the device any more. Unmounts nothing: libfuse would by path, whatever is there by now.
    void let_go();

    int channel() const { return channel_.get(); }
    /// Whether it is to end: it was told so, by end() or by libfuse.
    bool has_ended() const { return fuse_session_exited(session_) != 0; }
    void end() { fuse_session_exit(session_); }

    /// Has libfuse call the operation that `request` asks for. What that doesn't answer, libfuse has.
    void parse(std::span<std::byte> request);
    /// After parse(): libfuse's own answer to the request of this number, a fuse_out_header and what follows; empty
    /// where it gave none.
    std::vector<std::byte> take_answer(std::uint64_t number) EXCLUDES(mutex_);

    /// What the kernel is told without having asked. ENOENT: it doesn't know the inode, or keeps nothing of it.
    Result<void> notify(int code, std::span<const std::byte> body) const;
    /// The kernel is to ask again for the inode's attributes. The errors of notify().
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
    // Taken from the socket by another worker than theirs.
    std::unordered_map<std::uint64_t, std::vector<std::byte>> answers_ GUARDED_BY(mutex_);
};

} // namespace gmemfs
