// JsonText: JSON as users get it. Names and paths are bytes, and JSON is UTF-8: what isn't is replaced by U+FFFD.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace gmemfs {

/// `indent` spaces a level; -1: in one line.
inline std::string json_text(const nlohmann::json &value, int indent) {
    return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace gmemfs
