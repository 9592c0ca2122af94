#include "vmm/sim/machine.hpp"

#include "vmm/base/random.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace gmemfs::sim {
namespace {

constexpr std::uint64_t kMagic = 0x354d4953534d4547; // "GEMSSIM5": of another version, another table
constexpr std::uint64_t kDefaultSize = std::uint64_t(8) << 30;
constexpr std::size_t kNameMax = 80; // a memfd's name, which holds it, has 249 bytes at the most

std::uint64_t random_nonce() {
    std::uint64_t nonce = 0;
    if (::getrandom(&nonce, sizeof nonce, 0) != sizeof nonce) nonce = Random(std::uint64_t(::getpid())).next();
    return nonce;
}

std::uint64_t physical_memory() {
    return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

struct Machines {
    std::mutex mutex;
    std::map<std::string, Machine *> by_name;
};
Machines &machines() {
    static auto *const only = new Machines; // never destroyed: threads outlive main
    return *only;
}

} // namespace

struct Machine::Table {
    struct Holder {
        std::uint64_t allocation, start;
        std::int32_t pid; // 0: free
        std::uint32_t count;
    };
    std::uint64_t magic;
    std::uint64_t next_id;
    std::uint32_t device_count;
    std::uint64_t sizes[kDevicesMax + 1]; // the last is kHost's
    std::uint64_t used[kDevicesMax + 1];
    std::int32_t loss[kDevicesMax + 1]; // read and written without the lock
    std::uint32_t attached_count;
    Holder attached[1024]; // every process that uses the machine; `allocation` is 0
    Allocation allocations[kAllocationsMax];
    Holder holders[kHoldersMax];
};

// The table's lock: between threads by the mutex, between processes by flock.
class Machine::Locked {
public:
    explicit Locked(Machine &machine) : hold_(machine.mutex_), fd_(machine.fd_) {
        while (::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {}
    }
    ~Locked() { ::flock(fd_, LOCK_UN); }
    Locked(const Locked &) = delete;
    Locked &operator=(const Locked &) = delete;

private:
    std::lock_guard<std::mutex> hold_;
    int fd_;
};

std::uint64_t start_time(pid_t pid) {
    char path[32];
    std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    char text[1024] = {};
    const ssize_t count = ::read(fd, text, sizeof text - 1);
    ::close(fd);
    // The second field is the command in parentheses, and may hold anything: count from the last one. proc(5): state is
    // field 3, starttime field 22. A zombie holds nothing any more.
    const char *at = count > 0 ? std::strrchr(text, ')') : nullptr;
    if (at == nullptr || std::strlen(at) < 4 || at[2] == 'Z' || at[2] == 'X') return 0;
    for (int field = 2; field < 22 && at != nullptr; ++field) at = std::strchr(at + 1, ' ');
    unsigned long long ticks = 0;
    return at != nullptr && std::sscanf(at, "%llu", &ticks) == 1 ? ticks : 0;
}

Machine::Machine(std::string name, std::string path, int fd, Table *table)
    : name_(std::move(name)), path_(std::move(path)), fd_(fd), start_(start_time(::getpid())), table_(table) {}

Machine::~Machine() {
    ::munmap(table_, sizeof(Table));
    ::close(fd_);
}

Machine *Machine::open(const std::string &name) {
    if (name.empty() || name.size() > kNameMax || name.find_first_of("/: ") != std::string::npos) {
        std::fprintf(stderr, "gmemfs simulator: GMEMFS_SIM_MACHINE: '%s' is no name\n", name.c_str());
        return nullptr;
    }
    const std::string path = "/dev/shm/gmemfs-sim-" + std::to_string(::geteuid()) + "-" + name;
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || ::ftruncate(fd, sizeof(Table)) != 0) {
        std::fprintf(stderr, "gmemfs simulator: %s: %s\n", path.c_str(), std::strerror(errno));
        if (fd >= 0) ::close(fd);
        return nullptr;
    }
    void *const memory = ::mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        ::close(fd);
        return nullptr;
    }
    return new Machine(name, path, fd, static_cast<Table *>(memory));
}

Machine *Machine::attach(const std::string &name, const std::vector<std::uint64_t> &sizes) {
    const std::lock_guard<std::mutex> hold(machines().mutex);
    const auto known = machines().by_name.find(name);
    if (known != machines().by_name.end()) return known->second;
    while (true) {
        Machine *const machine = open(name);
        if (machine == nullptr) return nullptr;
        const SetUp answer = machine->set_up(sizes);
        if (answer == SetUp::done) return machines().by_name[name] = machine;
        delete machine;
        if (answer == SetUp::refused) return nullptr;
    }
}

Machine::SetUp Machine::set_up(const std::vector<std::uint64_t> &sizes) {
    const Locked locked(*this);
    struct stat status = {};
    if (::fstat(fd_, &status) != 0 || status.st_nlink == 0) return SetUp::gone; // the last process has just left
    Table &table = *table_;
    if (table.magic == kMagic) {
        sweep();
        const bool is_same = sizes.empty() || (sizes.size() == table.device_count &&
                                                  std::equal(sizes.begin(), sizes.end(), table.sizes));
        if (table.attached_count > 0 && !is_same) {
            std::fprintf(stderr,
                "gmemfs simulator: machine '%s' is in use with other devices than GMEMFS_SIM_DEVICES asks for; name "
                "another one with GMEMFS_SIM_MACHINE\n",
                name_.c_str());
            return SetUp::refused;
        }
        if (table.attached_count == 0) table.magic = 0;
    }
    if (table.magic != kMagic) {
        std::memset(table_, 0, sizeof table);
        table.magic = kMagic;
        // A descriptor may outlive the table that counted it: its id must mean nothing to the next one.
        table.next_id = random_nonce() >> 8 | 1;
        table.device_count = sizes.empty() ? 1 : static_cast<std::uint32_t>(sizes.size());
        table.sizes[0] = kDefaultSize;
        std::copy(sizes.begin(), sizes.end(), table.sizes);
        table.sizes[kHost] = physical_memory();
    }
    for (auto &process : table.attached) {
        if (process.pid != 0) continue;
        process = {0, start_, ::getpid(), 1};
        ++table.attached_count;
        return SetUp::done;
    }
    std::fprintf(stderr, "gmemfs simulator: machine '%s' has too many processes\n", name_.c_str());
    return SetUp::refused;
}

void Machine::leave_all() {
    const std::lock_guard<std::mutex> hold(machines().mutex);
    for (const auto &[name, machine] : machines().by_name) machine->leave();
}

void Machine::leave() {
    const Locked locked(*this);
    for (auto &process : table_->attached) {
        if (process.pid != ::getpid() || process.start != start_) continue;
        process = {};
        --table_->attached_count;
    }
    sweep();
    if (table_->attached_count == 0) ::unlink(path_.c_str());
}

std::vector<std::uint64_t> Machine::sizes() {
    const Locked locked(*this);
    return {table_->sizes, table_->sizes + table_->device_count};
}

// Takes what dead processes held away from them.
void Machine::sweep() {
    Table &table = *table_;
    std::map<pid_t, std::uint64_t> starts; // each process is looked at once
    const auto is_dead = [&](const Table::Holder &holder) {
        const auto [at, is_new] = starts.emplace(holder.pid, 0);
        if (is_new) at->second = start_time(holder.pid);
        return at->second != holder.start;
    };
    for (auto &process : table.attached) {
        if (process.pid == 0 || !is_dead(process)) continue;
        process = {};
        --table.attached_count;
    }
    std::vector<std::uint64_t> alive;
    for (auto &holder : table.holders) {
        if (holder.pid == 0) continue;
        if (is_dead(holder))
            holder = {};
        else
            alive.push_back(holder.allocation);
    }
    std::sort(alive.begin(), alive.end());
    for (auto &allocation : table.allocations) {
        if (allocation.in_use == 0 || std::binary_search(alive.begin(), alive.end(), allocation.id)) continue;
        table.used[allocation.device] -= allocation.bytes;
        allocation = {};
    }
}

bool Machine::add_holder(std::uint64_t id) {
    Table::Holder *free = nullptr;
    for (auto &holder : table_->holders) {
        if (holder.pid == 0 && free == nullptr) free = &holder;
        if (holder.allocation != id || holder.pid != ::getpid() || holder.start != start_) continue;
        ++holder.count;
        return true;
    }
    if (free != nullptr) *free = {id, start_, ::getpid(), 1};
    return free != nullptr;
}

bool Machine::has_room(std::uint32_t device, std::uint64_t bytes) const {
    // What was counted again after a sweep may have made it more than there is.
    return table_->used[device] <= table_->sizes[device] && bytes <= table_->sizes[device] - table_->used[device];
}

Machine::Allocation *Machine::add(std::uint64_t id, std::uint32_t device, std::uint64_t bytes) {
    for (auto &allocation : table_->allocations) {
        if (allocation.in_use != 0) continue;
        if (!add_holder(id)) return nullptr;
        allocation = {id, bytes, random_nonce(), device, 1, 0};
        table_->used[device] += bytes;
        return &allocation;
    }
    return nullptr;
}

std::optional<Machine::Allocation> Machine::take(std::uint32_t device, std::uint64_t bytes) {
    const Locked locked(*this);
    if (!has_room(device, bytes)) sweep();
    if (!has_room(device, bytes)) return std::nullopt;
    Allocation *const made = add(table_->next_id++, device, bytes);
    if (made != nullptr) made->maker = ::getpid();
    return made == nullptr ? std::nullopt : std::optional(*made);
}

std::optional<Machine::Allocation> Machine::hold(std::uint64_t id, std::uint32_t device, std::uint64_t bytes) {
    const Locked locked(*this);
    for (const auto &allocation : table_->allocations)
        if (allocation.in_use != 0 && allocation.id == id)
            return add_holder(id) ? std::optional(allocation) : std::nullopt;
    if (device >= table_->device_count && device != kHost) return std::nullopt;
    const Allocation *const made = add(id, device, bytes);
    return made == nullptr ? std::nullopt : std::optional(*made);
}

void Machine::drop(std::uint64_t id) {
    const Locked locked(*this);
    bool is_held = false;
    for (auto &holder : table_->holders) {
        if (holder.pid == 0 || holder.allocation != id) continue;
        const bool is_mine = holder.pid == ::getpid() && holder.start == start_;
        if (is_mine && --holder.count == 0)
            holder = {};
        else
            is_held = true;
    }
    if (is_held) return;
    for (auto &allocation : table_->allocations) {
        if (allocation.in_use == 0 || allocation.id != id) continue;
        table_->used[allocation.device] -= allocation.bytes;
        allocation = {};
    }
}

std::optional<Machine::Allocation> Machine::find(std::uint64_t id) {
    const Locked locked(*this);
    for (const auto &allocation : table_->allocations)
        if (allocation.in_use != 0 && allocation.id == id) return allocation;
    return std::nullopt;
}

std::uint64_t Machine::used(std::uint32_t device) {
    const Locked locked(*this);
    sweep();
    return table_->used[device];
}

void Machine::lose(std::uint32_t device, int result) {
    if (device <= kHost) __atomic_store_n(&table_->loss[device], result, __ATOMIC_RELAXED);
}

int Machine::loss_of(std::uint32_t device) const {
    return device <= kHost ? __atomic_load_n(&table_->loss[device], __ATOMIC_RELAXED) : 0;
}

std::map<pid_t, std::uint64_t> Machine::charges(std::uint32_t device) {
    const Locked locked(*this);
    sweep();
    std::map<std::uint64_t, const Allocation *> by_id;
    for (const auto &allocation : table_->allocations)
        if (allocation.in_use != 0 && allocation.device == device) by_id[allocation.id] = &allocation;
    std::map<pid_t, std::uint64_t> charged;
    for (const auto &process : table_->attached)
        if (process.pid != 0) charged[process.pid] = 0;
    for (const auto &holder : table_->holders) {
        const auto found = holder.pid == 0 ? by_id.end() : by_id.find(holder.allocation);
        if (found != by_id.end() && found->second->maker == holder.pid) charged[holder.pid] += found->second->bytes;
    }
    return charged;
}

} // namespace gmemfs::sim
