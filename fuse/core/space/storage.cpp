#include "fuse/core/space/storage.hpp"

#include "fuse/core/space/piece_parity.hpp"
#include "fuse/core/space/slab.hpp"
#include "vmm/base/limits.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

std::uint64_t total_memory(const std::vector<std::unique_ptr<Device>> &devices) {
    std::uint64_t bytes = 0;
    for (const auto &device : devices) bytes += device->info().total;
    return bytes;
}

// A limit above what the devices have would make `df` promise what nobody can have.
std::uint64_t capacity_of(std::uint64_t wanted, std::uint64_t total) {
    return wanted != 0 ? std::min(wanted, total) : total;
}

// As tmpfs has it.
std::uint64_t host_capacity_of(std::uint64_t wanted, std::uint64_t total) {
    return wanted != 0 && wanted < total ? wanted : total / 2;
}

// 0 for a device whose driver can't tell, so that nothing new is put there.
std::uint64_t free_memory(const Device &device) {
    const Result<Device::Memory> memory = device.memory();
    return memory ? round_down(memory->free, device.info().granularity) : 0;
}

// A lost device has least.
constexpr auto has_less_free = [](const auto &left, const auto &right) {
    if (left->failed() != right->failed()) return left->failed();
    return free_memory(*left) < free_memory(*right);
};

// What there is one of for each device, from when it is first asked for.
template <typename Made, typename... More>
Result<Made *> find_or_make(
    std::vector<std::unique_ptr<Made>> &all, Keeper &keeper, Device &device, const More &...more) {
    for (const std::unique_ptr<Made> &made : all)
        if (&made->device() == &device) return made.get();
    all.push_back(TRY(Made::create(keeper, device, more...)));
    return all.back().get();
}

} // namespace

Storage::Storage(Keeper &keeper, const std::vector<std::unique_ptr<Device>> &devices, const Limits &limits)
    : keeper_(keeper), devices_(devices), host_(limits.host),
      budget_(capacity_of(limits.capacity, total_memory(devices))),
      host_budget_(limits.host == nullptr ? 0 : host_capacity_of(limits.host_capacity, limits.host->info().total)),
      quotas_(limits.quotas), verify_reads_(limits.verify_reads), host_extent_(limits.host_extent),
      placing_(limits.placing), nvcomp_(limits.nvcomp), used_on_(devices.size() + 1) {
    GMEMFS_ASSERT(!devices.empty());
    const auto add_slab = [this](Device &device) {
        slabs_.push_back(std::make_unique<Slab>(
            [this, &device](Copiers &copiers, std::uint64_t size) { return create(copiers, device, size); }));
    };
    for (const auto &device : devices) add_slab(*device);
    if (host_ != nullptr) add_slab(*host_);
}

// The slabs' extents are counted until they are gone, in what is declared behind them.
Storage::~Storage() { slabs_.clear(); }

Result<std::shared_ptr<Extent>> Storage::create(
    Copiers &copiers, Device &device, std::uint64_t size, std::uint64_t clear_from) {
    Result<std::shared_ptr<Extent>> extent = make(copiers, device, size, clear_from);
    if (extent || extent.error().code != ENOSPC) return extent;
    bool is_freed = trim();
    if (device.info().is_host()) is_freed |= drop_reserve(Reserve::all);
    return is_freed ? make(copiers, device, size, clear_from) : std::move(extent);
}

Result<Piece> Storage::create_slot(Copiers &copiers, Device &device, std::uint64_t size) {
    return slab_of(device).take(copiers, size);
}

Result<Piece> Storage::adopt_piece(std::shared_ptr<Extent> extent, std::uint64_t offset, std::uint64_t length) {
    if (offset == 0 && length == extent->size()) return Piece(std::move(extent));
    Slab &slab = slab_of(extent->device());
    return slab.adopt(std::move(extent), offset, length);
}

std::size_t Storage::index_of(const Device &device) const {
    const auto at = std::find_if( // the host's is behind all others
        devices_.begin(), devices_.end(), [&](const auto &candidate) { return candidate.get() == &device; });
    return static_cast<std::size_t>(at - devices_.begin());
}

Slab &Storage::slab_of(const Device &device) { return *slabs_[index_of(device)]; }

Device &Storage::gpu_of(Device &device) const {
    if (!device.info().is_host()) return device;
    const auto alive = std::ranges::find_if(devices_, [](const auto &gpu) { return !gpu->failed(); });
    return alive == devices_.end() ? *devices_.front() : **alive;
}

bool Storage::trim() {
    bool any = false;
    for (const auto &slab : slabs_) any |= slab->trim();
    const Hold hold(mutex_);
    for (const auto &windows : unpacked_) any |= windows->drop_all();
    return any;
}

Result<std::shared_ptr<Extent>> Storage::make(
    Copiers &copiers, Device &device, std::uint64_t size, std::uint64_t clear_from) {
    TRY(device.check_alive()); // or a file would be told that there is no room
    std::shared_ptr<Extent> extent = take_from_reserve(device, size);
    if (extent == nullptr) extent = TRY(make_anew(device, size));
    if (clear_from < extent->size()) {
        Copier &copier = copiers.of(device);
        TRY(copier.queue_zero({extent.get(), clear_from, extent->size() - clear_from}));
        TRY(copier.wait());
    }
    return extent;
}

Result<std::shared_ptr<Extent>> Storage::make_anew(Device &device, std::uint64_t size) {
    // A size that can't be rounded up, or that no device has, is refused before the arithmetic can overflow.
    Budget &budget = budget_of(device);
    if (size > budget.capacity()) return Error{ENOSPC, 0, "create extent", format_size(size) + " wanted"};
    const std::uint64_t whole = round_up(size, device.info().granularity);
    TRY(budget.reserve(whole));
    Result<std::shared_ptr<Extent>> extent = Extent::create(keeper_, device, whole);
    if (extent) return charged(*std::move(extent));
    budget.release(whole);
    return extent;
}

Result<std::shared_ptr<Extent>> Storage::adopt(const Keeper::Held &held) {
    if (Device *const device = find(held.device_uuid)) {
        Result<std::shared_ptr<Extent>> extent = Extent::adopt(keeper_, *device, held);
        if (!extent && device->failed()) extent = Extent::adopt(keeper_, *device, held); // by this, perhaps
        if (!extent) return Error(extent.error());
        budget_of(*device).reserve_anyway(held.size);
        return charged(*std::move(extent));
    }
    DeviceInfo unknown;
    unknown.uuid = held.device_uuid;
    return Error{ENODEV, 0, "take over extent",
        "files live on " + unknown.uuid_text() + ", which this mount doesn't use: name it with --device"};
}

Result<std::shared_ptr<Extent>> Storage::take_donation(
    const std::array<std::uint8_t, 16> &device_uuid, std::uint64_t size, Fd memory) {
    Device *const device = find(device_uuid);
    if (device == nullptr || device->info().is_host())
        return Error{ENODEV, 0, "take memory", "the mount doesn't use its device: name it with --device"};
    TRY(device->check_alive());
    if (size == 0 || size % device->info().granularity != 0)
        return Error{EINVAL, 0, "take memory", "its size is no multiple of the device's granularity"};
    Budget &budget = budget_of(*device);
    if (size > budget.capacity()) return Error{ENOSPC, 0, "take memory", format_size(size)};
    const Result<void> reserved = budget.reserve(size);
    if (!reserved) return Error(reserved.error());
    Result<std::shared_ptr<Extent>> extent = Extent::donate(keeper_, *device, size, std::move(memory));
    if (extent) return charged(*std::move(extent));
    budget.release(size);
    return extent;
}

Result<ParityEngine *> Storage::engine_of(Device &device) {
    const Hold hold(mutex_);
    for (const auto &engine : engines_)
        if (&engine->device() == &device && !engine->is_lost()) return engine.get();
    engines_.push_back(TRY(ParityEngine::create(keeper_, device)));
    return engines_.back().get();
}

Result<Digester *> Storage::digester_of(Device &device) {
    const Hold hold(mutex_);
    return find_or_make(digesters_, keeper_, gpu_of(device));
}

Result<Packer *> Storage::packer_of(Device &device) {
    const Hold hold(mutex_);
    return find_or_make(packers_, keeper_, gpu_of(device), nvcomp_);
}

Result<UnpackedWindows *> Storage::unpacked_of(Device &device) {
    const Hold hold(mutex_);
    return find_or_make(unpacked_, keeper_, gpu_of(device));
}

Result<void> Storage::check_parity() {
    for (const auto &device : devices_) {
        const Result<ParityEngine *> engine = engine_of(*device);
        if (!engine && !device->failed()) return Error(engine.error());
    }
    return {};
}

Result<std::shared_ptr<Companion>> Storage::make_parity(const Piece &piece) {
    ParityEngine &engine = *TRY(engine_of(piece.extent->device()));
    if (piece.length % kBlockSize != 0) return Error{EBADMSG, 0, "make parity", "for a piece of less than a block"};
    const std::uint64_t bytes = Parity::size_of(piece.length);
    Budget &budget = budget_of(engine.device());
    TRY(budget.reserve(bytes));
    Result<std::unique_ptr<Parity>> parity = engine.make({piece.extent.get(), piece.offset, piece.length});
    if (parity) return std::shared_ptr<Companion>(std::make_shared<PieceParity>(engine, *std::move(parity), budget));
    budget.release(bytes);
    return Error(parity.error());
}

void Storage::continue_generations(std::uint64_t last) {
    if (last > generation_) generation_ = last;
}

Storage::ParityUse Storage::parity_use() const {
    const Hold hold(mutex_);
    ParityUse use = {};
    for (const auto &engine : engines_) {
        const ParityEngine::Counts counts = engine->counts();
        use.blocks.verified += counts.verified;
        use.blocks.repaired += counts.repaired;
        use.blocks.damaged += counts.damaged;
        use.held += engine->held();
    }
    return use;
}

std::uint64_t Storage::held_by_packers() const {
    const Hold hold(mutex_);
    std::uint64_t held = 0;
    for (const auto &packer : packers_) held += packer->held();
    return held;
}

bool Storage::put_in_reserve(std::shared_ptr<Extent> &extent) {
    if (!extent->device().info().is_host() || extent->size() != host_extent_) return false;
    if (extent->is_exported() || extent->device().failed()) return false;
    const Hold hold(reserve_mutex_);
    reserve_.push_back({std::move(extent), false});
    return true;
}

std::shared_ptr<Extent> Storage::take_from_reserve(const Device &device, std::uint64_t size) {
    constexpr std::uint64_t kWorthIt = 8; // a smaller part of an extent is made sooner than it is missed
    if (!device.info().is_host() || size > host_extent_ || size <= host_extent_ / kWorthIt) return nullptr;
    const Hold hold(reserve_mutex_);
    if (reserve_.empty()) return nullptr;
    std::shared_ptr<Extent> extent = std::move(reserve_.back().extent);
    reserve_.pop_back();
    return charged(std::move(extent));
}

bool Storage::drop_reserve(Reserve which) {
    std::vector<std::shared_ptr<Extent>> dropped;
    {
        const Hold hold(reserve_mutex_);
        std::vector<Reserved> kept;
        for (Reserved &each : reserve_) {
            if (which == Reserve::all || each.is_old)
                dropped.push_back(std::move(each.extent));
            else
                kept.push_back({std::move(each.extent), true});
        }
        reserve_ = std::move(kept);
    }
    for (std::shared_ptr<Extent> &extent : dropped) { // without the lock: 6 ms for 256 MiB (H200)
        const std::uint64_t bytes = extent->size();
        extent.reset();
        host_budget_.release(bytes);
    }
    return !dropped.empty();
}

// Its bytes are reserved already; they are released with the last holder.
std::shared_ptr<Extent> Storage::charged(std::shared_ptr<Extent> extent) {
    Extent *const raw = extent.get();
    const std::uint64_t bytes = raw->size();
    // The deleter holds the extent itself: memory first, then the bytes of the budget.
    Budget &budget = budget_of(raw->device());
    std::atomic<std::uint64_t> &used = used_on_[index_of(raw->device())];
    used += bytes;
    return std::shared_ptr<Extent>(raw, [this, &budget, &used, bytes, held = std::move(extent)](Extent *) mutable {
        used -= bytes;
        if (put_in_reserve(held)) return;
        held.reset();
        budget.release(bytes);
    });
}

std::uint64_t Storage::room_on(const Device &device) const {
    const Budget &budget = budget_of(device);
    return std::min(free_memory(device), budget.capacity() - std::min(budget.used(), budget.capacity()));
}

Device &Storage::choose(std::uint64_t wanted) const {
    if (devices_.size() == 1) return *devices_.front();
    if (placing_.by == PlaceBy::first) {
        const auto found = std::ranges::find_if(
            devices_, [&](const auto &each) { return !each->failed() && room_on(*each) >= wanted; });
        if (found != devices_.end()) return **found;
    }
    if (placing_.by == PlaceBy::near)
        if (Device *const found = choose_near(wanted)) return *found;
    return **std::max_element(devices_.begin(), devices_.end(), has_less_free);
}

// The roomiest of the nearest group that has room; null: none has.
Device *Storage::choose_near(std::uint64_t wanted) const {
    for (const std::vector<Device *> &group : placing_.neighbours->near()) {
        if (group.empty()) continue;
        Device *const found = *std::max_element(group.begin(), group.end(), has_less_free);
        if (!found->failed() && room_on(*found) >= wanted) return found;
    }
    return nullptr;
}

Device *Storage::find(const std::string &name) const {
    for (const auto &device : devices_)
        if (name == std::to_string(device->info().ordinal) || name == device->info().uuid_text()) return device.get();
    if (host_ != nullptr && name == host_->info().uuid_text()) return host_;
    return nullptr;
}

Device *Storage::find(const std::array<std::uint8_t, 16> &uuid) const {
    for (const auto &device : devices_)
        if (device->info().uuid == uuid) return device.get();
    return host_ != nullptr && host_->info().uuid == uuid ? host_ : nullptr;
}

std::uint64_t Storage::extent_max(const Device &device, std::uint64_t size) const {
    if (!device.info().is_host()) return size;
    return std::max(host_extent_, round_up(size / kExtentsPerFileMax, device.info().granularity));
}

Storage::HostSpace Storage::host_space() const {
    const Hold hold(reserve_mutex_);
    return {host_budget_.capacity(), host_budget_.used(), reserve_.size() * host_extent_};
}

Storage::Space Storage::space() {
    trim();
    SlotUse shared = {};
    for (const auto &slab : slabs_) {
        const Slab::Usage usage = slab->usage();
        shared.extents += usage.extents;
        shared.slots += usage.slots;
    }
    std::uint64_t free = 0;
    for (const auto &device : devices_) free += free_memory(*device);
    const std::uint64_t used = budget_.used();
    // What was taken over may be more than the capacity.
    const std::uint64_t left = budget_.capacity() - std::min(used, budget_.capacity());
    return {budget_.capacity(), used, shared, std::min(free, left)};
}

} // namespace gmemfs
