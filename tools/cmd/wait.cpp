// wait: waits until a path leads to a file of another generation, for scripts (docs/peers.md).
#include "client/lib/gmemfs.h"
#include "fuse/host/json_text.hpp"
#include "tools/host/command.hpp"
#include "tools/host/interruption.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

namespace gmemfs {
namespace {

using Time = std::chrono::steady_clock::time_point;
using Text = std::unique_ptr<gchar, decltype(&g_free)>;

template <typename Number>
bool parse(const char *text, Number &number) {
    const std::string_view whole = text;
    const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), number);
    return error == std::errc() && end == whole.data() + whole.size();
}

// Empty: `text` is no time.
std::optional<Time> end_after(const char *text) {
    constexpr double kYear = 365 * 86400.0;
    double seconds = 100 * kYear; // null: without end
    if (text != nullptr && (!parse(text, seconds) || !std::isfinite(seconds) || seconds < 0 || seconds > 100 * kYear))
        return std::nullopt;
    const std::chrono::duration<double> left(seconds);
    return Time::clock::now() + std::chrono::ceil<Time::duration>(left);
}

// The library's text says what failed, on what, and what to do.
Error failed(int code) { return Error{code, 0, gmemfs_last_error()}; }

Result<std::uint64_t> present(const std::string &path) {
    std::uint64_t generation = 0;
    const int code = gmemfs_get_generation(path.c_str(), &generation);
    if (code != 0) return failed(code);
    return generation;
}

// A signal that isn't the user's wish to end, SIGWINCH say, doesn't end the wait.
Result<std::uint64_t> wait(const std::string &path, std::uint64_t known, Time end) {
    for (;;) {
        std::uint64_t generation = 0;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Time::clock::now()).count();
        const int left_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
        const int code = gmemfs_wait_generation(path.c_str(), known, left_ms, &generation);
        if (code == 0) return generation;
        const bool goes_on = code == EINTR ? !is_interrupted() : code == ETIMEDOUT && left_ms == INT_MAX;
        if (!goes_on) return failed(code);
    }
}

} // namespace

int run_wait(int argc, char **argv) {
    gboolean json = FALSE;
    gchar *after_text = nullptr, *timeout_text = nullptr;
    const Synopsis synopsis = {"PATH",
        "Waits until PATH leads to a file of another generation than N, and prints that generation.",
        "A generation is another one when a file took the name (mv), when a writer has closed the file or sealed it, "
        "and when\na peer that could write has unmapped it. 0: there is no file. The server tells; nothing is asked "
        "meanwhile.\n\n  n=$(gmemfs wait /mnt/gpu/weights --generation-after \"$n\") && reload\n\n"
        "Exit status: 0; 1: an error, or the time is over; 130: interrupted.",
        1, 1};
    const CommandLine line = parse_command_line(argc, argv, synopsis,
        {{"generation-after", 0, 0, G_OPTION_ARG_STRING, &after_text,
             "What is known, as this command or user.gmemfs.generation told it (default: the present one)", "N"},
            {"timeout", 0, 0, G_OPTION_ARG_STRING, &timeout_text, "How long to wait (default: without end)", "SECONDS"},
            {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print path and generation as one JSON object", nullptr}});
    const Text after(after_text, g_free), timeout(timeout_text, g_free);
    if (line.exit_status) return *line.exit_status;
    std::uint64_t known = 0;
    if (after && !parse(after.get(), known))
        return fail_usage("wait", std::string(after.get()) + " is no generation: a number, 0 for none");
    const std::optional<Time> end = end_after(timeout.get());
    if (!end) return fail_usage("wait", std::string(timeout.get()) + " is no number of seconds");
    const std::string &path = line.parameters.front();
    catch_interruptions();
    Result<std::uint64_t> generation = after ? Result<std::uint64_t>(known) : present(path);
    if (generation) generation = wait(path, *generation, *end);
    if (!generation && is_interrupted()) return kInterrupted;
    if (!generation) return fail(generation.error());
    if (json != FALSE)
        std::printf("%s\n", json_text({{"path", path}, {"generation", *generation}}, -1).c_str());
    else
        std::printf("%" PRIu64 "\n", *generation);
    return finish_output(0);
}

} // namespace gmemfs
