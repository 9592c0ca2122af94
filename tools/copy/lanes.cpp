#include "tools/copy/lanes.hpp"

#include "vmm/base/all_bytes.hpp"
#include "vmm/device/staging.hpp"
#include "vmm/device/stream.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

constexpr std::size_t kSlots = 2;

// A buffer, and what of the file it holds. With a device it is pinned, and has an event that says when the engine is
// done with it.
struct Slot {
    std::optional<PinnedBuffer> pinned;
    std::optional<Event> done;
    std::vector<std::byte> pageable;
    std::uint64_t offset = 0;
    std::size_t length = 0; // 0: nothing is under way
    std::span<std::byte> bytes(std::size_t size) {
        return pinned ? pinned->bytes().first(size) : std::span(pageable).first(size);
    }
};

class Lane {
public:
    static Result<Lane> create(Device *device) {
        Lane lane(device);
        if (device != nullptr) {
            TRY(device->make_current());
            lane.stream_.emplace(TRY(Stream::create(*device)));
        }
        for (Slot &slot : lane.slots_) {
            if (device == nullptr) {
                slot.pageable.resize(kCopyChunk);
                continue;
            }
            slot.pinned.emplace(TRY(PinnedBuffer::create(*device, kCopyChunk)));
            slot.done.emplace(TRY(Event::create(*device)));
        }
        return lane;
    }
    Lane(Lane &&) = default;
    Lane &operator=(Lane &&) = delete;
    ~Lane() { // the engine must be done with the buffers before they go
        if (stream_ && stream_->get() != nullptr)
            (void)device_->check(device_->driver().cuStreamSynchronize(stream_->get()), "end copy");
    }

    /// Takes one chunk, or what the source has of it: how much. What it queued is done when the slot is used again, or
    /// by finish().
    Result<std::size_t> copy(CopyEnd source, CopyEnd target, std::uint64_t offset, std::size_t length) {
        Slot &slot = slots_.at(next_++ % kSlots);
        TRY(complete(slot, target));
        const std::span<std::byte> bytes = slot.bytes(length);
        slot.offset = offset;
        if (source.is_device()) {
            slot.length = length;
            TRY(queue_read(source.address + offset, bytes));
            TRY(mark(slot));
            return length;
        }
        std::size_t have = 0;
        if (source.direct != nullptr) have = source.direct->read(slot.bytes(kCopyChunk), offset, length);
        have += TRY(read_until_end(source.fd, bytes.subspan(have), offset + have, is_interrupted));
        slot.length = have;
        if (have == 0) return have;
        if (!target.is_device()) {
            TRY(complete(slot, target));
            return have;
        }
        TRY(device_->check(
            device_->driver().cuMemcpyHtoDAsync(target.address + offset, bytes.data(), have, stream_->get()),
            "copy to device"));
        TRY(mark(slot));
        return have;
    }
    Result<void> finish(CopyEnd target) {
        for (std::size_t index = 0; index < kSlots; ++index) TRY(complete(slots_.at(next_++ % kSlots), target));
        return {};
    }

    Result<void> read(int fd, std::uint64_t offset, std::size_t length, const TakeBytes &take) {
        const std::span<std::byte> bytes = slots_.front().bytes(length);
        TRY(read_all(fd, bytes, offset, is_interrupted));
        return take(offset, bytes);
    }

    Result<void> compare(CopyEnd left, CopyEnd right, std::uint64_t offset, std::size_t length) {
        const std::span<std::byte> one = slots_.front().bytes(length);
        const std::span<std::byte> two = slots_.back().bytes(length);
        TRY(fetch(left, offset, one));
        TRY(fetch(right, offset, two));
        const auto [at, same] = std::mismatch(one.begin(), one.end(), two.begin());
        if (at == one.end()) return {};
        return Error{
            EBADMSG, 0, "verify", "byte " + std::to_string(offset + std::uint64_t(at - one.begin())) + " differs"};
    }

private:
    explicit Lane(Device *device) : device_(device), slots_(kSlots) {}

    Result<void> queue_read(CUdeviceptr from, std::span<std::byte> to) {
        return device_->check(
            device_->driver().cuMemcpyDtoHAsync(to.data(), from, to.size(), stream_->get()), "copy from device");
    }
    Result<void> mark(Slot &slot) {
        return device_->check(device_->driver().cuEventRecord(slot.done->get(), stream_->get()), "mark chunk");
    }
    // Ends what is under way in the slot; on the way out its bytes go to the host file now.
    Result<void> complete(Slot &slot, CopyEnd target) {
        if (slot.length == 0) return {};
        const std::size_t length = std::exchange(slot.length, 0);
        if (device_ != nullptr)
            TRY(device_->check(device_->driver().cuEventSynchronize(slot.done->get()), "wait for chunk"));
        if (target.is_device()) return {};
        const std::span<const std::byte> bytes = slot.bytes(length);
        if (target.mapped == nullptr) return write_all(target.fd, bytes, slot.offset, is_interrupted);
        // By one call instead of a fault a page; what a fault would answer with SIGBUS is EFAULT.
        if (target.is_lazy && ::madvise(target.mapped + slot.offset, length, MADV_POPULATE_WRITE) != 0)
            return Error{errno == EFAULT ? ENOSPC : errno, 0, "allocate room in the target"};
        std::memcpy(target.mapped + slot.offset, bytes.data(), bytes.size());
        return {};
    }
    Result<void> fetch(CopyEnd end, std::uint64_t offset, std::span<std::byte> to) {
        if (!end.is_device()) return read_all(end.fd, to, offset, is_interrupted);
        TRY(queue_read(end.address + offset, to));
        return device_->check(device_->driver().cuStreamSynchronize(stream_->get()), "wait for chunk");
    }

    Device *device_;
    std::optional<Stream> stream_;
    std::vector<Slot> slots_; // before the stream ends they stay: see the destructor
    std::size_t next_ = 0;
};

using Step = std::function<Result<void>(Lane &, std::uint64_t offset, std::size_t length)>;
using Finish = std::function<Result<void>(Lane &)>;

// Gives the chunks to the lanes, one at a time, until all are done or one has failed.
Result<void> run_lanes(Device *device, std::uint64_t size, unsigned count, const Step &step, const Finish &finish) {
    std::atomic<std::uint64_t> next = 0;
    std::atomic<bool> is_over = false;
    std::mutex mutex;
    std::optional<Error> first_error;
    const auto take = [&](Lane &lane) -> Result<void> {
        while (!is_over) {
            if (is_interrupted()) return Error{EINTR, 0, "copy"};
            const std::uint64_t offset = next.fetch_add(kCopyChunk);
            if (offset >= size) return finish(lane);
            TRY(step(lane, offset, static_cast<std::size_t>(std::min<std::uint64_t>(kCopyChunk, size - offset))));
        }
        return {};
    };
    const auto run = [&]() -> Result<void> {
        Lane lane = TRY(Lane::create(device));
        return take(lane);
    };
    const std::uint64_t chunks = (size + kCopyChunk - 1) / kCopyChunk;
    std::vector<std::thread> threads;
    for (std::uint64_t index = 0; index < std::min<std::uint64_t>(count, chunks); ++index)
        threads.emplace_back([&] {
            Result<void> result = run();
            if (result) return;
            is_over = true;
            const std::lock_guard<std::mutex> hold(mutex);
            if (!first_error) first_error = result.error();
        });
    for (std::thread &thread : threads) thread.join();
    if (first_error) return std::move(*first_error);
    return {};
}

} // namespace

Result<std::uint64_t> copy_bytes(
    Device *device, CopyEnd source, CopyEnd target, std::uint64_t size, unsigned lanes, Progress &progress) {
    GMEMFS_ASSERT(!source.is_device() || !target.is_device());
    using Clock = std::chrono::steady_clock;
    const Clock::time_point began = Clock::now();
    std::atomic<std::uint64_t> end = size; // of the source: less where it has become shorter
    const Result<void> copied = run_lanes(
        device, size, lanes,
        [&](Lane &lane, std::uint64_t offset, std::size_t length) -> Result<void> {
            if (offset >= end) return {};
            const std::size_t came = TRY(lane.copy(source, target, offset, length));
            std::uint64_t known = end;
            while (came < length && offset + came < known && !end.compare_exchange_weak(known, offset + came)) {}
            progress.add(came);
            return {};
        },
        [&](Lane &lane) { return lane.finish(target); });
    progress.add_seconds(std::chrono::duration<double>(Clock::now() - began).count());
    if (!copied) return Error(copied.error());
    return end.load();
}

Result<void> compare_bytes(Device *device, CopyEnd left, CopyEnd right, std::uint64_t size, unsigned lanes) {
    return run_lanes(
        device, size, lanes,
        [&](Lane &lane, std::uint64_t offset, std::size_t length) { return lane.compare(left, right, offset, length); },
        [](Lane &) { return Result<void>(); });
}

Result<void> read_bytes(int fd, std::uint64_t size, unsigned lanes, const TakeBytes &take) {
    return run_lanes(
        nullptr, size, lanes,
        [&](Lane &lane, std::uint64_t offset, std::size_t length) { return lane.read(fd, offset, length, take); },
        [](Lane &) { return Result<void>(); });
}

} // namespace gmemfs
