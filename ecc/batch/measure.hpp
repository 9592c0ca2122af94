// Measurement: times batches of made-up pages on a slot, for models.
#pragma once

#include "ecc/batch/batch_slot.hpp"
#include "ecc/batch/model.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace gmemfs {

/// Pages like those of processes' memory: words from a small stock, numbers that count up, zeros, and bytes at random.
/// LZ4 packs 4 KiB of them to about a half. The same for one seed.
void fill_with_pages(std::span<std::byte> bytes, std::uint64_t seed);

/// The same pages for each run. On the slot's thread. Not thread-safe.
class Measurement {
public:
    /// Of `page_count` pages; those of the device are there, too, where `memory` is device. ENOMEM, ENOSPC.
    static Result<std::unique_ptr<Measurement>> create(
        BatchSlot &slot, Algorithm algorithm, PageMemory memory, std::size_t page_size, std::uint64_t page_count);

    /// The first `page_count` of them, once; what was packed by the processors is what is unpacked.
    Result<BatchReport> run(Direction direction, Backend backend, std::uint64_t page_count);
    /// The run of `rounds` whose total is their median.
    Result<BatchReport> median_of(unsigned rounds, Direction direction, Backend backend, std::uint64_t page_count);

private:
    struct Streams {
        std::vector<std::byte> bytes;
        std::vector<std::uint32_t> sizes, checksums;
    };
    Measurement(BatchSlot &slot, const BatchWork &work) : slot_(slot), work_(work) {}
    BatchWork work(Direction direction, std::uint64_t page_count, Streams &streams) const;
    Result<void> put_on_device();

    BatchSlot &slot_;
    BatchWork work_; // all pages
    std::vector<std::byte> pages_;
    std::optional<DeviceBuffer> device_pages_;
    Streams packed_, target_;
};

/// Measures both back ends a little, at this kind's page size: up to 8 MiB of pages, three counts. Adds to the model.
Result<void> measure_a_little(BatchSlot &slot, CostKind kind, CostModel &model);

/// Whatever times depend on: processors, threads, libraries, the GPU, its driver and nvCOMP.
std::string describe_machine(const BatchDevice &device, unsigned threads);

} // namespace gmemfs
