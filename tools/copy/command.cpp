#include "tools/copy/command.hpp"

#include "tools/host/side_by_side.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <climits>
#include <filesystem>
#include <thread>

namespace gmemfs {
namespace {

constexpr unsigned kLanesMost = 12; // that many reach 93 % of the bus (H200), and more no more

} // namespace

std::string target_in(const std::string &folder, const std::string &source) {
    const std::filesystem::path path = source;
    const std::filesystem::path name = path.has_filename() ? path.filename() : path.parent_path().filename();
    return folder + (folder.ends_with('/') ? "" : "/") + (name == ".." ? "." : name.string());
}

Result<LaneCount> parse_lanes(const char *threads) {
    const unsigned cores = std::max(std::thread::hardware_concurrency(), 1U);
    LaneCount lanes;
    lanes.of_device = TRY(parse_threads(threads, std::min(cores, kLanesMost)));
    lanes.in_all = threads == nullptr ? cores : UINT_MAX;
    return lanes;
}

nlohmann::json summary_of(const Progress &progress, double all_seconds) {
    const double seconds = progress.seconds();
    return {{"bytes", progress.done()}, {"seconds", seconds}, {"all_seconds", all_seconds},
        {"gb_per_second", seconds > 0 ? static_cast<double>(progress.done()) / 1e9 / seconds : 0},
        {"files_verified_by_digests", progress.verified_by_digests()},
        {"files_verified_by_bytes", progress.verified_by_bytes()}};
}

} // namespace gmemfs
