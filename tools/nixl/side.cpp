#include "tools/nixl/side.hpp"

namespace gmemfs {

Result<NixlSlots *> NixlSide::slots_for(const NixlFile &file) {
    std::unique_ptr<NixlSlots> &slots = file.device() != nullptr ? pinned_ : plain_;
    if (!slots) slots = TRY(NixlSlots::create(agent_, file.device(), settings_.slots));
    return slots.get();
}

Result<std::vector<NixlRegistered>> NixlSide::register_memory(const NixlFile &file, std::string &memory_says) {
    using Memory = NixlSettings::Memory;
    std::vector<NixlRegistered> registered;
    const auto staging = [&](const std::string &why) -> Result<std::vector<NixlRegistered>> {
        if (settings_.memory == Memory::device) return Error{ENOTSUP, 0, "register the device's memory", why};
        memory_says = "staging: " + why;
        return std::vector<NixlRegistered>();
    };
    if (settings_.memory == Memory::staging) return staging("it was asked for");
    if (file.device() == nullptr) return staging("the file isn't mapped from a device");
    if (file.is_simulated()) return staging("a simulated device's memory is the host's");
    for (const NixlFile::Memory &memory : file.memory()) {
        const NixlTargetRegion region = {
            memory.offset, memory.length, memory.address, static_cast<std::uint64_t>(memory.ordinal)};
        Result<NixlRegion> owner = agent_.add({NixlMemory::device, region.address, region.length, region.device});
        if (!owner) return staging(words_of(owner.error()));
        registered.push_back({region, *std::move(owner)});
    }
    if (registered.empty()) return staging("the mount doesn't tell the file's extents");
    if (registered.size() > kNixlRegionsMost) return staging("the file has too many extents");
    memory_says = "device";
    return registered;
}

} // namespace gmemfs
