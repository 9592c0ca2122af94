#include "fuse/core/space/placement.hpp"

#include "fuse/core/space/storage.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace gmemfs {
namespace {

constexpr std::string_view kAutomatic = "auto", kSpread = "spread", kInterleave = "interleave";

Error refused(std::string why) { return {EINVAL, 0, "place", std::move(why)}; }

std::optional<int> number_of(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_number = error == std::errc() && end == text.data() + text.size() && number >= 0;
    return is_number ? std::optional(number) : std::nullopt;
}

std::string_view take_until(std::string_view &text, char separator) {
    const std::size_t at = std::min(text.find(separator), text.size());
    const std::string_view head = text.substr(0, at);
    text.remove_prefix(std::min(at + 1, text.size()));
    return head;
}

std::string short_size(std::uint64_t unit) {
    return unit % GiB == 0 ? std::to_string(unit / GiB) + "G" : std::to_string(unit / MiB) + "M";
}

Result<std::uint64_t> read_unit(std::string_view text) {
    const Result<std::uint64_t> unit = parse_size(std::string(text));
    if (!unit) return Error{EINVAL, 0, "place", std::string(text) + ": it is no size, such as 64M"};
    if (*unit < Placement::kUnitMin || *unit % Placement::kUnitMin != 0)
        return refused(std::string(text) + ": a unit is a multiple of " + format_size(Placement::kUnitMin));
    return *unit;
}

} // namespace

bool Placement::has(const Device &device) const {
    return home == &device || std::ranges::find(others, &device) != others.end();
}

std::uint64_t Placement::granularity() const {
    std::uint64_t most = home->info().granularity;
    for (const Device *const other : others) most = std::max(most, other->info().granularity);
    return most;
}

std::uint64_t Placement::share(std::uint64_t size) const {
    if (unit != 0) return unit;
    const std::uint64_t granule = granularity(), granules = (size + granule - 1) / granule;
    return (granules + count() - 1) / count() * granule;
}

std::uint64_t Placement::part_count(std::uint64_t size) const {
    if (size == 0) return 0;
    if (!is_wide()) return 1;
    return (size - 1) / share(size) + 1;
}

std::vector<Placement::Part> Placement::parts(std::uint64_t size) const {
    std::vector<Part> parts;
    const std::uint64_t part_length = is_wide() ? share(size) : size;
    for (std::uint64_t offset = 0; offset < size; offset += part_length)
        parts.push_back({&device(parts.size() % count()), offset, std::min(part_length, size - offset)});
    return parts;
}

Result<std::vector<Device *>> read_devices(const Storage &storage, std::string_view text) {
    constexpr int kOrdinalMax = 1023; // so that a range that nobody means is refused at once
    std::vector<Device *> devices;
    const auto add = [&](const std::string &name) -> Result<void> {
        Device *const device = storage.find(name);
        if (device == nullptr || device->info().is_host()) return refused(name + ": this mount uses no such device");
        if (std::ranges::find(devices, device) != devices.end()) return refused(name + ": it is named twice");
        devices.push_back(device);
        return {};
    };
    for (std::string_view left = text; !left.empty();) {
        const std::string_view item = take_until(left, ',');
        std::string_view behind = item;
        const std::optional<int> first = number_of(take_until(behind, '-')), last = number_of(behind);
        if (!first || !last) {
            TRY(add(std::string(item)));
            continue;
        }
        if (*first > *last || *last > kOrdinalMax) return refused(std::string(item) + ": it is no range of devices");
        for (int ordinal = *first; ordinal <= *last; ++ordinal) TRY(add(std::to_string(ordinal)));
    }
    if (devices.empty()) return refused("the list of devices is empty");
    return devices;
}

std::string devices_text(const std::vector<Device *> &devices) {
    std::string text;
    for (std::size_t index = 0; index < devices.size();) {
        const int first = devices[index]->info().ordinal;
        int last = first;
        for (++index; index < devices.size() && devices[index]->info().ordinal == last + 1; ++index) ++last;
        text += (text.empty() ? "" : ",") + std::to_string(first);
        if (last != first) text += "-" + std::to_string(last);
    }
    return text;
}

Result<Placement> read_placement(const Storage &storage, std::string_view text) {
    if (Device *const one = storage.find(std::string(text))) return Placement(one);
    Placement placement;
    if (text == kAutomatic) {
        placement.is_automatic = true;
        return placement;
    }
    std::string_view left = text;
    const std::string_view kind = take_until(left, ':');
    if (kind != kSpread && kind != kInterleave) return refused(std::string(text) + ": this mount uses no such device");
    const bool ends_early = text.ends_with(':') || (kind == kInterleave && left.empty());
    if (ends_early)
        return refused(std::string(text) + ": it is spread:DEVICES or interleave:SIZE:DEVICES, such as spread:0-1");
    if (kind == kInterleave) placement.unit = TRY(read_unit(take_until(left, ':')));
    std::vector<Device *> devices;
    if (left.empty())
        for (const auto &device : storage.devices()) {
            if (!device->failed()) devices.push_back(device.get());
        }
    else
        devices = TRY(read_devices(storage, left));
    if (devices.empty()) return refused("every device is lost");
    placement.home = devices.front();
    placement.others.assign(devices.begin() + 1, devices.end());
    if (placement.others.empty()) placement.unit = 0;
    return placement;
}

Result<std::string> placement_text(const Storage &storage, const Placement &placement) {
    if (placement.is_wide()) {
        std::string text(placement.unit == 0 ? kSpread : kInterleave);
        if (placement.unit != 0) text += ":" + short_size(placement.unit);
        std::vector<Device *> devices = {placement.home};
        devices.insert(devices.end(), placement.others.begin(), placement.others.end());
        text += ":" + devices_text(devices);
        return text;
    }
    if (placement.home != nullptr) return placement.home->info().uuid_text();
    if (placement.is_automatic) return std::string(kAutomatic);
    if (storage.devices().size() == 1) return storage.devices().front()->info().uuid_text();
    return Error{ENODATA, 0, "read attribute", "it is open yet which device it will be"};
}

} // namespace gmemfs
