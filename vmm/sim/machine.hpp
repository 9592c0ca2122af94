// Machine: the simulated machine that processes share: its devices, and who holds how much of their memory.
//
// A table in a file under /dev/shm, locked by flock (which a killed holder gives up by itself):
//
//     header: magic, devices and their sizes
//     allocations: id, device, bytes, nonce       an allocation lives while a holder of it lives
//     holders: allocation id, pid, start time     a process that died is swept away when space runs out or is counted
//
// The table is set up by the first process and again when none is left. A descriptor in flight over a socket is held by
// nobody, and so isn't counted: the one kindness that real hardware doesn't have.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gmemfs::sim {

inline constexpr unsigned kDevicesMax = 16;
inline constexpr unsigned kAllocationsMax = 8192;
inline constexpr unsigned kHoldersMax = 32768;

/// Thread-safe. One a process and machine name.
class Machine {
public:
    struct Allocation {
        std::uint64_t id, bytes, nonce;
        std::uint32_t device;
        std::uint32_t in_use;
    };

    /// `sizes` in bytes, one a device; empty for whatever the machine has, or one device of 8 GiB on a new one.
    /// Null with a line on standard error where the name or the file can't be used, or lives with other sizes.
    static Machine *attach(const std::string &name, const std::vector<std::uint64_t> &sizes);

    const std::string &name() const { return name_; }
    std::vector<std::uint64_t> sizes();

    /// Takes `bytes` of the device for this process; empty where it hasn't so many left.
    std::optional<Allocation> take(std::uint32_t device, std::uint64_t bytes);
    /// Becomes another holder of an allocation; false where it is gone.
    bool hold(std::uint64_t id);
    void drop(std::uint64_t id);
    std::optional<Allocation> find(std::uint64_t id);
    std::uint64_t used(std::uint32_t device); ///< bytes, after sweeping

private:
    struct Table;
    class Locked;
    Machine(std::string name, int fd, Table *table) : name_(std::move(name)), fd_(fd), table_(table) {}
    bool set_up(const std::vector<std::uint64_t> &sizes);
    void sweep();
    void add_holder(std::uint64_t id);

    const std::string name_;
    const int fd_;
    Table *const table_;
    std::mutex mutex_; // flock is one for all threads of a process
};

/// Clock ticks since boot at which the process started, so that a pid used again is another process; 0: no such
/// process.
std::uint64_t start_time(pid_t pid);

} // namespace gmemfs::sim
