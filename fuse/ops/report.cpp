#include "fuse/ops/report.hpp"

#include "fuse/broker/broker.hpp"
#include "fuse/host/scrubber.hpp"
#include "fuse/session/server.hpp"
#include "fuse/session/workers.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <unistd.h>

namespace gmemfs {
namespace {

using nlohmann::json;

json describe(const Device &device, const Storage &storage) {
    const DeviceInfo &info = device.info();
    json found = {{"ordinal", info.ordinal}, {"uuid", info.uuid_text()}, {"name", info.name}, {"total", info.total},
        {"failed", device.failed()}, {"lost", device.failed()}, {"used", storage.used_on(device)}};
    if (const auto memory = device.memory()) found["free"] = memory->free;
    return found;
}

json describe_keeper(const Survival *survival) {
    if (survival == nullptr) return "off";
    if (survival->keeper().is_dead()) return "dead";
    return survival->keeper().is_stopped() ? "stopped" : "alive";
}

json describe_folder(const Survival *survival) {
    if (survival == nullptr) return nullptr;
    return {{"path", survival->folder().path()}, {"lost", survival->is_folder_lost()}};
}

json describe_broker(const Server &server) {
    if (server.broker() != nullptr) return "listens";
    return server.awaits_broker() ? "begins" : "off";
}

json describe_end(const Host &host) {
    if (!host.saves()) return nullptr;
    return {{"save", host.options().save_file}, {"unsaved", host.survival()->folder().unsaved_path()}};
}

json count_requests(const Stats &stats) {
    json counts = json::object();
    for (std::size_t index = 0; index < kOpCount; ++index) {
        const Op op = static_cast<Op>(index);
        if (stats.requests(op) != 0) counts[op_name(op)] = stats.requests(op);
    }
    return counts;
}

json describe_scrub(const Scrubber *scrubber) {
    if (scrubber == nullptr) return "off";
    const Scrubber::Counts counts = scrubber->counts();
    return {{"passes", counts.passes}, {"blocks_scrubbed", counts.scrubbed}, {"blocks_repaired", counts.repaired},
        {"blocks_damaged", counts.damaged}, {"failed", counts.failed}};
}

} // namespace

json report(Server &server) {
    Host &host = server.host();
    const Options &options = host.options();
    const Storage::Space space = host.volume().storage().space();
    const PackedCount::Sums packed = host.volume().storage().packed().sums();
    const PackedCount::Sums in_host = host.volume().storage().in_host().sums();
    const Storage::HostSpace host_space = host.volume().storage().host_space();
    const Storage::ParityUse parity = host.volume().storage().parity_use();
    json quotas = json::object();
    for (const auto &[user, quota] : host.volume().storage().quotas().report())
        quotas[std::to_string(user)] = {{"limit", quota.limit}, {"used", quota.used}};
    json devices = json::array();
    for (const auto &device : host.devices()) devices.push_back(describe(*device, host.volume().storage()));
    return {
        {"version", GMEMFS_VERSION},
        {"server_pid", ::getpid()},
        {"mountpoint", options.mount_point},
        {"driver", {{"library", host.driver().library}, {"version", host.driver().version}}},
        {"simulated", options.simulate},
        {"devices", std::move(devices)},
        {"on_shutdown", describe_end(host)},
        {"handles", word_of(options.handles)},
        {"keeper", describe_keeper(host.survival())},
        {"runtime_folder", describe_folder(host.survival())},
        {"supervised", host.options().supervisor >= 0},
        {"workers", server.workers().count()},
        {"transport", server.workers().transport() == Transport::io_uring ? "io_uring" : "read"},
        {"ring_requests", server.workers().ring_requests()},
        {"capacity", space.capacity},
        {"used", space.used},
        {"available", space.available},
        {"shared", {{"extents", space.shared.extents}, {"slots", space.shared.slots}}},
        {"scrub", describe_scrub(host.scrubber())},
        {"parity", {{"held", parity.held}, {"blocks_verified", parity.blocks.verified},
                       {"blocks_repaired", parity.blocks.repaired}, {"blocks_damaged", parity.blocks.damaged}}},
        {"packed", {{"files", packed.files}, {"plain", packed.plain}, {"held", packed.held}}},
        {"host", {{"capacity", host_space.capacity}, {"used", host_space.used}, {"reserve", host_space.reserve},
                     {"files", in_host.files}, {"plain", in_host.plain}, {"held", in_host.held}}},
        {"quotas", std::move(quotas)},
        {"files_max", host.volume().names().inodes_max()},
        {"files", host.volume().names().count()},
        {"unlinked", host.volume().names().orphan_count()},
        {"broker", describe_broker(server)},
        {"peers", server.broker() == nullptr ? 0 : server.broker()->peer_count()},
        {"leases", server.broker() == nullptr ? 0 : server.broker()->lease_count()},
        {"requests", count_requests(host.stats())},
        {"errors", host.stats().errors()},
        {"bytes_read", host.stats().bytes_read()},
        {"bytes_written", host.stats().bytes_written()},
    };
}

} // namespace gmemfs
