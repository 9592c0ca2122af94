// Settings: every option of a mount that is gmemfs' own, a row each: how it is read, and how it is written back.
//
// Its name serves as --NAME and as -o NAME. The parser, --help, --print-options and the command line of a supervised
// server all go through this table, so that none of them can forget an option.
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

/// What --on-shutdown takes to come to these options.
std::string shutdown_text(const Options &options);

/// Name, value and origin of every setting, a line each: `--print-options`.
std::string describe_options(const Options &options);

/// The command line that means the same, from "mount" on: what a supervisor calls the program with. In the foreground.
std::vector<std::string> to_arguments(const Options &options);

/// EINVAL: a usage error, with a hint to --help.
Error bad_option(const std::string &detail);

} // namespace gmemfs
