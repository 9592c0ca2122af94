// Parts: where the bytes of a file in a mount lie, as `user.gmemfs.extents` tells it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gmemfs {

struct PlacedPart {
    std::uint64_t offset = 0, length = 0;
    std::string device; ///< its UUID's text, or "host"
    bool operator==(const PlacedPart &) const = default;
};

/// The file's first `size` bytes by device, neighbours of one device together, in the order of the file. Empty: the
/// mount doesn't tell it, or not of all of them; a file of more extents than an attribute holds is such a one.
std::vector<PlacedPart> read_parts(int fd, std::uint64_t size);
/// The same of the attribute's text.
std::vector<PlacedPart> parse_parts(const std::string &text, std::uint64_t size);

} // namespace gmemfs
