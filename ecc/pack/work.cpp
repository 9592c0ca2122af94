#include "ecc/pack/work.hpp"

#include <cerrno>
#include <string>

namespace gmemfs {
namespace {

Error about_chunk(int code, const char *doing, std::uint64_t chunk, const char *detail) {
    return {code, 0, doing, "chunk " + std::to_string(chunk) + ": " + detail};
}

} // namespace

Result<void> verdict_of(const PackFindings &found) {
    if (found.checksum_wrong != PackFindings::kNoChunk)
        return about_chunk(EIO, "check packed image", found.checksum_wrong, "its checksum is wrong");
    if (found.malformed != PackFindings::kNoChunk)
        return about_chunk(EBADMSG, "decode packed image", found.malformed, "its bytes contradict themselves");
    return {};
}

Result<void> verdict_of_comparison(const PackFindings &found) {
    if (found.different == PackFindings::kNoChunk) return {};
    return about_chunk(EIO, "compare packed image", found.different, "it isn't what it was made from");
}

std::vector<ImageEntry> entries_from(std::span<const ImageEntry> entries, std::uint64_t start) {
    std::vector<ImageEntry> moved(entries.begin(), entries.end());
    for (ImageEntry &entry : moved) entry.place -= static_cast<std::uint32_t>(start / kPlaceUnit);
    return moved;
}

} // namespace gmemfs
