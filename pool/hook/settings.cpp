#include "pool/hook/settings.hpp"

#include "pool/memory/names.hpp"

#include <cstdlib>

namespace gmemfs::pool {
namespace {

std::string variable(const char *name) {
    const char *const value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): once, and read only
    return value == nullptr ? "" : value;
}

} // namespace

const Settings &settings() {
    // Never destroyed: programs free memory while they end.
    static const auto *const told = new Settings{variable(kDirectoryVariable), variable(kDriverVariable),
        std::strtoull(variable(kLimitVariable).c_str(), nullptr, 10),
        variable(kKeepVariable).empty() ? ExtentFiles::AtEnd::drop : ExtentFiles::AtEnd::keep,
        variable(kSpillVariable).empty() ? Settings::Spill::none : Settings::Spill::host};
    return *told;
}

} // namespace gmemfs::pool
