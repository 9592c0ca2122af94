// Command: the subcommands of gmemfs, and how each reads its command line and prints its errors.
#pragma once

#include "vmm/base/result.hpp"

#include <glib.h>

#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

/// Each runs one subcommand, whose name is argv[0], and answers `--help`. Returns the program's exit status: 0, 1 (an
/// error, printed in one line on stderr) or 2 (usage).
int run_mount(int argc, char **argv);
int run_umount(int argc, char **argv);
int run_stat(int argc, char **argv);
int run_cp(int argc, char **argv);
int run_mv(int argc, char **argv);
int run_pull(int argc, char **argv);
int run_push(int argc, char **argv);
int run_send(int argc, char **argv);
int run_receive(int argc, char **argv);
int run_nixl(int argc, char **argv);
int run_df(int argc, char **argv);
int run_doctor(int argc, char **argv);
int run_test(int argc, char **argv);
int run_bench(int argc, char **argv);
int run_verify(int argc, char **argv);
int run_scrub(int argc, char **argv);
int run_seal(int argc, char **argv);
int run_inject(int argc, char **argv);
int run_pack(int argc, char **argv);
int run_unpack(int argc, char **argv);
int run_block(int argc, char **argv);
int run_swap(int argc, char **argv);
int run_version(int argc, char **argv);
int run_run(int argc, char **argv);
int run_pool(int argc, char **argv);
int run_restart(int argc, char **argv);
int run_save(int argc, char **argv);
int run_restore(int argc, char **argv);
int run_keeper(int argc, char **argv);
int run_probe(int argc, char **argv);

/// Exit statuses.
inline constexpr int kFailure = 1;
inline constexpr int kUsage = 2;
inline constexpr int kInterrupted = 130; ///< as a shell has it for SIGINT

/// How a subcommand is called, for `--help`.
struct Synopsis {
    const char *parameters;  ///< "MOUNTPOINT"
    const char *summary;     ///< one line
    const char *description; ///< after the options: examples, exit status; may be empty
    std::size_t least, most; ///< how many parameters
};

/// What a command line held besides its options, which are stored where `options` points.
struct CommandLine {
    std::vector<std::string> parameters;
    std::optional<int> exit_status; ///< where set: return it at once; everything has been printed
};
/// `--help` is added to `options`, and answered.
CommandLine parse_command_line(int argc, char **argv, const Synopsis &synopsis, std::vector<GOptionEntry> options);

/// Prints "gmemfs: what failed: on what: what to do" on stderr, and returns kFailure.
int fail(const Error &error);
/// Flushes what was printed. Returns `exit_status`, or kFailure after an error (a full disk, say), which is printed on
/// stderr.
int finish_output(int exit_status);
/// Prints "gmemfs COMMAND: what is wrong; see ..." on stderr, and returns kUsage.
int fail_usage(const std::string &command, const std::string &what);

} // namespace gmemfs
