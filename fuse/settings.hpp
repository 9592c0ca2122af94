// Settings: every option of a mount that is gmemfs' own, a row each: how it is read, and how it is written back.
//
// Its name serves as --NAME and as -o NAME. The parser, --help, --print-options and the command line of a supervised
// server all go through this table, so that none of them can forget an option.
#pragma once

#include "fuse/options.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gmemfs {

struct Setting {
    enum class Kind {
        plain,
        optional, ///< its value may be left out
        flag,     ///< it has no value
        file,     ///< its value is a path
        hidden,   ///< not for users
    };
    const char *name;
    const char *value_name; ///< for --help
    const char *description;
    Kind kind;
    Result<void> (*set)(Options &, std::string_view value);
    /// The values that `set` takes, one after the other, to come to these options; none where the default needs none.
    std::vector<std::string> (*words)(const Options &);
    const char *unset; ///< what --print-options says where there are none
};
std::span<const Setting> settings();

/// EINVAL: a usage error, with a hint to --help.
Error bad_option(const std::string &detail);

} // namespace gmemfs
