#include "vmm/base/result.hpp"

#include <cstring>
#include <memory>

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

Error *keep_error(Error &&error) { return std::make_unique<Error>(std::move(error)).release(); }
Error *copy_error(const Error &error) { return std::make_unique<Error>(error).release(); }
void drop_error(Error *error) { const std::unique_ptr<Error> owner(error); }

} // namespace gmemfs
