// Pieces: what of a file is there already, by the digests of its pieces of 16 MiB.
#pragma once

#include "tools/remote/message.hpp"

#include <vector>

namespace gmemfs {

/// The digests of the file's first pieces, on `threads` threads, kPiecesMost at the most; the last piece may be short.
/// Fewer where the file becomes shorter meanwhile. EINTR. Else pread(2)'s errors.
Result<std::vector<Digest>> read_pieces(int fd, std::uint64_t size, unsigned threads);

/// Which pieces of a file of `size` bytes with the digests `mine` come: those that `have` hasn't. Pieces behind both
/// come, too.
std::vector<std::uint32_t> missing_pieces(
    std::uint64_t size, const std::vector<Digest> &mine, const std::vector<Digest> &have);

} // namespace gmemfs
