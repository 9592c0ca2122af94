// Fuzzer: what the other host's helper says by NIXL, or a caller: decoded within its limits, or refused.
#include "tools/nixl/message.hpp"

namespace {

using namespace gmemfs;

void check_target(const NixlTargetInfo &info) {
    std::uint64_t at = 0;
    for (const NixlTargetRegion &region : info.regions) {
        GMEMFS_ASSERT(region.offset == at && region.length > 0 && region.address + region.length > region.address);
        at += region.length;
    }
    GMEMFS_ASSERT(info.regions.empty() || at == info.size);
    GMEMFS_ASSERT(!info.regions.empty() || (info.slot_count > 0 && info.slot_size > 0));
    GMEMFS_ASSERT(info.regions.size() <= kNixlRegionsMost);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    if (size == 0) return 0;
    const std::span<const std::byte> given(reinterpret_cast<const std::byte *>(bytes), size);
    // What is understood says the same when it is said again.
    if (const Result<NixlTargetInfo> info = decode_nixl_target(given)) {
        check_target(*info);
        GMEMFS_ASSERT(encode(*info).size() == size);
        GMEMFS_ASSERT(*decode_nixl_target(encode(*info)) == *info);
    }
    if (const Result<NixlNote> note = decode_nixl_note(given)) {
        GMEMFS_ASSERT(note->length <= kNixlSlotMost && note->total <= kNixlFileMost);
        GMEMFS_ASSERT(note->offset + note->length <= kNixlFileMost);
        GMEMFS_ASSERT(encode(*note).size() == size);
        GMEMFS_ASSERT(*decode_nixl_note(encode(*note)) == *note);
    }
    if (const Result<NixlRequest> request = decode_nixl_request(given)) {
        GMEMFS_ASSERT(request->ranges.size() <= kNixlRangesMost);
        GMEMFS_ASSERT(encode(*request).size() == size);
    }
    if (const Result<NixlAnswer> answer = decode_nixl_answer(given)) {
        GMEMFS_ASSERT((answer->code > 0) == (answer->kind == NixlAnswer::Kind::failed));
        GMEMFS_ASSERT(encode(*answer).size() == size);
    }
    return 0;
}
