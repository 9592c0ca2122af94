#include "tools/remote/pieces.hpp"

#include "tools/copy/verify.hpp"
#include "tools/host/side_by_side.hpp"
#include "vmm/base/all_bytes.hpp"

#include <algorithm>
#include <atomic>

namespace gmemfs {

Result<std::vector<Digest>> read_pieces(int fd, std::uint64_t size, unsigned threads) {
    const std::uint64_t count = std::min<std::uint64_t>((size + kPiece - 1) / kPiece, kPiecesMost);
    std::vector<Digest> digests(count);
    std::atomic<std::uint64_t> next = 0, end = count; // end: of those that are whole
    const unsigned side_by_side =
        static_cast<unsigned>(std::min<std::uint64_t>(threads, std::max<std::uint64_t>(count, 1)));
    TRY(run_side_by_side(side_by_side, [&](const std::function<bool()> &must_end) -> Result<void> {
        std::vector<std::byte> bytes(kPiece);
        for (std::uint64_t piece = next++; piece < count && !must_end(); piece = next++) {
            const std::uint64_t at = piece * kPiece, length = std::min(kPiece, size - at);
            const std::span<std::byte> part = std::span(bytes).first(length);
            if (TRY(read_until_end(fd, part, at, is_interrupted)) == length)
                digests[piece] = TRY(make_digest(part));
            else
                end = std::min<std::uint64_t>(end, piece);
        }
        return {};
    }));
    digests.resize(end);
    return digests;
}

std::vector<std::uint32_t> missing_pieces(
    std::uint64_t size, const std::vector<Digest> &mine, const std::vector<Digest> &have) {
    std::vector<std::uint32_t> missing;
    const std::uint64_t count = (size + kPiece - 1) / kPiece;
    for (std::uint64_t piece = 0; piece < count; ++piece)
        if (piece >= mine.size() || piece >= have.size() || mine[piece] != have[piece])
            missing.push_back(static_cast<std::uint32_t>(piece));
    return missing;
}

} // namespace gmemfs
