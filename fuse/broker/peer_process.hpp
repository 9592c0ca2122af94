// PeerProcess: names a peer's process, and knows whether it still runs the program that took the leases.
//
//     process    a pidfd, so that a later process with the same number isn't mistaken for the peer; works across PID
//                namespaces
//     memory     /proc/PID/maps, held open, which doesn't keep the address space alive. Once it reads as empty, the
//                process has ended or called exec, and its mappings are gone
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
    PeerProcess() = default; ///< an unknown process
    /// The process that called connect(2) on the other end of `socket`. `pid` is its number in this PID namespace, 0
    /// for none. Unknown where the kernel can't say: before Linux 6.5, for a process of another PID namespace.
    static PeerProcess of_socket(int socket, pid_t pid);
    /// The process that a server before this one knew, by the descriptors that the keeper kept. `memory` may be
    /// missing.
    static PeerProcess adopt(Fd process, Fd memory, pid_t pid, std::uint64_t start_time);
    /// The process that a server before this one knew, by number and start time. Nothing: the process has ended.
    /// Unknown where `pid` is 0.
    static std::optional<PeerProcess> find(pid_t pid, std::uint64_t start_time);

    bool is_known() const { return static_cast<bool>(process_); }
    int fd() const { return process_.get(); } ///< a pidfd, readable once the process has ended
    const Fd &process() const { return process_; }
    const Fd &memory() const { return memory_; }
    std::uint64_t start_time() const { return start_time_; } ///< in clock ticks since the boot; 0: unknown

    bool has_ended() const;
    /// Whether the process has another address space since (exec), or none. False where /proc can't say.
    bool has_left_memory() const;
    /// Whether both are known, and the same process.
    bool is_same(const PeerProcess &other) const;
    /// Whether `pidfd` names this process.
    bool is_same(const Fd &pidfd) const;

private:
    void look();

    Fd process_, memory_;
    pid_t pid_ = 0;
    std::uint64_t start_time_ = 0;
};

/// The credentials of the process that called connect(2), as they were then. `pid` is set to its number in this PID
/// namespace, 0 for none.
Result<Credentials> read_credentials(int socket, pid_t &pid);

} // namespace gmemfs
