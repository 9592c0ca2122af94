// probe: whether a device serves a new process; a server asks it that has lost one, nobody calls it (docs/keeper.md).
#include "tools/host/command.hpp"
#include "vmm/keeper/local.hpp"
#include "vmm/memory/copier.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace gmemfs {
namespace {

bool lacks_room(const Error &error) { return error.code == ENOSPC || error.code == ENOMEM; }

// A full device is well: the server that takes over makes its context in the room that the dead one leaves.
Result<void> probe(const std::string &library, const std::string &uuid) {
    const std::unique_ptr<Driver> driver = TRY(Driver::open(library));
    const std::vector<DeviceInfo> infos = TRY(query_living_devices(*driver));
    const auto found = std::ranges::find(infos, uuid, &DeviceInfo::uuid_text);
    if (found == infos.end()) return Error{ENODEV, 0, "find device", uuid};
    const Result<std::unique_ptr<Device>> device = Device::open(*driver, *found);
    if (!device) return lacks_room(device.error()) ? Result<void>() : Error(device.error());
    LocalKeeper keeper(*driver, HandlePolicy::fd);
    const Result<std::shared_ptr<Extent>> extent = Extent::create(keeper, **device, found->granularity);
    if (!extent) return lacks_room(extent.error()) ? Result<void>() : Error(extent.error());
    Copier copier = TRY(Copier::create(**device));
    std::array<std::byte, 4096> sent, received{};
    sent.fill(std::byte(0x5a));
    TRY(copier.write({extent->get(), 0, sent.size()}, sent));
    TRY(copier.read({extent->get(), 0, received.size()}, received));
    if (sent != received) return Error{EIO, 0, "compare what was copied", "it isn't the same"};
    return {};
}

} // namespace

int run_probe(int argc, char **argv) {
    if (argc != 3) {
        std::fputs("gmemfs probe: a server asks it about a device that it has lost; see `gmemfs doctor`\n", stderr);
        return kUsage;
    }
    const Result<void> probed = probe(argv[1], argv[2]);
    return probed ? 0 : fail(probed.error());
}

} // namespace gmemfs
