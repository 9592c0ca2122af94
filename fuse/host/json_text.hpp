// JsonText: JSON as text for users, with U+FFFD in place of bytes (of names and paths) that aren't UTF-8.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace gmemfs {

/// `indent` spaces a level; -1: in one line.
inline std::string json_text(const nlohmann::json &value, int indent) {
    return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace gmemfs
