// Batch work: what a batch is, and what its result tells. Plain values.
#pragma once

#include "ecc/batch/codec.hpp"

#include <cstddef>
#include <cstdint>

namespace gmemfs {

enum class Direction { pack, unpack };
enum class PageMemory { host, device };
enum class Backend { automatic, cpu, gpu };

/// Why a batch went where it did.
enum class Choice {
    named,    ///< the caller named the back end
    only,     ///< the GPU can't, or may not (a batch without checksums), or its memory is full
    model,    ///< the model that is kept for this machine
    measured, ///< no model knew: both were measured first, on this ring
};

/// N pages, and a stream for each. The memory is the caller's, and stays until the batch has ended.
struct BatchWork {
    Direction direction = Direction::pack;
    Algorithm algorithm = Algorithm::lz4;
    Backend backend = Backend::automatic;
    PageMemory memory = PageMemory::host;
    std::size_t page_size = 0;
    std::uint64_t page_count = 0;
    std::uint64_t pages = 0;            ///< address of the first page, of host or device memory; the others lie behind
    std::byte *packed = nullptr;        ///< host memory: the streams, one behind the other
    std::uint64_t packed_size = 0;      ///< bytes there: room (pack), or all streams together (unpack)
    std::uint32_t *sizes = nullptr;     ///< one a page
    std::uint32_t *checksums = nullptr; ///< CRC32C of each stream; null: none are wanted (pack), or known (unpack)

    std::uint64_t plain_size() const { return page_size * page_count; }
    std::byte *host_pages() const {
        return reinterpret_cast<std::byte *>(pages); // NOLINT(performance-no-int-to-ptr): addresses of either memory
    }
    /// EINVAL: sizes, counts or addresses that make no sense.
    Result<void> check() const;
};

/// Nanoseconds of wall time.
struct BatchTimes {
    std::uint64_t to_device_ns = 0, compute_ns = 0, from_device_ns = 0, total_ns = 0;
    /// Computing took at least five times as long as both transfers.
    bool compute_outweighs() const { return compute_ns > 0 && compute_ns / 5 >= to_device_ns + from_device_ns; }
};

struct BatchReport {
    BatchTimes times;
    std::uint64_t plain_size = 0;  ///< bytes of all pages
    std::uint64_t packed_size = 0; ///< all streams together
    Backend backend = Backend::cpu;
    Choice choice = Choice::named;
    std::uint64_t predicted_ns = 0; ///< by the model, of what was chosen; 0 where nobody predicted
    std::uint64_t measuring_ns = 0; ///< before this batch; 0 where nothing had to be measured
};

const char *name_of(Direction direction);
const char *name_of(PageMemory memory);
const char *name_of(Backend backend);
const char *name_of(Choice choice);

} // namespace gmemfs
