#include "tools/device/self_test.hpp"

#include "ecc/parity/parity.hpp"
#include "tools/device/self_test_damage.hpp"
#include "vmm/keeper/local.hpp"
#include "vmm/memory/copier.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

namespace gmemfs {
namespace {

// A verification waits once a range: 1 GiB takes 0.3 ms (H200), and on the simulator no longer than a user's ^C may.
constexpr std::uint64_t kBlocksPerRange = GiB / kBlockSize;

double now_seconds() {
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

Result<void> check_interruption() {
    if (is_interrupted()) return Error{EINTR, 0, "test device", "interrupted; all memory is free again"};
    return {};
}

// The copier is destroyed first, and waits for what it has under way in the buffer.
struct BufferedCopier {
    PinnedBuffer buffer;
    Copier copier;
};

// Not thread-safe. Frees everything when it dies.
class SelfTest {
public:
    SelfTest(Device &device, const SelfTestSettings &settings, SelfTestReport &report,
        const std::function<void(const SelfTestStep &)> &tell)
        : device_(device), settings_(settings), report_(report), tell_(tell),
          keeper_(device.driver(), HandlePolicy::fd), pool_(keeper_, device) {}

    Result<void> test_memory() {
        TRY(step("allocate", 0, [this] { return allocate(); }));
        TRY(step("fill, inverted", report_.size, [this] { return fill(Polarity::inverse); }));
        TRY(step("read back and compare", report_.size, [this] { return compare(Polarity::inverse); }));
        TRY(step("fill", report_.size, [this] { return fill(Polarity::plain); }));
        if (settings_.planted == Planted::memory) TRY(turn_bit(random_.below(report_.blocks)));
        return step("read back and compare", report_.size, [this] { return compare(Polarity::plain); });
    }

    Result<void> test_parity() {
        TRY(step("allocate parity", 0, [this] { return allocate_parity(); }));
        TRY(step("encode", report_.size, [this] { return encode(); }));
        if (settings_.planted == Planted::parity) TRY(turn_bit(random_.below(report_.blocks)));
        TRY(step("verify", report_.size, [this] { return verify_clean(); }));
        TRY(step("make errors", 0, [this] { return make_errors(); }));
        TRY(step("verify: find them", report_.size, [this] { return find_errors(); }));
        TRY(step("repair", report_.size, [this] { return repair(); }));
        if (settings_.planted == Planted::repair) TRY(turn_bit(first_mendable()));
        TRY(step("compare with what it was", report_.size, [this] { return compare(Polarity::plain); }));
        return step("verify again", report_.size, [this] { return verify_after(); });
    }

private:
    template <typename Work>
    Result<void> step(const char *name, std::uint64_t bytes, Work work) {
        TRY(check_interruption());
        progress_.emplace(settings_.display, bytes);
        progress_->start_file(name);
        const double began = now_seconds();
        const Result<void> done = work();
        const SelfTestStep finished = {name, now_seconds() - began, bytes, done.has_value()};
        progress_->finish();
        if (done || done.error().code != EINTR) {
            report_.steps.push_back(finished);
            tell_(finished);
        }
        if (!done) return Error(done.error());
        return {};
    }

    Result<void> allocate() {
        extent_ = TRY(Extent::create(keeper_, device_, settings_.size));
        for (std::optional<BufferedCopier> &lane : lanes_) {
            Copier copier = TRY(Copier::create(device_));
            PinnedBuffer buffer = TRY(PinnedBuffer::create(device_, kChunkSize));
            lane.emplace(BufferedCopier{std::move(buffer), std::move(copier)});
        }
        expected_.resize(kChunkSize);
        return {};
    }

    std::uint64_t chunk_count() const { return (report_.size + kChunkSize - 1) / kChunkSize; }
    Slice chunk(std::uint64_t index) {
        const std::uint64_t offset = index * kChunkSize;
        return {extent_.get(), offset, std::min<std::uint64_t>(kChunkSize, report_.size - offset)};
    }
    BufferedCopier &lane(std::uint64_t index) { return *lanes_[index % lanes_.size()]; }

    // One chunk is made while the other is on the bus.
    Result<void> fill(Polarity polarity) {
        const SelfTestPattern pattern(settings_.seed, polarity);
        for (std::uint64_t index = 0; index < chunk_count(); ++index) {
            TRY(check_interruption());
            const Slice to = chunk(index);
            TRY(lane(index).copier.wait());
            pattern.write(to.offset, lane(index).buffer.bytes().first(to.length));
            TRY(lane(index).copier.queue_write(to, lane(index).buffer.bytes().data()));
            progress_->add(to.length);
        }
        for (std::optional<BufferedCopier> &each : lanes_) TRY(each->copier.wait());
        return {};
    }

    // Every byte, against the pattern with the damage that has to be there still.
    Result<void> compare(Polarity polarity) {
        const SelfTestPattern pattern(settings_.seed, polarity);
        std::uint64_t first_wrong = report_.size, mismatches = 0;
        for (std::uint64_t index = 0; index < chunk_count() + lanes_.size(); ++index) {
            TRY(check_interruption());
            if (index >= lanes_.size() && index - lanes_.size() < chunk_count()) {
                const Slice from = chunk(index - lanes_.size());
                TRY(lane(index).copier.wait());
                expect(pattern, from);
                const std::span<const std::byte> found = lane(index).buffer.bytes().first(from.length);
                mismatches += count_mismatches(found, from.offset, first_wrong);
                progress_->add(from.length);
            }
            if (index < chunk_count())
                TRY(lane(index).copier.queue_read(chunk(index), lane(index).buffer.bytes().data()));
        }
        report_.mismatches += mismatches;
        if (mismatches == 0) return {};
        return Error{EIO, 0, "compare device memory",
            std::to_string(mismatches) + " bytes aren't as they were written, the first at offset " +
                std::to_string(first_wrong)};
    }
    std::uint64_t count_mismatches(
        std::span<const std::byte> found, std::uint64_t offset, std::uint64_t &first_wrong) const {
        if (std::memcmp(found.data(), expected_.data(), found.size()) == 0) return 0;
        std::uint64_t count = 0;
        for (std::size_t at = 0; at < found.size(); ++at) {
            if (found[at] == expected_[at]) continue;
            first_wrong = std::min(first_wrong, offset + at);
            ++count;
        }
        return count;
    }
    void expect(const SelfTestPattern &pattern, Slice from) {
        pattern.write(from.offset, std::span(expected_).first(from.length));
        if (!damage_) return;
        const std::uint64_t first = from.offset / kBlockSize, end = first + from.length / kBlockSize;
        for (auto at = damage_->blocks().lower_bound(first); at != damage_->blocks().end() && at->first < end; ++at)
            if (at->second.beyond_repair)
                at->second.turn(std::span(expected_).subspan((at->first - first) * kBlockSize, kBlockSize));
    }

    Result<void> allocate_parity() {
        kernels_ = TRY(ParityKernels::load(device_));
        parity_ = TRY(Parity::create(*kernels_, pool_, {extent_.get(), 0, extent_->size()}));
        findings_.emplace(TRY(FindingsBuffer::create(pool_)));
        stream_.emplace(TRY(Stream::create(device_)));
        return {};
    }

    /// Calls work(first, count) for every range of blocks.
    template <typename Work>
    Result<void> each_range(Work work) {
        for (std::uint64_t first = 0; first < report_.blocks; first += kBlocksPerRange) {
            TRY(check_interruption());
            const std::uint64_t count = std::min(kBlocksPerRange, report_.blocks - first);
            TRY(work(first, count));
            progress_->add(count * kBlockSize);
        }
        return {};
    }

    Result<void> encode() {
        return each_range([this](std::uint64_t first, std::uint64_t count) -> Result<void> {
            TRY(parity_->encode(stream_->get(), first, count));
            return device_.check(device_.driver().cuStreamSynchronize(stream_->get()), "wait for parity kernels");
        });
    }
    Result<BlockReport> verify() {
        BlockReport all;
        TRY(each_range([&](std::uint64_t first, std::uint64_t count) -> Result<void> {
            all.append(TRY(parity_->check(ParityMode::verify, stream_->get(), *findings_, first, count)));
            return {};
        }));
        return all;
    }

    Result<void> verify_clean() {
        const BlockReport found = TRY(verify());
        if (found.clean()) return {};
        return Error{EIO, 0, "verify what was encoded",
            std::to_string(found.blocks_wrong) + " blocks don't agree with their parity, the first is block " +
                std::to_string(found.left_wrong.front())};
    }

    Result<void> make_errors() {
        damage_ = DamagePlan::make(report_.blocks, Random(random_.next()));
        report_.blocks_made = damage_->blocks().size();
        report_.symbols_made = damage_->count_symbols();
        report_.beyond_made = damage_->count_beyond_repair();
        for (const auto &[block, damage] : damage_->blocks()) TRY(turn(block, damage));
        return {};
    }
    Result<void> turn(std::uint64_t block, const BlockDamage &damage) {
        const Slice slice = {extent_.get(), block * kBlockSize, kBlockSize};
        const std::span<std::byte> bytes = lane(0).buffer.bytes().first(kBlockSize);
        TRY(lane(0).copier.queue_read(slice, bytes.data()));
        TRY(lane(0).copier.wait());
        damage.turn(bytes);
        TRY(lane(0).copier.queue_write(slice, bytes.data()));
        return lane(0).copier.wait();
    }
    Result<void> turn_bit(std::uint64_t block) {
        const auto codeword = static_cast<unsigned>(random_.below(kCodewordsPerBlock));
        const auto symbol = static_cast<unsigned>(random_.below(kDataRows));
        return turn(block, {false, 1, {{codeword, symbol, 1}}});
    }
    std::uint64_t first_mendable() const {
        const auto found =
            std::ranges::find_if(damage_->blocks(), [](const auto &each) { return !each.second.beyond_repair; });
        return found->first;
    }

    Result<void> find_errors() {
        const BlockReport found = TRY(verify());
        report_.blocks_found = found.blocks_wrong;
        return damage_->check_verified(found);
    }
    Result<void> repair() {
        BlockReport all;
        TRY(each_range([&](std::uint64_t first, std::uint64_t count) -> Result<void> {
            all.append(TRY(parity_->check(ParityMode::repair, stream_->get(), *findings_, first, count)));
            return {};
        }));
        report_.blocks_repaired = all.blocks_mended;
        report_.symbols_repaired = all.symbols_mended;
        report_.beyond_found = all.left_wrong.size();
        return damage_->check_repaired(all);
    }
    Result<void> verify_after() { return damage_->check_verified_after(TRY(verify())); }

    Device &device_;
    const SelfTestSettings &settings_;
    SelfTestReport &report_;
    const std::function<void(const SelfTestStep &)> &tell_;
    Random random_{settings_.seed};
    std::optional<Progress> progress_; // of the step
    LocalKeeper keeper_;
    Pool pool_;
    std::shared_ptr<Extent> extent_;
    std::unique_ptr<ParityKernels> kernels_;
    std::unique_ptr<Parity> parity_;
    std::optional<FindingsBuffer> findings_;
    std::optional<Stream> stream_;
    std::array<std::optional<BufferedCopier>, 2> lanes_;
    std::vector<std::byte> expected_;
    std::optional<DamagePlan> damage_; // once it is made
};

Result<std::uint64_t> used(const Device &device) {
    const Device::Memory memory = TRY(device.memory());
    return memory.total - memory.free;
}

} // namespace

Result<void> run_self_test(Device &device, const SelfTestSettings &settings, SelfTestReport &report,
    const std::function<void(const SelfTestStep &)> &tell) {
    report.used_before = TRY(used(device));
    report.size = round_up(settings.size, device.info().granularity);
    report.blocks = report.size / kBlockSize;
    Result<void> result;
    double began = 0;
    {
        SelfTest test(device, settings, report, tell);
        result = test.test_memory();
        if (result && settings.ecc) result = test.test_parity();
        began = now_seconds();
    }
    report.steps.push_back({"free", now_seconds() - began, 0, true});
    tell(report.steps.back());
    const Result<std::uint64_t> after = used(device); // after a sticky error there is no telling
    if (after) report.used_after = *after;
    if (!result) return result;
    if (!after) return Error(after.error());
    return {};
}

} // namespace gmemfs
