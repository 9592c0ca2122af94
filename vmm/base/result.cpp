#include "vmm/base/result.hpp"

#include <cstring>

namespace gmemfs {

std::string Error::text() const {
    std::string line = doing;
    if (!detail.empty()) line += ": " + detail;
    line += std::string(" (") + std::strerror(code);
    if (driver != 0) line += ", CUresult " + std::to_string(driver);
    return line + ")";
}

Error about(const std::string &what, Error error) {
    error.detail = what + (error.detail.empty() ? "" : ": " + error.detail);
    return error;
}

} // namespace gmemfs
