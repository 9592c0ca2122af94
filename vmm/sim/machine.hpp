// Machine: the simulated machine that processes share: its devices, and which process holds how much memory.
//
// A table in a file under /dev/shm, locked by flock (which a killed holder gives up by itself):
//
//     header: magic, devices and their sizes, and which of them are lost
//     attached: pid, start time                   the processes that use the machine
//     allocations: id, device, bytes, nonce       an allocation lives while a holder of it lives
//     holders: allocation id, pid, start time     a process that died is swept away when space runs out or is counted
//
// Memory of the host is counted like a device's, at an index of its own. There is as much as this host has.
//
// The table is set up by the first process, removed by the last one that ends by itself, and set up again where none is
// left. A descriptor that no living process of the machine has imported is held by nobody, and so isn't counted until
// it is imported: a kindness that real hardware doesn't have.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gmemfs::sim {

inline constexpr unsigned kDevicesMax = 16;
inline constexpr std::uint32_t kHost = kDevicesMax; ///< stands for a device's index where memory is the host's
inline constexpr unsigned kAllocationsMax = 8192;
inline constexpr unsigned kHoldersMax = 32768;

/// Thread-safe. One a process and machine name.
class Machine {
public:
    struct Allocation {
        std::uint64_t id, bytes, nonce;
        std::uint32_t device; // or kHost
        std::uint32_t in_use;
        std::int32_t maker; // pid of the process that took it; 0: it was counted again after that had ended
    };

    /// `sizes` in bytes, one a device; empty for whatever the machine has, or one device of 8 GiB on a new one.
    /// Null with a line on standard error where the name or the file can't be used, or lives with other sizes.
    static Machine *attach(const std::string &name, const std::vector<std::uint64_t> &sizes);

    const std::string &name() const { return name_; }
    std::vector<std::uint64_t> sizes();

    // A `device` is an index below sizes().size(), or kHost.

    /// Takes `bytes` of the device for this process; empty where it hasn't so many left.
    std::optional<Allocation> take(std::uint32_t device, std::uint64_t bytes);
    /// Becomes another holder of an allocation. One that was swept away with its last process, because only a
    /// descriptor held it, is counted again. Empty where the table is full, or has no such device.
    std::optional<Allocation> hold(std::uint64_t id, std::uint32_t device, std::uint64_t bytes);
    void drop(std::uint64_t id);
    std::optional<Allocation> find(std::uint64_t id);
    std::uint64_t used(std::uint32_t device); ///< bytes, after sweeping
    /// Bytes of the device's memory that each process of the machine has made and still holds; after sweeping.
    std::map<pid_t, std::uint64_t> charges(std::uint32_t device);

    /// Every call about the device fails with `result` from here on, in every process; 0: the device is back.
    void lose(std::uint32_t device, int result);
    int loss_of(std::uint32_t device) const; ///< 0: the device isn't lost

    /// Leaves every machine, for a process that ends; the last one removes the table.
    static void leave_all();

private:
    struct Table;
    class Locked;
    enum class SetUp { done, refused, gone };
    Machine(std::string name, std::string path, int fd, Table *table);
    ~Machine();
    static Machine *open(const std::string &name);
    SetUp set_up(const std::vector<std::uint64_t> &sizes);
    void leave();
    void sweep();
    bool add_holder(std::uint64_t id);
    Allocation *add(std::uint64_t id, std::uint32_t device, std::uint64_t bytes);
    bool has_room(std::uint32_t device, std::uint64_t bytes) const;

    const std::string name_, path_;
    const int fd_;
    const std::uint64_t start_; // of this process
    Table *const table_;
    std::mutex mutex_; // flock is one for all threads of a process
};

/// Clock ticks since boot at which the process started, so that a pid used again is another process; 0: no such
/// process.
std::uint64_t start_time(pid_t pid);

} // namespace gmemfs::sim
