#include "tools/device/self_test_damage.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace gmemfs {
namespace {

constexpr std::uint64_t kMendableMax = 48, kBeyondRepairMax = 8;        // blocks
constexpr unsigned kCodewordsMax = 4;                                   // mendable ones of a block
constexpr std::uint64_t kSymbolsPerMendable = kCorrectableSymbols;      // 1 to 4 wrong
constexpr std::uint64_t kSymbolsBeyondRepair = kCorrectableSymbols + 1; // 5 to 8: the code's distance is 9, so all of
                                                                        // them are seen
static_assert(kMendableMax * kCodewordsMax * kSymbolsPerMendable + kBeyondRepairMax <= kFaultsMax);

void add_codeword(BlockDamage &damage, std::set<unsigned> &taken, std::uint64_t count, Random &random) {
    unsigned codeword = 0;
    do codeword = static_cast<unsigned>(random.below(kCodewordsPerBlock));
    while (!taken.insert(codeword).second);
    std::set<unsigned> symbols;
    while (symbols.size() < count) symbols.insert(static_cast<unsigned>(random.below(kDataRows)));
    for (const unsigned symbol : symbols)
        damage.symbols.push_back({codeword, symbol, static_cast<Symbol>(1 + random.below(255))});
    ++damage.codewords;
}

Error otherwise(const char *doing, const char *what, std::uint64_t found, std::uint64_t wanted) {
    return {EIO, 0, doing, std::string(what) + ": " + std::to_string(found) + " in place of " + std::to_string(wanted)};
}

// The first block in which two ascending lists differ.
Result<void> expect_blocks(
    const char *doing, const std::vector<std::uint64_t> &found, const std::vector<std::uint64_t> &wanted) {
    std::vector<std::uint64_t> difference;
    std::ranges::set_symmetric_difference(found, wanted, std::back_inserter(difference));
    if (difference.empty()) return {};
    const std::uint64_t block = difference.front();
    const bool is_found = std::ranges::binary_search(found, block);
    return Error{EIO, 0, doing,
        std::to_string(difference.size()) + " blocks are otherwise than they must be; block " + std::to_string(block) +
            (is_found ? " is reported wrong, and isn't" : " is wrong, and isn't reported")};
}

} // namespace

void BlockDamage::turn(std::span<std::byte> block) const {
    for (const WrongSymbol &wrong : symbols)
        for (unsigned plane = 0; plane < kPlanes; ++plane) {
            if ((wrong.bits >> plane & 1U) == 0) continue;
            const BitPlace place = bit_place(wrong.codeword, plane);
            block[std::size_t(wrong.symbol) * kRowSize + place.offset] ^= std::byte(1U << place.bit);
        }
}

DamagePlan DamagePlan::make(std::uint64_t block_count, Random random) {
    GMEMFS_ASSERT(block_count >= 16);
    const std::uint64_t mendable = std::min(block_count / 4, kMendableMax);
    const std::uint64_t beyond = std::min(block_count / 16, kBeyondRepairMax);
    DamagePlan plan;
    while (plan.blocks_.size() < mendable + beyond) {
        const auto [entry, is_new] = plan.blocks_.try_emplace(random.below(block_count));
        if (!is_new) continue;
        BlockDamage &damage = entry->second;
        std::set<unsigned> taken;
        for (std::uint64_t count = 1 + random.below(kCodewordsMax); count > 0; --count)
            add_codeword(damage, taken, 1 + random.below(kSymbolsPerMendable), random);
        damage.beyond_repair = plan.blocks_.size() > mendable;
        if (damage.beyond_repair) add_codeword(damage, taken, kSymbolsBeyondRepair + random.below(4), random);
    }
    return plan;
}

std::vector<std::uint64_t> DamagePlan::beyond_repair() const {
    std::vector<std::uint64_t> numbers;
    for (const auto &[block, damage] : blocks_)
        if (damage.beyond_repair) numbers.push_back(block);
    return numbers;
}

std::uint64_t DamagePlan::count_beyond_repair() const { return beyond_repair().size(); }

std::uint64_t DamagePlan::count_codewords() const {
    std::uint64_t count = 0;
    for (const auto &[block, damage] : blocks_) count += damage.codewords;
    return count;
}

std::uint64_t DamagePlan::count_symbols() const {
    std::uint64_t count = 0;
    for (const auto &[block, damage] : blocks_) count += damage.symbols.size();
    return count;
}

Result<void> DamagePlan::check_verified(const BlockReport &report) const {
    constexpr const char *kDoing = "find the errors made";
    std::vector<std::uint64_t> wanted;
    for (const auto &[block, damage] : blocks_) wanted.push_back(block);
    TRY(expect_blocks(kDoing, report.left_wrong, wanted));
    if (report.codewords_wrong != count_codewords())
        return otherwise(kDoing, "wrong codewords", report.codewords_wrong, count_codewords());
    return {};
}

Result<void> DamagePlan::check_repaired(const BlockReport &report) const {
    constexpr const char *kDoing = "repair the errors made";
    using Place = std::tuple<std::uint64_t, unsigned, unsigned>; // block, codeword, symbol
    std::vector<Place> wanted, told;
    for (const auto &[block, damage] : blocks_)
        if (!damage.beyond_repair)
            for (const WrongSymbol &wrong : damage.symbols) wanted.emplace_back(block, wrong.codeword, wrong.symbol);
    for (const BlockReport::Fault &fault : report.faults)
        if (fault.kind == FaultKind::mended) told.emplace_back(fault.block, fault.codeword, fault.symbol);
    std::ranges::sort(wanted);
    std::ranges::sort(told);
    TRY(expect_blocks(kDoing, report.left_wrong, beyond_repair()));
    const std::uint64_t mendable = blocks_.size() - count_beyond_repair();
    if (report.blocks_mended != mendable) return otherwise(kDoing, "blocks", report.blocks_mended, mendable);
    if (report.symbols_mended != wanted.size())
        return otherwise(kDoing, "symbols", report.symbols_mended, wanted.size());
    if (report.checksums_mended != 0) return otherwise(kDoing, "checksums", report.checksums_mended, 0);
    if (told != wanted) return Error{EIO, 0, kDoing, "symbols were mended that weren't wrong"};
    return {};
}

Result<void> DamagePlan::check_verified_after(const BlockReport &report) const {
    constexpr const char *kDoing = "verify after the repair";
    TRY(expect_blocks(kDoing, report.left_wrong, beyond_repair()));
    std::uint64_t wanted = 0;
    for (const auto &[block, damage] : blocks_)
        if (damage.beyond_repair) wanted += damage.codewords;
    if (report.codewords_wrong != wanted) return otherwise(kDoing, "wrong codewords", report.codewords_wrong, wanted);
    return {};
}

} // namespace gmemfs
