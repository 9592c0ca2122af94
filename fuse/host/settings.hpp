// Settings: the table of gmemfs' own mount options, a row each: how its value is read, and how it is written back.
//
// An option's name serves as --NAME and as -o NAME. The parser, --help, --print-options and the command line of a
// supervised server all go through this table, so that none of them can forget an option.
#pragma once

#include "fuse/host/options.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gmemfs {

struct Setting {
    enum class Kind {
        plain,
        optional, ///< the value may be left out
        flag,     ///< without a value
        file,     ///< the value is a path
        hidden,   ///< not for users
    };
    const char *name;
    const char *value_name; ///< for --help
    const char *description;
    Kind kind;
    Result<void> (*set)(Options &, std::string_view value);
    /// The values that, given to `set` one after the other, lead to these options. None where the default needs none.
    std::vector<std::string> (*words)(const Options &);
    const char *unset; ///< what --print-options says where there are no such values
};
std::span<const Setting> settings();

/// The value of --on-shutdown that leads to these options.
std::string shutdown_text(const Options &options);

/// Name, value and origin of every setting, a line each: `--print-options`.
std::string describe_options(const Options &options);

/// The command line that means the same, from "mount" on, in the foreground. A supervisor starts servers with it.
std::vector<std::string> to_arguments(const Options &options);

/// EINVAL: a usage error, with a hint to --help.
Error bad_option(const std::string &detail);

} // namespace gmemfs
