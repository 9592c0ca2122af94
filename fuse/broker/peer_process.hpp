// PeerProcess: which process a peer is, whether it lives, and whether it is still the program that took the leases.
//
//     process    a pidfd: another process that gets the number isn't taken for it, whatever PID namespace it is in
//     memory     /proc/PID/maps, held open: its address space, without keeping that alive. Once it reads as nothing
//                the process has called exec, and its mappings are gone
#pragma once

#include "fuse/core/names/credentials.hpp"
#include "vmm/base/fd.hpp"

#include <cstdint>
#include <optional>
#include <sys/types.h>

namespace gmemfs {

/// Move-only. Not thread-safe.
class PeerProcess {
public:
    PeerProcess() = default; ///< nobody knows which
    /// Who called connect(2) on the other end of `socket`. `pid`: its number here, 0 for none. Unknown where the kernel
    /// can't say: before Linux 6.5, of another PID namespace.
    static PeerProcess of_socket(int socket, pid_t pid);
    /// As a server before this one knew it, by descriptors that were kept; `memory` may be missing.
    static PeerProcess adopt(Fd process, Fd memory, pid_t pid, std::uint64_t start_time);
    /// As a server before this one knew it, by number and start time. Nothing: it has ended. Unknown where there is no
    /// number.
    static std::optional<PeerProcess> find(pid_t pid, std::uint64_t start_time);

    bool is_known() const { return static_cast<bool>(process_); }
    int fd() const { return process_.get(); } ///< a pidfd, readable once the process has ended
    const Fd &process() const { return process_; }
    const Fd &memory() const { return memory_; }
    std::uint64_t start_time() const { return start_time_; } ///< in clock ticks since the boot; 0: unknown

    bool has_ended() const;
    /// Whether its address space is another one since, or gone. False where /proc can't say.
    bool has_left_memory() const;
    /// Whether both are known, and one process.
    bool is_same(const PeerProcess &other) const;
    /// Whether `pidfd` is of this one.
    bool is_same(const Fd &pidfd) const;

private:
    void look();

    Fd process_, memory_;
    pid_t pid_ = 0;
    std::uint64_t start_time_ = 0;
};

/// Of who called connect(2), whatever became of it since; `pid`: its number here, 0 for none.
Result<Credentials> read_credentials(int socket, pid_t &pid);

} // namespace gmemfs
