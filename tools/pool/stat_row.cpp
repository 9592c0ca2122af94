#include "tools/pool/stat_row.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>

namespace gmemfs {
namespace {

using nlohmann::json;

constexpr const char *kKinds[ReadPoolFigures::kind_count] = {
    "managed", "arrays", "pools", "created", "native", "graph_nodes"};

json or_null(const std::optional<std::uint64_t> &number) { return number ? json(*number) : json(nullptr); }

// Of modules the driver tells nobody, nor when a graph's memory goes.
json kinds_of(const ReadPoolFigures &figures) {
    json kinds = {{"modules", {{"count", nullptr}, {"bytes", nullptr}}}};
    for (std::size_t kind = 0; kind < ReadPoolFigures::kind_count; ++kind)
        kinds[kKinds[kind]] = {{"count", figures.kinds[kind].count},
            {"bytes", kind == ReadPoolFigures::graph_nodes ? json(nullptr) : json(figures.kinds[kind].bytes)}};
    return kinds;
}

json libraries_of(const ReadPoolFigures &figures) {
    json all = json::array();
    for (std::size_t index = 0; index < figures.library_count; ++index)
        if (const auto &library = figures.libraries[index]; library.used != 0)
            all.push_back({{"name", library.name}, {"used", library.used}});
    std::sort(all.begin(), all.end(),
        [](const json &left, const json &right) { return left["used"].get<std::uint64_t>() > right["used"]; });
    return all;
}

std::string text_of(const json &number) {
    return number.is_null() ? "unknown" : format_size(number.get<std::uint64_t>());
}

std::string name_of(const json &row) {
    return std::filesystem::path(row["directory"].get<std::string>()).filename().string();
}

} // namespace

void add_figures(json &row, pid_t pid, const ReadPoolFigures &figures, const Escaped &escaped) {
    row["held"] = figures.held;
    row["used"] = figures.used;
    const std::uint64_t whole = figures.held + figures.spilled;
    row["idle"] = whole - std::min(whole, figures.used);
    row["peak"] = figures.used_most;
    row["blocks"] = figures.taken - std::min(figures.taken, figures.given);
    row["allocations"] = figures.taken;
    row["fences"] = figures.fences;
    row["unlisted"] = figures.unlisted;
    row["spilled"] = figures.spilled;
    row["limit"] = figures.limit;
    row["libraries"] = libraries_of(figures);
    row["kinds"] = kinds_of(figures);
    const Escaped::Told told = escaped.of(pid, figures);
    row["charged"] = or_null(told.charged);
    row["context"] = or_null(told.context);
    row["escaped"] = or_null(told.escaped);
    row["unknown"] = told.why.empty() ? json(nullptr) : json(told.why);
}

void print_details(const json &row) {
    const std::string name = name_of(row);
    if (row.value("unlisted", std::uint64_t(0)) != 0)
        std::printf("%s: %s is no file of the mount\n", name.c_str(), text_of(row["unlisted"]).c_str());
    if (row.value("spilled", std::uint64_t(0)) != 0)
        std::printf("%s: %s more is in host memory\n", name.c_str(), text_of(row["spilled"]).c_str());
    if (!row.contains("libraries")) return;
    std::string libraries;
    for (const json &library : row["libraries"])
        libraries +=
            (libraries.empty() ? "" : ", ") + library["name"].get<std::string>() + " " + text_of(library["used"]);
    std::printf("%s: by library: %s\n", name.c_str(), libraries.empty() ? "nothing" : libraries.c_str());
    std::string kinds;
    for (const char *const kind : kKinds)
        if (const json &one = row["kinds"][kind]; one["count"] != 0)
            kinds += (kinds.empty() ? "" : ", ") + std::string(kind) + " " + text_of(one["bytes"]) + " in " +
                     std::to_string(one["count"].get<std::uint64_t>());
    std::printf("%s: escaped: %s; NVML charges %s, a context takes %s%s%s; asked of the driver: %s, modules unknown\n",
        name.c_str(), text_of(row["escaped"]).c_str(), text_of(row["charged"]).c_str(), text_of(row["context"]).c_str(),
        row["unknown"].is_null() ? "" : ": ", row["unknown"].is_null() ? "" : row["unknown"].get<std::string>().c_str(),
        kinds.empty() ? "nothing" : kinds.c_str());
}

} // namespace gmemfs
