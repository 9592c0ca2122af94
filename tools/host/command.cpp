#include "tools/host/command.hpp"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>

namespace gmemfs {
namespace {

struct FreeContext {
    void operator()(GOptionContext *context) const { g_option_context_free(context); }
};

// GOption's own --help writes its ellipsis as a question mark where the locale is C.
void print_help(GOptionContext &context) {
    gchar *made = g_option_context_get_help(&context, TRUE, nullptr);
    std::string text = made;
    g_free(made);
    constexpr std::string_view kEllipsis = "\u2026";
    const std::size_t at = text.find(kEllipsis);
    if (at != std::string::npos) text.replace(at, kEllipsis.size(), "...");
    std::fputs(text.c_str(), stdout);
}

std::string count_error(const Synopsis &synopsis, std::size_t count) {
    if (count < synopsis.least) return std::string("it lacks a parameter: ") + synopsis.parameters;
    return std::string("too many parameters: it takes ") + (synopsis.most == 0 ? "none" : synopsis.parameters);
}

} // namespace

CommandLine parse_command_line(int argc, char **argv, const Synopsis &synopsis, std::vector<GOptionEntry> options) {
    const std::string command = argc > 0 ? argv[0] : "";
    g_set_prgname(("gmemfs " + command).c_str());
    const std::unique_ptr<GOptionContext, FreeContext> context(g_option_context_new(synopsis.parameters));
    g_option_context_set_summary(context.get(), synopsis.summary);
    g_option_context_set_description(context.get(), synopsis.description);
    gboolean help = FALSE;
    options.push_back({"help", 'h', 0, G_OPTION_ARG_NONE, &help, "Show this help", nullptr});
    options.push_back({}); // GOption's end of the list
    g_option_context_set_help_enabled(context.get(), FALSE);
    g_option_context_add_main_entries(context.get(), options.data(), nullptr);
    CommandLine line;
    GError *error = nullptr;
    if (!g_option_context_parse(context.get(), &argc, &argv, &error)) {
        line.exit_status = fail_usage(command, error->message);
        g_error_free(error);
        return line;
    }
    if (help) {
        print_help(*context);
        line.exit_status = 0;
        return line;
    }
    for (int index = 1; index < argc; ++index)
        if (std::string(argv[index]) != "--") line.parameters.emplace_back(argv[index]);
    const std::size_t count = line.parameters.size();
    if (count < synopsis.least || count > synopsis.most)
        line.exit_status = fail_usage(command, count_error(synopsis, count));
    return line;
}

int fail(const Error &error) {
    std::fprintf(stderr, "gmemfs: %s\n", error.text().c_str());
    return kFailure;
}

int finish_output(int exit_status) {
    const bool had_failed = std::ferror(stdout) != 0;
    if (!had_failed) errno = 0; // else it is most likely that failure's
    if (std::fflush(stdout) == 0 && !had_failed) return exit_status;
    const int failed = fail(Error{errno != 0 ? errno : EIO, 0, "write to standard output"});
    return exit_status != 0 ? exit_status : failed;
}

int fail_usage(const std::string &command, const std::string &what) {
    std::fprintf(stderr, "gmemfs %s: %s; see `gmemfs %s --help`\n", command.c_str(), what.c_str(), command.c_str());
    return kUsage;
}

} // namespace gmemfs
