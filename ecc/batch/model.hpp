// CostModel: how long batches take on this machine, by times that were measured.
#pragma once

#include "ecc/batch/work.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

/// Batches that one curve tells of.
struct CostKind {
    Direction direction = Direction::pack;
    Algorithm algorithm = Algorithm::lz4;
    PageMemory memory = PageMemory::host;
    Backend backend = Backend::cpu; ///< cpu or gpu
    std::size_t page_size = 4096;
    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the comparison's own 0 for a pointer
    auto operator<=>(const CostKind &) const = default;
};

struct CostPoint {
    std::uint64_t page_count;
    std::uint64_t ns;
    bool operator==(const CostPoint &) const = default;
};

/// Not thread-safe.
class CostModel {
public:
    /// Of two points of one count the later one stays. Fewer pages never take longer than more: where a point says so,
    /// it was disturbed, and gets the time of the one with more pages.
    void add(const CostKind &kind, const CostPoint &point);
    /// Nanoseconds; nothing where neither this page size nor one on either side was measured. Between two counts it is
    /// a straight line; beyond the last count the last line goes on; before the first it is the first's. Between the
    /// curves of two page sizes it is a straight line by the size's logarithm, at as many bytes.
    std::optional<double> predict(const CostKind &kind, std::uint64_t page_count) const;
    bool has_exactly(const CostKind &kind) const { return curves_.contains(kind); }

    const std::map<CostKind, std::vector<CostPoint>> &curves() const { return curves_; }
    bool operator==(const CostModel &) const = default;

private:
    std::map<CostKind, std::vector<CostPoint>> curves_; // points by count
};

/// The text of a model's file (docs/formats.md), and back. EBADMSG: it is damaged, or of another version. ESTALE: it is
/// of another machine.
std::string format_model(const CostModel &model, const std::string &machine);
Result<CostModel> parse_model(const std::string &text, const std::string &machine);

/// Where the model of this machine lies: a file in $XDG_CACHE_HOME/gmemfs, or ~/.cache/gmemfs, named after the machine;
/// empty where there is no such folder.
std::string model_path(const std::string &machine);
/// ENOENT: there is none. Else as parse_model().
Result<CostModel> read_model(const std::string &path, const std::string &machine);
/// In the old one's place, whole or not at all. Makes the folder. Errors: see open(2), write(2).
Result<void> write_model(const std::string &path, const CostModel &model, const std::string &machine);

} // namespace gmemfs
