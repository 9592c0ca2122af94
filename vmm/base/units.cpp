#include "vmm/base/units.hpp"

#include <array>
#include <cstdio>

namespace gmemfs {
namespace {

constexpr std::string_view kPrefixes = "KMGT";

Error not_a_size(std::string_view text) {
    return Error{EINVAL, 0, "not a size", "'" + std::string(text) + "': use a number with K, M, G or T, as in 1.5G"};
}

// The multiplier that "", "K", "k", "KB", "KiB" stand for; 0 where the suffix is none of these.
std::uint64_t multiplier(std::string_view suffix) {
    if (suffix.empty()) return 1;
    const char first = static_cast<char>(suffix[0] >= 'a' ? suffix[0] - 'a' + 'A' : suffix[0]);
    if (first == 'B' && suffix.size() == 1) return 1;
    const std::size_t power = kPrefixes.find(first);
    if (power == std::string_view::npos) return 0;
    const std::string_view rest = suffix.substr(1);
    const bool spelled = rest.empty() || rest == "B" || rest == "b" || rest == "iB" || rest == "ib" || rest == "i";
    return spelled ? std::uint64_t(1) << (10 * (power + 1)) : 0;
}

} // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
    // Whole and fractional digits are kept apart, so that no size loses a byte to floating point.
    __extension__ using Wide = unsigned __int128;
    Wide whole = 0;
    Wide fraction = 0;
    Wide scale = 1;
    std::size_t at = 0;
    const auto is_digit = [&] { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    for (; is_digit(); ++at) {
        whole = whole * 10 + Wide(text[at] - '0');
        if (whole > INT64_MAX) return Error{ERANGE, 0, "size too large", "'" + std::string(text) + "'"};
    }
    bool digits = at > 0;
    if (at < text.size() && text[at] == '.') {
        for (++at; is_digit(); ++at) {
            digits = true;
            if (scale > 1000000000) continue; // finer than a byte of any prefix's first decimals
            fraction = fraction * 10 + Wide(text[at] - '0');
            scale *= 10;
        }
    }
    const std::uint64_t times = digits ? multiplier(text.substr(at)) : 0;
    if (times == 0) return not_a_size(text);
    const Wide bytes = whole * times + fraction * times / scale;
    if (bytes > INT64_MAX) return Error{ERANGE, 0, "size too large", "'" + std::string(text) + "'"};
    return static_cast<std::uint64_t>(bytes);
}

std::string format_size(std::uint64_t bytes) {
    constexpr std::array<const char *, 5> kNames = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = static_cast<double>(bytes);
    std::size_t index = 0;
    while (value >= 1024 && index + 1 < kNames.size()) {
        value /= 1024;
        ++index;
    }
    char text[32];
    const bool whole = value == static_cast<double>(static_cast<std::uint64_t>(value));
    std::snprintf(text, sizeof text, whole ? "%.0f %s" : value < 10 ? "%.2f %s" : "%.1f %s", value, kNames.at(index));
    return text;
}

} // namespace gmemfs
