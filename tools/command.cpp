#include "tools/command.hpp"

#include <cstdio>
#include <memory>

namespace gmemfs {
namespace {

struct FreeContext {
    void operator()(GOptionContext *context) const { g_option_context_free(context); }
};

int fail_usage(const std::string &command, const std::string &what) {
    std::fprintf(stderr, "gmemfs %s: %s; see `gmemfs %s --help`\n", command.c_str(), what.c_str(), command.c_str());
    return kUsage;
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
    options.push_back({}); // GOption's end of the list
    g_option_context_add_main_entries(context.get(), options.data(), nullptr);
    CommandLine line;
    GError *error = nullptr;
    if (!g_option_context_parse(context.get(), &argc, &argv, &error)) {
        line.exit_status = fail_usage(command, error->message);
        g_error_free(error);
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

} // namespace gmemfs
