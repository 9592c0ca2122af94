// NixlProcess: the handle of a process of ours that moves files' bytes between hosts by NIXL.
//
//     target's host                                    source's host
//     expect(file, path, size) --> what it said ------> send(file, path, ranges, what it said)     by the caller's way
//       helper  <======== NIXL writes, over UCX =========  helper                                  past the caller
//     finish(file)                                     (send returns when the target has it all)
//
// The process that uses this never opens NIXL, which brings libraries and threads of its own, may end a process by an
// exception, and must not be there when a process forks. When the helper ends, calls return errors; when the process
// that started it ends, however that happens, the helper ends too.
#pragma once

#include "tools/host/byte_range.hpp"
#include "tools/nixl/settings.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gmemfs {

/// Owner of the helper's process. Not thread-safe. After an error of EPIPE the helper is gone, and every call says so.
class NixlProcess {
public:
    enum class Role { source, target };
    /// Called with the bytes that have moved so far, at least each 100 ms; false gives up: the call returns EINTR.
    using Watch = std::function<bool(std::uint64_t bytes)>;

    /// Returns when NIXL runs there. ENOENT: there is no NIXL; the text says how to get it. EPROTO, ENOTSUP: it can't
    /// be used, and why. EPIPE: the helper ended. ETIMEDOUT: it didn't get ready.
    static Result<std::unique_ptr<NixlProcess>> start(Role role, const NixlSettings &settings);
    NixlProcess(const NixlProcess &) = delete;
    NixlProcess &operator=(const NixlProcess &) = delete;
    ~NixlProcess(); ///< ends the process, also one that hangs

    /// Target: gets ready to receive bytes of the first `size` ones of the file that `path` opens (writable; it may be
    /// /proc/PID/fd/N of an unlisted file, and has that size). `file` is any number that isn't in use. The answer is
    /// opaque, at most kNixlTargetMost, and goes to the source's host. Several files may be expected at a time, whose
    /// bytes come one file after the other.
    Result<std::vector<std::byte>> expect(std::uint32_t file, const std::string &path, std::uint64_t size);
    /// Target: waits until all ranges that the source has announced have landed in the file, and seals it. The file is
    /// closed, also after an error. ECONNRESET: the source has gone. EPROTO: it said what makes no sense.
    Result<void> finish(std::uint32_t file, const Watch &watch);
    /// Source: sends `ranges` of the file that `path` opens; `target` is what expect() said there. Returns when they
    /// have landed in the target's file. ECONNRESET: the target has gone, or given up. EIO: the file is shorter.
    Result<void> send(std::uint32_t file, const std::string &path, std::span<const ByteRange> ranges,
        std::span<const std::byte> target, const Watch &watch);
    /// Target: gives up on a file. ENOENT: it isn't expected.
    Result<void> close(std::uint32_t file);
    /// How the bytes go, for people: "staging: the simulator's memory is the host's". Of the last file; empty before.
    const std::string &memory_says() const { return memory_says_; }
    pid_t pid() const { return child_; }

private:
    NixlProcess(pid_t child, Fd socket) : child_(child), socket_(std::move(socket)) {}
    struct Answer;
    Result<Answer> ask(std::span<const std::byte> request, const Watch &watch, int timeout_ms);
    Error explain(Error error);

    pid_t child_; // -1: it has been waited for
    Fd socket_;
    std::string memory_says_;
};

} // namespace gmemfs
