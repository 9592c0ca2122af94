#include "vmm/memory/extent.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace gmemfs {
namespace {

// 32 MiB take 0.9 ms through the host, as long as it takes to give access to a first extent of 64 MiB (two H200).
constexpr std::uint64_t kWorthAccess = 32 * MiB;

} // namespace

Result<std::shared_ptr<Extent>> Extent::create(Keeper &keeper, Device &device, std::uint64_t size) {
    TRY(device.check_alive());
    const std::uint64_t whole = round_up(size, device.info().granularity);
    const Keeper::Id id = TRY(keeper.create(device.info(), whole));
    std::shared_ptr<Extent> extent(new Extent(keeper, device, id, whole)); // gives the memory back if mapping fails
    extent->mapping_.emplace(TRY(keeper.map(id, whole)));
    TRY(extent->open_first());
    return extent;
}

Result<std::shared_ptr<Extent>> Extent::donate(Keeper &keeper, Device &device, std::uint64_t size, Fd memory) {
    const Result<Keeper::Id> id = keeper.donate(device.info(), size, std::move(memory));
    if (!id) return Error(id.error());
    std::shared_ptr<Extent> extent(new Extent(keeper, device, *id, size));
    extent->exported_.store(true, std::memory_order_release);
    Result<Mapping> mapping = keeper.map(*id, size);
    if (!mapping && mapping.error().driver == 0) return Error(mapping.error());
    if (!mapping) return Error{EINVAL, mapping.error().driver, "take memory", mapping.error().text()};
    extent->mapping_.emplace(*std::move(mapping));
    return extent;
}

Result<std::shared_ptr<Extent>> Extent::adopt(Keeper &keeper, Device &device, const Keeper::Held &held) {
    std::shared_ptr<Extent> extent(new Extent(keeper, device, held.id, held.size));
    extent->exported_.store(held.is_exported, std::memory_order_release);
    if (!device.check_alive()) return extent;
    Result<Mapping> mapping = keeper.map(held.id, held.size);
    Result<void> opened = mapping ? Result<void>() : Error(mapping.error());
    if (mapping) {
        extent->mapping_.emplace(*std::move(mapping));
        opened = extent->open_first();
    }
    if (opened) return extent;
    device.heard(opened.error());
    extent->abandon(); // what can't be mapped now isn't lost for that
    return Error(opened.error());
}

Result<void> Extent::open_first() {
    const Hold hold(mutex_);
    if (!mapping_) return device_.check_alive();
    if (!is_open_) TRY(mapping_->open(device_.info()));
    is_open_.store(true, std::memory_order_release);
    return {};
}

Result<FabricHandle> Extent::export_fabric() {
    const Hold hold(mutex_);
    if (!fabric_) {
        fabric_ = TRY(keeper_.export_fabric(id_));
        exported_.store(true, std::memory_order_release);
    }
    return *fabric_;
}

Result<Fd> Extent::export_fd() {
    Fd fd = TRY(keeper_.export_fd(id_));
    exported_.store(true, std::memory_order_release);
    return fd;
}

Result<bool> Extent::let_in(const Device &user, std::uint64_t bytes) {
    const Hold hold(mutex_);
    auto known = std::ranges::find(users_, &user, &User::device);
    if (known == users_.end()) known = users_.insert(users_.end(), {&user});
    known->copied += bytes;
    if (mapping_ && known->access == User::Access::none && known->copied >= kWorthAccess) {
        const Result<void> given = mapping_->let_in(device_.info(), user.info());
        if (!given && given.error().code != EXDEV) return Error(given.error());
        known->access = given ? User::Access::given : User::Access::impossible;
    }
    return known->access == User::Access::given;
}

} // namespace gmemfs
