// Command line: parses the arguments of `gmemfs mount`, -o lists included, to Options.
#pragma once

#include "fuse/host/options.hpp"

#include <string>

namespace gmemfs {

/// What a command line came to: options, or a text for --help.
struct ParsedOptions {
    Options options;
    std::string help; ///< not empty: print it, and exit 0
};

/// argv[0] is "mount". EINVAL, with one line that says what is wrong: a usage error.
Result<ParsedOptions> parse_options(int argc, char **argv);

} // namespace gmemfs
