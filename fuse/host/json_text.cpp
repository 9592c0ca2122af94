#include "fuse/host/json_text.hpp"

#include <nlohmann/json.hpp>

namespace gmemfs {

std::string json_text(const nlohmann::json &value, int indent) {
    return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json json_of(const std::string &text) { return nlohmann::json::parse(text, nullptr, false); }

} // namespace gmemfs
