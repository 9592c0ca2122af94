#include "tools/copy/lanes.hpp"

#include "tools/host/interruption.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace gmemfs {
namespace {

struct Chunk {
    std::uint64_t offset;
    std::size_t length;
};

// The lanes of one device, and the chunks that they share.
struct LaneSet {
    explicit LaneSet(Device *its_device) : device(its_device) {}
    Device *const device;
    std::vector<Chunk> chunks; // in the order of the file
    std::atomic<std::size_t> next = 0;
};

// In the order of the devices' first parts.
std::list<LaneSet> divide(std::span<const CopyPart> parts) {
    std::list<LaneSet> sets;
    for (const CopyPart &part : parts) {
        auto set =
            std::find_if(sets.begin(), sets.end(), [&](const LaneSet &one) { return one.device == part.device; });
        if (set == sets.end()) set = sets.emplace(sets.end(), part.device);
        for (std::uint64_t done = 0; done < part.length; done += kCopyChunk)
            set->chunks.push_back({part.offset + done,
                static_cast<std::size_t>(std::min<std::uint64_t>(kCopyChunk, part.length - done))});
    }
    return sets;
}

using Step = std::function<Result<void>(Lane &, std::uint64_t offset, std::size_t length)>;
using Finish = std::function<Result<void>(Lane &)>;

// Gives each set's chunks to its lanes, one at a time, until all are done or one has failed.
class Run {
public:
    Run(LaneStock &stock, const Step &step, const Finish &finish) : stock_(stock), step_(step), finish_(finish) {}

    Result<void> all(std::span<const CopyPart> parts, LaneCount count) {
        std::list<LaneSet> sets = divide(parts);
        std::vector<std::thread> threads;
        for (LaneSet &set : sets) {
            const auto lanes =
                static_cast<unsigned>(std::min<std::size_t>(count.among(sets.size()), set.chunks.size()));
            for (unsigned index = 0; index < lanes; ++index)
                threads.emplace_back([this, &set, lanes] { keep(one(set, lanes)); });
        }
        for (std::thread &thread : threads) thread.join();
        if (first_error_) return std::move(*first_error_);
        return {};
    }

private:
    Result<void> one(LaneSet &set, unsigned lanes) {
        Lane lane = TRY(stock_.take(set.device, lanes));
        TRY(take_chunks(set, lane));
        if (lane.is_idle()) stock_.give(std::move(lane));
        return {};
    }
    Result<void> take_chunks(LaneSet &set, Lane &lane) {
        while (!is_over_) {
            if (is_interrupted()) return Error{EINTR, 0, "copy"};
            const std::size_t index = set.next.fetch_add(1);
            if (index >= set.chunks.size()) return finish_(lane);
            TRY(step_(lane, set.chunks.at(index).offset, set.chunks.at(index).length));
        }
        return {};
    }
    void keep(const Result<void> &result) {
        if (result) return;
        is_over_ = true;
        const std::lock_guard<std::mutex> hold(mutex_);
        if (!first_error_) first_error_ = result.error();
    }

    LaneStock &stock_;
    const Step &step_;
    const Finish &finish_;
    std::atomic<bool> is_over_ = false;
    std::mutex mutex_; // of the error
    std::optional<Error> first_error_;
};

} // namespace

unsigned LaneCount::among(std::size_t devices) const {
    return std::clamp(in_all / static_cast<unsigned>(std::max<std::size_t>(devices, 1)), 1U, of_device);
}

Result<std::uint64_t> copy_bytes(LaneStock &stock, std::span<const CopyPart> parts, CopyEnd source, CopyEnd target,
    LaneCount count, Progress &progress) {
    GMEMFS_ASSERT(!source.is_device() || !target.is_device());
    GMEMFS_ASSERT(!parts.empty());
    std::atomic<std::uint64_t> end = parts.back().offset + parts.back().length; // less where the source is shorter
    const Step step = [&](Lane &lane, std::uint64_t offset, std::size_t length) -> Result<void> {
        if (offset >= end) return {};
        const std::size_t came = TRY(lane.copy(source, target, offset, length));
        std::uint64_t known = end;
        while (came < length && offset + came < known && !end.compare_exchange_weak(known, offset + came)) {}
        progress.add(came);
        return {};
    };
    const Finish finish = [&](Lane &lane) { return lane.finish(target); };
    const Progress::Moving moving(progress);
    TRY(Run(stock, step, finish).all(parts, count));
    return end.load();
}

Result<void> compare_bytes(Device *device, CopyEnd left, CopyEnd right, std::uint64_t size, unsigned lanes) {
    LaneStock stock;
    const CopyPart all = {0, size, device};
    const Step step = [&](Lane &lane, std::uint64_t offset, std::size_t length) {
        return lane.compare(left, right, offset, length);
    };
    return Run(stock, step, [](Lane &) { return Result<void>(); }).all({&all, 1}, {lanes, lanes});
}

Result<void> read_bytes(int fd, std::uint64_t size, unsigned lanes, const TakeBytes &take) {
    LaneStock stock;
    const CopyPart all = {0, size, nullptr};
    const Step step = [&](Lane &lane, std::uint64_t offset, std::size_t length) {
        return lane.read(fd, offset, length, take);
    };
    return Run(stock, step, [](Lane &) { return Result<void>(); }).all({&all, 1}, {lanes, lanes});
}

} // namespace gmemfs
