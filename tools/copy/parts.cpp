#include "tools/copy/parts.hpp"

#include "vmm/base/limits.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <sys/xattr.h>

namespace gmemfs {

std::vector<PlacedPart> parse_parts(const std::string &text, std::uint64_t size) {
    std::vector<PlacedPart> parts;
    std::uint64_t end = 0; // of what is known
    const nlohmann::json list = nlohmann::json::parse(text, nullptr, false);
    if (!list.is_array()) return {};
    for (const nlohmann::json &extent : list) {
        if (!extent.is_object() || !extent.value("device", nlohmann::json()).is_string()) return {};
        if (end >= size) break;
        if (extent.value("offset", nlohmann::json()) != end) return {};
        const nlohmann::json length = extent.value("length", nlohmann::json());
        if (!length.is_number_unsigned()) return {};
        const std::uint64_t taken = std::min(length.get<std::uint64_t>(), size - end);
        const auto device = extent.at("device").get<std::string>();
        if (!parts.empty() && parts.back().device == device)
            parts.back().length += taken;
        else
            parts.push_back({end, taken, device});
        end += taken;
    }
    return end == size ? parts : std::vector<PlacedPart>();
}

std::vector<PlacedPart> read_parts(int fd, std::uint64_t size) {
    std::string text(kXattrSizeMax, '\0');
    const ssize_t length = ::fgetxattr(fd, "user.gmemfs.extents", text.data(), text.size());
    if (length < 0) return {};
    text.resize(static_cast<std::size_t>(length));
    return parse_parts(text, size);
}

} // namespace gmemfs
