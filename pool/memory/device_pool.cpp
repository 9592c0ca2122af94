#include "pool/memory/device_pool.hpp"

#include "client/lib/device_wait.hpp"
#include "pool/memory/figures.hpp"
#include "pool/memory/timed.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>

namespace gmemfs::pool {
namespace {

constexpr std::size_t kWaitingTried = 8; // of a stream's blocks, the last ones freed
// A serial: which library the block is of, the device's number from 1, a count of its blocks.
constexpr unsigned kDeviceShift = 48, kLibraryShift = 56;
constexpr std::uint64_t kWaitingSpare = 4; // a block that is used again is a quarter larger at the most
static_assert(kUnit == block_table::kUnit);

std::uint64_t units_of(std::uint64_t bytes) { return round_up(bytes, kUnit) / kUnit; }

CUcontext context_of(const BlockEntry &entry) {
    return reinterpret_cast<CUcontext>(entry.context()); // NOLINT(performance-no-int-to-ptr): as the driver gave it
}
unsigned library_of(std::uint64_t serial) { return static_cast<unsigned>(serial >> kLibraryShift); }

Error no_room(std::uint64_t size) {
    return Error{ENOSPC, CUDA_ERROR_OUT_OF_MEMORY, "allocate", format_size(size) + ": gmemfs run has a --limit"};
}

// All of it at once, in huge pages where the kernel has them and it is large enough: beside 60,000 blocks in 27 GiB one
// call in a hundred took 2.0 us, because it touched a page for the first time, and takes 0.7 since
// (tests/bench/pool_calls.cpp, the simulator in a virtual machine).
void *map_zeros(std::size_t size) {
    void *const made = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return nullptr;
    (void)::madvise(made, size, MADV_HUGEPAGE);
    (void)::madvise(made, size, MADV_POPULATE_WRITE); // before Linux 5.14 a page at a time, when it is touched
    return made;
}

} // namespace

bool Limit::take(std::uint64_t bytes) {
    const std::uint64_t now = held_.fetch_add(bytes) + bytes;
    if (bytes_ == 0 || now <= bytes_) return true;
    held_.fetch_sub(bytes);
    return false;
}

DevicePool::DevicePool(
    const Driver &driver, DeviceInfo device, ExtentFiles &files, Limit &limit, Exports &exports, Spill spill)
    : driver_(driver), device_(std::move(device)), files_(files), limit_(limit), exports_(exports),
      spill_(std::move(spill)), users_(device_.users), entries_(files.blocks()),
      next_serial_((std::uint64_t(device_.ordinal) + 1) << kDeviceShift) {}

Result<CUdeviceptr> DevicePool::take(std::uint64_t size, User user) {
    Timed timed(PoolFigures::take, size >= kLarge ? Timed::When::always : Timed::When::sampled);
    if (size >= kLarge) return take_large(size, user);
    {
        const Hold hold(mutex_);
        if (const std::optional<CUdeviceptr> found = take_free(size, user)) return *found;
    }
    timed.is_slow();
    const Hold growing(growing_);
    TRY(fence());
    {
        const Hold hold(mutex_); // another thread may have made an arena meanwhile, too
        if (const std::optional<CUdeviceptr> found = take_free(size, user)) return *found;
    }
    TRY(grow(size));
    const Hold hold(mutex_);
    const std::optional<CUdeviceptr> found = take_free(size, user);
    if (!found) return no_room(size); // other threads were quicker
    return *found;
}

std::optional<CUdeviceptr> DevicePool::take_free(std::uint64_t size, User user) {
    if (user.stream)
        if (const std::optional<CUdeviceptr> found = take_waiting(size, user)) return found;
    const std::optional<Fit::Block> block = fit_.take(units_of(size));
    if (!block) return std::nullopt;
    const CUdeviceptr address = block->start * kUnit;
    Arena &arena = *arena_of(address);
    arena.nodes[(address - arena.extent->address()) / kUnit] = block->node;
    entries_.at(block->node).take(arena.extent->place_of(address), use_of(size, user));
    tell_idle();
    return address;
}

void DevicePool::tell_idle() {
    const auto ordinal = static_cast<std::size_t>(device_.ordinal);
    if (ordinal >= PoolFigures::kDevices) return;
    auto &told = own_figures().devices[ordinal];
    told.idle.store(fit_.free_units() * kUnit, PoolFigures::kRelaxed);
    told.idle_largest.store(fit_.largest_free() * kUnit, PoolFigures::kRelaxed);
}

// What the same stream has freed: its work on that comes before any that it is given now.
std::optional<CUdeviceptr> DevicePool::take_waiting(std::uint64_t size, User user) {
    const auto waiting = waiting_.find(user.context);
    if (waiting == waiting_.end()) return std::nullopt;
    const auto freed = waiting->second.by_stream.find(*user.stream);
    if (freed == waiting->second.by_stream.end()) return std::nullopt;
    std::vector<CUdeviceptr> &blocks = freed->second;
    const std::size_t first = blocks.size() - std::min(blocks.size(), kWaitingTried);
    for (std::size_t index = blocks.size(); index-- > first;) {
        const CUdeviceptr address = blocks[index];
        BlockEntry entry = *find_entry(address);
        const bool fits = size <= entry.size() && entry.size() - size <= entry.size() / kWaitingSpare;
        if (!fits) continue;
        waiting_bytes_ -= round_up(entry.size(), kUnit);
        blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(index));
        entry.take_again(use_of(size, user));
        return address;
    }
    return std::nullopt;
}

// It counts as used from here on.
BlockEntry::Use DevicePool::use_of(std::uint64_t size, User user) {
    own_figures().add_used(size, user.library);
    const std::uint64_t serial = std::uint64_t(user.library) << kLibraryShift | next_serial_++;
    return {size, serial, reinterpret_cast<std::uint64_t>(user.context)};
}

Result<CUdeviceptr> DevicePool::take_large(std::uint64_t size, User user) {
    if (user.stream) {
        const Hold hold(mutex_);
        if (const std::optional<CUdeviceptr> found = take_waiting(size, user)) return *found;
    }
    std::unique_ptr<PoolExtent> extent = TRY(spill_for(make(size, ExtentFiles::Kind::allocation), size));
    const CUdeviceptr address = extent->address();
    const Hold hold(mutex_);
    TRY(open_to_late(*extent));
    extent->whole().take(extent->place_of(address), use_of(size, user));
    large_.emplace(address, std::move(extent));
    return address;
}

// Memory that is waited for or idle makes room, before there is none.
Result<std::unique_ptr<PoolExtent>> DevicePool::make(std::uint64_t size, ExtentFiles::Kind kind) {
    if (size > device_.total) return Error{ENOSPC, CUDA_ERROR_OUT_OF_MEMORY, "allocate", format_size(size)};
    const std::uint64_t whole = round_up(size, device_.granularity);
    const auto attempt = [&]() -> Result<std::unique_ptr<PoolExtent>> {
        if (!limit_.take(whole)) return no_room(size);
        const client::RelaxedCapture relaxed(driver_);
        DeviceInfo device = device_;
        {
            const Hold hold(mutex_);
            device.users = users_;
        }
        Result<std::unique_ptr<PoolExtent>> made = PoolExtent::create(driver_, device, whole, files_, kind);
        if (!made) limit_.give(whole);
        return made;
    };
    Result<std::unique_ptr<PoolExtent>> made = attempt();
    if (made || !is_no_room(made.error())) return made;
    const bool has_more = TRY(trim());
    return has_more ? attempt() : std::move(made);
}

// What was made, or where there was no room host memory in its place.
Result<DevicePool::Extent> DevicePool::spill_for(Result<Extent> made, std::uint64_t size) {
    if (made || !is_no_room(made.error())) return made;
    std::vector<CUdevice> users;
    {
        const Hold hold(mutex_);
        users = users_;
    }
    const client::RelaxedCapture relaxed(driver_);
    return spill_.make(driver_, users, size, made.error());
}

// An arena for a request of `size`, which fills it without a rest: PyTorch's segments of 20 MiB, say. Where there is no
// room for a large one, a smaller one.
Result<void> DevicePool::grow(std::uint64_t size) {
    const std::uint64_t least = round_up(size, device_.granularity);
    std::uint64_t wanted = 0;
    {
        const Hold hold(mutex_);
        wanted = round_up(std::clamp(arena_bytes_ / kArenaPart, kArenaFirst, kArenaMost), least);
    }
    Result<std::unique_ptr<PoolExtent>> made = make(wanted, ExtentFiles::Kind::arena);
    while (!made && is_no_room(made.error()) && wanted > least) {
        wanted = std::max(wanted / 2, least);
        made = make(wanted, ExtentFiles::Kind::arena);
    }
    std::unique_ptr<PoolExtent> extent = TRY(spill_for(std::move(made), std::max(least, kArenaFirst)));
    const std::uint64_t units = extent->size() / kUnit;
    Nodes nodes(static_cast<Fit::Node *>(map_zeros(units * sizeof(Fit::Node))), {units * sizeof(Fit::Node)});
    if (!nodes) return Error{ENOMEM, CUDA_ERROR_OUT_OF_MEMORY, "allocate", "no host memory"};
    const CUdeviceptr start = extent->address();
    const CUdeviceptr end = start + extent->size();
    const Hold hold(mutex_);
    TRY(open_to_late(*extent));
    const Fit::Node whole = fit_.add(start / kUnit, units);
    arenas_.emplace(end, Arena{std::move(extent), std::move(nodes), whole});
    arena_bytes_ += end - start;
    tell_idle();
    return {};
}

DevicePool::Arena *DevicePool::arena_of(CUdeviceptr address) {
    const auto found = arenas_.upper_bound(address);
    return found == arenas_.end() || address < found->second.extent->address() ? nullptr : &found->second;
}

std::optional<BlockEntry> DevicePool::find_entry(CUdeviceptr address) {
    if (const auto large = large_.find(address); large != large_.end()) return large->second->whole();
    Arena *const arena = arena_of(address);
    if (arena == nullptr) return std::nullopt;
    const std::uint64_t offset = address - arena->extent->address();
    const Fit::Node node = offset % kUnit == 0 ? arena->nodes[offset / kUnit] : 0;
    return node == 0 ? std::nullopt : std::optional(entries_.at(node));
}

Result<DevicePool::Given> DevicePool::give(CUdeviceptr address, User user) {
    bool is_large = false;
    Timed timed(PoolFigures::give, Timed::When::sampled);
    {
        const Hold hold(mutex_);
        std::optional<BlockEntry> entry = find_entry(address);
        if (!entry || entry->state() != State::used) {
            timed.forget();
            return Given::missed;
        }
        entry->change(State::waiting);
        own_figures().drop_used(entry->size(), library_of(entry->serial()));
        waiting_bytes_ += round_up(entry->size(), kUnit);
        const bool is_streams = user.stream && shared_.count(address) == 0; // another process knows of no stream
        revoke(address);
        Waiting &waiting = waiting_[user.context];
        (is_streams ? waiting.by_stream[*user.stream] : waiting.blocks).push_back(address);
        is_large = large_.count(address) != 0;
    }
    if (!is_large || user.stream) return Given::done;
    timed.is_slow();
    TRY(fence());
    return Given::done;
}

// The block's memory isn't used any more by this process. A large one's goes after the lock.
void DevicePool::make_free(CUdeviceptr address, std::vector<Extent> &gone) {
    BlockEntry entry = *find_entry(address);
    if (entry.state() == State::waiting) waiting_bytes_ -= round_up(entry.size(), kUnit);
    const auto large = large_.find(address);
    if (large == large_.end() && is_lent(address)) {
        entry.change(State::waiting);
        lent_.push_back(address);
        return;
    }
    if (const auto shared = shared_.find(address); shared != shared_.end()) {
        exports_.drop(shared->second);
        shared_.erase(shared);
    }
    if (large != large_.end()) {
        gone.push_back(std::move(large->second));
        large_.erase(large);
        return;
    }
    Arena &arena = *arena_of(address);
    const Fit::Node node = std::exchange(arena.nodes[(address - arena.extent->address()) / kUnit], 0);
    entries_.at(node).change(State::none);
    const Fit::Given given = fit_.give(node);
    if (given.is_region) arena.whole = given.node;
    tell_idle();
}

Result<bool> DevicePool::fence() {
    std::map<CUcontext, Waiting> waited;
    bool has_more = false;
    {
        const Hold hold(mutex_);
        has_more = take_back();
        waited.swap(waiting_);
    }
    if (waited.empty()) return has_more;
    own_figures().fences += 1;
    Result<void> result;
    {
        const client::RelaxedCapture relaxed(driver_);
        for (const auto &[context, blocks] : waited)
            if (Result<void> done = client::wait_for_context(driver_, context); !done && result)
                result = std::move(done);
    }
    // After an error, too: then the context is lost, and nothing runs in it.
    std::vector<Extent> gone;
    {
        const Hold hold(mutex_);
        for (const auto &[context, waiting] : waited) {
            for (const CUdeviceptr address : waiting.blocks) make_free(address, gone);
            for (const auto &[stream, blocks] : waiting.by_stream)
                for (const CUdeviceptr address : blocks) make_free(address, gone);
        }
    }
    for (const Extent &extent : gone) limit_.give(extent->charged());
    gone.clear();
    if (!result) return Error(result.error());
    return true;
}

Result<void> DevicePool::settle() {
    TRY(fence());
    return {};
}

Result<bool> DevicePool::trim() {
    bool has_more = TRY(fence());
    std::vector<Arena> gone;
    {
        const Hold hold(mutex_);
        for (auto next = arenas_.begin(); next != arenas_.end();) {
            const auto arena = next++;
            const PoolExtent &extent = *arena->second.extent;
            if (!fit_.is_free(arena->second.whole, extent.address() / kUnit, extent.size() / kUnit)) continue;
            fit_.remove(arena->second.whole);
            arena_bytes_ -= extent.size();
            tell_idle();
            gone.push_back(std::move(arena->second));
            arenas_.erase(arena);
        }
    }
    has_more = has_more || !gone.empty();
    for (const Arena &arena : gone) limit_.give(arena.extent->charged());
    return has_more;
}

std::optional<DevicePool::Block> DevicePool::find(CUdeviceptr address) {
    const Hold hold(mutex_);
    return find_block(address);
}

std::optional<DevicePool::Block> DevicePool::find_block(CUdeviceptr address) {
    const auto told = [this](CUdeviceptr start, const BlockEntry &entry) REQUIRES(mutex_) -> std::optional<Block> {
        if (entry.state() != State::used) return std::nullopt;
        const ExtentFiles::Listed *const listed = extent_of(start).listed();
        return Block{start, entry.size(), context_of(entry), entry.serial(), listed != nullptr && listed->ticket()};
    };
    if (const auto after = large_.upper_bound(address); after != large_.begin()) {
        const auto &[start, large] = *std::prev(after);
        if (address - start < large->whole().size()) return told(start, large->whole());
    }
    const Arena *const arena = arena_of(address);
    if (arena == nullptr) return std::nullopt;
    const CUdeviceptr base = arena->extent->address();
    // Blocks are small here: as many units are looked at as the largest has, at the most.
    for (std::uint64_t unit = (address - base) / kUnit + 1, left = kLarge / kUnit; unit > 0 && left > 0;
         --unit, --left) {
        const Fit::Node node = arena->nodes[unit - 1];
        if (node == 0) continue;
        const CUdeviceptr start = base + (unit - 1) * kUnit;
        if (address - start >= entries_.at(node).size()) return std::nullopt;
        return told(start, entries_.at(node));
    }
    return std::nullopt;
}

const PoolExtent &DevicePool::extent_of(CUdeviceptr address) {
    const auto large = large_.find(address);
    return large != large_.end() ? *large->second : *arena_of(address)->extent;
}

void DevicePool::forget(CUstream stream) {
    const Hold hold(mutex_);
    for (auto &[context, waiting] : waiting_) {
        const auto found = waiting.by_stream.find(stream);
        if (found == waiting.by_stream.end()) continue;
        waiting.blocks.insert(waiting.blocks.end(), found->second.begin(), found->second.end());
        waiting.by_stream.erase(found);
    }
}

void DevicePool::drop(CUcontext context) {
    std::vector<Extent> gone;
    const Hold hold(mutex_);
    std::vector<CUdeviceptr> blocks;
    const auto had = [&](const BlockEntry &entry) {
        return entry.state() == State::used && context_of(entry) == context;
    };
    for (const auto &[end, arena] : arenas_)
        for (std::uint64_t unit = 0; unit < arena.extent->size() / kUnit; ++unit)
            if (const Fit::Node node = arena.nodes[unit]; node != 0 && had(entries_.at(node)))
                blocks.push_back(arena.extent->address() + unit * kUnit);
    for (const auto &[address, large] : large_)
        if (had(large->whole())) blocks.push_back(address);
    for (const CUdeviceptr address : blocks) {
        const BlockEntry entry = *find_entry(address);
        own_figures().drop_used(entry.size(), library_of(entry.serial()));
        revoke(address);
        make_free(address, gone);
    }
    for (const Extent &extent : gone) limit_.give(extent->charged());
}

} // namespace gmemfs::pool
