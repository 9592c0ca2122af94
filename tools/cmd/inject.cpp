// inject: turns bits of a file on purpose, so that repairs can be tried.
#include "client/wire/file_control.hpp"
#include "tools/host/command.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/units.hpp"

#include <fcntl.h>

namespace gmemfs {
namespace {

constexpr std::uint64_t kBlock = 128 * KiB;

const char *reason_of(int code) {
    switch (code) {
    case EPERM: return "its mount doesn't allow it: mount it with --allow-inject";
    case EINVAL: return "there are not so many bits, or more than 2^24 at a time";
    case ENOTTY: return "it lies in no gmemfs mount";
    default: return "";
    }
}

Result<void> inject(const std::string &path, const parity_control::ParityRange &wanted) {
    const Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!file) return Error{errno, 0, "open file", path};
    parity_control::ParityRange range = wanted;
    if (::ioctl(file.get(), parity_control::kInject, &range) == 0) return {};
    const int code = errno;
    return Error{code, 0, "damage file", path + (*reason_of(code) == '\0' ? "" : std::string(": ") + reason_of(code))};
}

} // namespace

int run_inject(int argc, char **argv) {
    gint64 bits = 1;
    gint64 seed = 1;
    gint64 block = -1;
    const std::vector<GOptionEntry> options = {
        {"bits", 0, 0, G_OPTION_ARG_INT64, &bits, "How many, each another one (1)", "N"},
        {"block", 0, 0, G_OPTION_ARG_INT64, &block, "All in this block of 128 KiB, from 0 (anywhere)", "B"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Which bits (1)", "S"}};
    const Synopsis synopsis = {"PATH", "Turns bits of a file's data behind its parity's back.",
        "The mount has to allow it (--allow-inject). Up to 4 wrong symbols in a codeword can be repaired; a block has\n"
        "1,024 codewords of 136 symbols.",
        1, 1};
    const CommandLine line = parse_command_line(argc, argv, synopsis, options);
    if (line.exit_status) return *line.exit_status;
    if (bits < 1) return fail_usage("inject", "--bits: a number from 1 on");
    if (block < -1 || block > INT64_MAX / std::int64_t(kBlock))
        return fail_usage("inject", "--block: a number from 0 on");
    parity_control::ParityRange range = {
        .length = UINT64_MAX, .bits = static_cast<std::uint64_t>(bits), .seed = static_cast<std::uint64_t>(seed)};
    if (block >= 0) {
        range.offset = static_cast<std::uint64_t>(block) * kBlock;
        range.length = kBlock;
    }
    const Result<void> done = inject(line.parameters.front(), range);
    return done ? 0 : fail(done.error());
}

} // namespace gmemfs
