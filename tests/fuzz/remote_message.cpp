// Fuzzer: a frame from another host: decoded to what is within its limits, or refused.
#include "tools/remote/message.hpp"

#include <algorithm>

namespace {

using namespace gmemfs;

template <typename T>
void check(const Result<T> &result) {
    // What another side claims to have failed with is any errno.
    if (!result) GMEMFS_ASSERT(result.error().code > 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    if (size == 0 || size > kFrameMost) return 0;
    Frame frame;
    frame.kind = static_cast<FrameKind>(bytes[0] % 16);
    const auto *const body = reinterpret_cast<const std::byte *>(bytes);
    frame.body.assign(body + 1, body + size);
    check(decode_hello(frame));
    check(decode_list(frame));
    check(decode_listed(frame));
    check(decode_listed_entry(frame));
    check(decode_warning(frame));
    check(decode_taken(frame));
    check(decode_sent(frame));
    check(decode_land(frame));
    check(decode_done(frame));
    if (const Result<Fetch> fetch = decode_fetch(frame)) {
        GMEMFS_ASSERT(fetch->have.size() <= kPiecesMost && fetch->transport_says.size() <= kTransportMost);
        GMEMFS_ASSERT(encode(*fetch).size() == frame.body.size());
    }
    if (const Result<Data> data = decode_data(frame)) GMEMFS_ASSERT(data->bytes.size() <= kDataMost);
    if (const Result<Coming> opened = decode_coming(frame)) {
        std::uint64_t at = 0;
        for (const ByteRange &range : opened->ranges()) {
            GMEMFS_ASSERT(range.length > 0 && range.offset >= at && range.offset + range.length <= opened->size);
            at = range.offset + range.length;
        }
    }
    return 0;
}
