#include "fuse/host/host.hpp"

#include "ecc/nvcomp/places.hpp"
#include "fuse/host/cold_walk.hpp"
#include "fuse/host/log.hpp"
#include "fuse/host/room_maker.hpp"
#include "fuse/host/scrubber.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/simulator_path.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <unistd.h>
#include <utility>

namespace gmemfs {
namespace {

constexpr const char *kDriverLibrary = "libcuda.so.1";

timespec now() {
    timespec time = {};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return time;
}

// As on tmpfs, an inode for every second page of the host's memory. An inode takes about a kilobyte here.
std::uint64_t usual_files_max() { return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) / 2; }

// The simulator reads its machine from the environment. A mount that says nothing else gets a machine of its own, so
// that several of different sizes live side by side, and the next server of the mount point finds it.
Result<std::string> prepare_simulator(const Options &options, const std::string &name) {
    const std::string library = simulator_path();
    if (library.empty())
        return Error{ENOENT, 0, "find the simulator", "sim/libcuda.so.1 is not beside this program: run `make`"};
    ::setenv("GMEMFS_SIM_MACHINE", ("mount-" + name).c_str(), 0);
    if (options.simulate_size != 0) ::setenv("GMEMFS_SIM_DEVICES", std::to_string(options.simulate_size).c_str(), 1);
    return library;
}

Error explain_driver(Error error) {
    if (error.code == ENOENT)
        error.detail += "; install the NVIDIA driver, or try gmemfs without a GPU: gmemfs mount --simulate MOUNTPOINT";
    if (error.code == ENODEV && error.driver != 0)
        error.detail += "; `gmemfs doctor` tells why; without a GPU: gmemfs mount --simulate MOUNTPOINT";
    return error;
}

Error no_such_device(const std::string &name, const std::vector<DeviceInfo> &infos) {
    std::string there;
    for (const DeviceInfo &info : infos)
        there += (there.empty() ? "" : ", ") + std::to_string(info.ordinal) + " (" + info.uuid_text() + ")";
    return Error{ENODEV, 0, "find device", name + ": there is no such device; there are: " + there};
}

} // namespace

Host::Host(const Options &options) : options_(options), saves_(!options.save_file.empty()) {}
Host::~Host() = default;

Result<std::unique_ptr<Host>> Host::create(
    const Options &options, Survival::Start start, DeviceWatch &watch, std::function<pid_t()> caller) {
    std::unique_ptr<Host> host(new Host(options));
    TRY(host->open_driver(start));
    TRY(host->open_devices(start, watch));
    if (options.place == PlaceBy::near)
        host->near_ = std::make_unique<Near>(
            TRY(query_living_devices(*host->driver_)), host->devices_, std::move(caller), Near::Roots());
    const Volume::Limits limits = {.storage = {.capacity = options.capacity,
                                       .quotas = options.quotas,
                                       .verify_reads = options.verify_reads,
                                       .host = host->host_memory_.get(),
                                       .host_capacity = options.host_limit.value_or(0),
                                       .placing = {options.place, host->near_.get()},
                                       .nvcomp = nvcomp_places},
        .files = options.max_files != 0 ? options.max_files : usual_files_max(),
        .protection = options.ecc ? Protection::parity : Protection::none};
    host->volume_ = std::make_unique<Volume>(
        *host->keeper_, host->devices_, limits, Credentials{::geteuid(), ::getegid(), {}}, 0755, now());
    const std::uint64_t capacity = host->volume_->storage().space().capacity;
    if (options.capacity > capacity)
        log(LogLevel::warning, "fuse",
            "capacity: " + format_size(options.capacity) + " is more than the devices have: " + format_size(capacity) +
                " it is");
    if (host->survival_)
        TRY(host->survival_->recover(*host->volume_,
            start == Survival::Start::resumed ? Namespace::KernelMemory::kept : Namespace::KernelMemory::none));
    if (const Result<void> ready = host->volume_->prepare_codecs(); !ready)
        log(LogLevel::warning, "pack", ready.error(), "until then files that nvCOMP has packed can't be read");
    // A server that goes on with a mount must give the generation that the one before gave, so both take the keeper's.
    host->generation_ = static_cast<std::uint32_t>(
        host->survival_ ? host->survival_->keeper().nonce() : static_cast<std::uint64_t>(now().tv_nsec));
    // Now, and not at the first write; and after recovery, which knows whose each extent is that the keeper holds.
    if (options.ecc) TRY(host->volume_->storage().check_parity());
    return host;
}

Result<void> Host::open_driver(Survival::Start start) {
    if (options_.keeper) survival_ = TRY(Survival::create(options_.mount_point));
    const std::string machine = survival_ ? survival_->name() : std::to_string(::getpid());
    std::string library = kDriverLibrary;
    if (options_.simulate) library = TRY(prepare_simulator(options_, machine));
    if (survival_) TRY(survival_->find_keeper(options_, library, start)); // this forks, so not after cuInit
    Result<std::unique_ptr<Driver>> driver = Driver::open(library);
    if (!driver) return options_.simulate ? Error(driver.error()) : explain_driver(driver.error());
    driver_ = *std::move(driver);
    if (survival_) {
        keeper_ = TRY(survival_->greet_keeper(*driver_));
    } else {
        local_keeper_ = std::make_unique<LocalKeeper>(*driver_, options_.handles);
        keeper_ = local_keeper_.get();
    }
    return {};
}

// What the keeper of a dead server holds; nothing where this mount begins anew.
Result<Host::HeldBytes> Host::held_by_dead_server() {
    HeldBytes held;
    if (survival_ == nullptr || !survival_->is_recovery()) return held;
    for (const Keeper::Held &each : TRY(keeper_->list()))
        if (each.device_uuid != kHostUuid) held[each.device_uuid] += each.size;
    return held;
}

// Those that the options name. Where one is gone that a dead server used, ordinals may name others than they did: then
// every device counts that files are on.
Result<std::vector<DeviceInfo>> Host::choose_devices(
    const std::vector<DeviceInfo> &infos, const HeldBytes &held, Survival::Start start) const {
    if (options_.devices.size() == 1 && options_.devices.front() == "all") return infos;
    bool may_lack = start == Survival::Start::resumed; // the first server has found them all
    for (const auto &[uuid, bytes] : held) may_lack |= std::ranges::find(infos, uuid, &DeviceInfo::uuid) == infos.end();
    std::vector<DeviceInfo> chosen;
    const auto choose = [&](const DeviceInfo &info) {
        const bool is_twice = std::ranges::find(chosen, info.ordinal, &DeviceInfo::ordinal) != chosen.end();
        if (!is_twice) chosen.push_back(info);
    };
    for (const std::string &name : options_.devices) {
        const auto found = std::ranges::find_if(infos,
            [&](const DeviceInfo &info) { return name == std::to_string(info.ordinal) || name == info.uuid_text(); });
        if (found != infos.end())
            choose(*found);
        else if (may_lack)
            log(LogLevel::warning, "fuse", no_such_device(name, infos), "the mount goes on without it");
        else
            return no_such_device(name, infos);
    }
    for (const DeviceInfo &info : infos)
        if (may_lack && held.contains(info.uuid)) choose(info);
    return chosen;
}

Result<std::unique_ptr<Device>> Host::open_device(const DeviceInfo &info) {
    // Asked once at the start, so that a policy that can't be kept is known now.
    Result<Keeper::Id> probe = keeper_->create(info, info.granularity);
    if (!probe && probe.error().code != ENOSPC && options_.handles == HandlePolicy::fabric)
        return Error{probe.error().code, probe.error().driver, "mount with --handles=fabric",
            "this machine refuses fabric handles: `gmemfs doctor` has the command that makes the IMEX channel"};
    // A full device is no reason to refuse, because a server that takes over may well find one.
    if (!probe && probe.error().code != ENOSPC) return Error(probe.error());
    if (probe) keeper_->release(*probe);
    return Device::open(*driver_, info);
}

Result<void> Host::open_devices(Survival::Start start, DeviceWatch &watch) {
    const std::vector<DeviceInfo> infos = TRY(query_living_devices(*driver_));
    const HeldBytes held = TRY(held_by_dead_server());
    const std::vector<DeviceInfo> chosen = TRY(choose_devices(infos, held, start));
    if (chosen.empty()) return Error{ENODEV, 0, "find device", "the driver shows none"};
    std::optional<Error> first;
    bool is_any_alive = false;
    for (const DeviceInfo &info : chosen) {
        Result<std::unique_ptr<Device>> opened = open_device(info);
        if (!opened && !first) first = opened.error();
        // A mount that begins anew is told, and one that has files goes on with those that it reaches.
        if (!opened && (survival_ == nullptr || !survival_->is_recovery())) return Error(*first);
        if (!opened) log(LogLevel::error, "fuse", opened.error(), "device " + info.uuid_text());
        is_any_alive |= opened.has_value();
        devices_.push_back(opened ? *std::move(opened) : Device::make_lost(*driver_, info));
        devices_.back()->set_watch(watch);
    }
    if (!is_any_alive) return Error(*first);
    for (const auto &[uuid, bytes] : held) {
        if (std::ranges::find(infos, uuid, &DeviceInfo::uuid) != infos.end()) continue;
        DeviceInfo gone;
        gone.ordinal = -1;
        gone.uuid = uuid;
        gone.name = "a device that the driver doesn't show";
        gone.total = bytes; // or its files would take the room of others
        gone.granularity = chosen.front().granularity;
        devices_.push_back(Device::make_lost(*driver_, gone));
    }
    return open_host_memory();
}

Result<void> Host::open_host_memory() {
    if (options_.host_limit == 0U) return {};
    std::vector<DeviceInfo> alive;
    std::vector<const Device *> carriers;
    for (const auto &device : devices_) {
        if (device->failed()) continue;
        carriers.push_back(device.get());
        alive.push_back(device->info());
    }
    if (carriers.empty()) return Error{EIO, 0, "use host memory", "every device is lost"};
    const Result<DeviceInfo> memory = DeviceInfo::query_host(*driver_, alive);
    if (memory) {
        host_memory_ = TRY(Device::open(*driver_, *memory));
        host_memory_->set_carriers(std::move(carriers));
    } else if (options_.host_after > 0 || options_.host_limit || options_.make_room == RoomBy::host) {
        return Error(memory.error());
    }
    return {};
}

void Host::start_walks(Front &front) {
    if (options_.scrub_rate > 0)
        scrubber_ = std::make_unique<Scrubber>(
            *volume_, stats_, options_.scrub_rate, std::chrono::seconds(options_.scrub_every));
    const ColdWalk::Ages ages = {std::chrono::seconds(options_.pack_after), std::chrono::seconds(options_.host_after)};
    cold_walk_ = std::make_unique<ColdWalk>(*volume_, front, ages);
    if (options_.make_room == RoomBy::none) return;
    room_maker_ = std::make_unique<RoomMaker>(*volume_, front, options_.make_room);
    volume_->make_room_by([maker = room_maker_.get()](
                              const Caller &caller, const Inode &inode) { return maker->make_room(caller, inode); });
}

void Host::stop_walks() { scrubber_.reset(), cold_walk_.reset(); }

Result<void> Host::set_at_end(AtEnd what) {
    if (what == AtEnd::save && options_.save_file.empty())
        return Error{
            EINVAL, 0, "save at the end", "the mount has no file for it: mount it with --on-shutdown=save:FILE"};
    saves_ = what == AtEnd::save;
    if (survival_ && saves_) return write_private(survival_->folder().unsaved_path(), "");
    if (survival_) ::unlink(survival_->folder().unsaved_path().c_str());
    return {};
}

} // namespace gmemfs
