// JsonText: JSON as text for users, and read from text.
//
// The library's header takes a compiler over a second, and as much again for what is used of it. So headers include
// nlohmann/json_fwd.hpp, and writing and parsing are compiled once.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace gmemfs {

/// With U+FFFD in place of bytes (of names and paths) that aren't UTF-8. `indent` spaces a level; -1: in one line.
std::string json_text(const nlohmann::json &value, int indent);

/// What the text says. Where it is no JSON: a value that is of none of JSON's types, is_discarded().
nlohmann::json json_of(const std::string &text);

} // namespace gmemfs
