#include "ecc/batch/model.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace gmemfs {
namespace {

double between(double x, double x0, double y0, double x1, double y1) { return y0 + (y1 - y0) * (x - x0) / (x1 - x0); }

double on_curve(const std::vector<CostPoint> &points, std::uint64_t page_count) {
    auto above = std::lower_bound(points.begin(), points.end(), page_count,
        [](const CostPoint &point, std::uint64_t count) { return point.page_count < count; });
    if (above == points.begin()) return static_cast<double>(above->ns);
    if (above == points.end()) --above;
    if (above == points.begin()) // the only one
        return static_cast<double>(above->ns) * static_cast<double>(page_count) /
               static_cast<double>(above->page_count);
    const CostPoint &low = *std::prev(above), &high = *above;
    return between(static_cast<double>(page_count), static_cast<double>(low.page_count), static_cast<double>(low.ns),
        static_cast<double>(high.page_count), static_cast<double>(high.ns));
}

} // namespace

void CostModel::add(const CostKind &kind, const CostPoint &point) {
    std::vector<CostPoint> &points = curves_[kind];
    const auto after = std::lower_bound(points.begin(), points.end(), point.page_count,
        [](const CostPoint &there, std::uint64_t count) { return there.page_count < count; });
    const bool is_there = after != points.end() && after->page_count == point.page_count;
    const auto at = is_there ? after : points.insert(after, point);
    at->ns = point.ns;
    const auto next = std::next(at);
    if (next != points.end()) at->ns = std::min(at->ns, next->ns);
    for (auto before = points.begin(); before != at; ++before) before->ns = std::min(before->ns, at->ns);
}

std::optional<double> CostModel::predict(const CostKind &kind, std::uint64_t page_count) const {
    if (const auto exact = curves_.find(kind); exact != curves_.end()) return on_curve(exact->second, page_count);
    // The page size is the last field, so that a kind's curves lie beside each other.
    const auto above = curves_.lower_bound(kind);
    const auto is_same = [&](const CostKind &other) {
        return other.direction == kind.direction && other.algorithm == kind.algorithm && other.memory == kind.memory &&
               other.backend == kind.backend;
    };
    if (above == curves_.end() || above == curves_.begin() || !is_same(above->first)) return {};
    const auto below = std::prev(above);
    if (!is_same(below->first)) return {};
    const std::uint64_t bytes = kind.page_size * page_count; // as many bytes in pages of the other size
    const auto time_of = [&](const auto &curve) {
        return on_curve(curve->second, std::max<std::uint64_t>(1, bytes / curve->first.page_size));
    };
    const auto by_size = [](std::size_t size) { return std::log2(static_cast<double>(size)); };
    return between(by_size(kind.page_size), by_size(below->first.page_size), time_of(below),
        by_size(above->first.page_size), time_of(above));
}

} // namespace gmemfs
