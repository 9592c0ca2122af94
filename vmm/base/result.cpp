#include "vmm/base/result.hpp"

#include <cstring>

namespace gmemfs {

std::string Error::text() const {
    std::string line = doing;
    if (!detail.empty()) line += line.empty() ? detail : ": " + detail;
    line += line.empty() ? std::strerror(code) : std::string(" (") + std::strerror(code);
    if (driver != 0) line += ", CUresult " + std::to_string(driver);
    if (line.find(" (") != std::string::npos && line.back() != ')') line += ")";
    return line;
}

} // namespace gmemfs
