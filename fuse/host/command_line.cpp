#include "fuse/host/command_line.hpp"

#include "fuse/host/settings.hpp"
#include "fuse/mounts/mount_flags.hpp"

#include <glib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>
#include <unistd.h>

namespace gmemfs {
namespace {

// What libfuse 3.14 and the kernel take besides; an -o list is passed on word for word.
constexpr std::string_view kMountOptions[] = {"allow_other", "allow_root", "auto_unmount", "default_permissions"};
// What Linux says of a mount that is there, and mount(8) says again for a remount.
constexpr std::string_view kOfMounts[] = {"user_id", "group_id", "rootmode", "max_read", "blksize", "subtype"};
// What mount(8) and systemd mean for themselves: said in fstab, and nothing to do here.
constexpr std::string_view kIgnored[] = {"defaults", "auto", "noauto", "user", "nouser", "users", "nofail", "_netdev"};

bool contains(const auto &list, std::string_view word) {
    return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

Result<void> apply(Options &options, std::string_view name, std::string_view value, const char *origin) {
    for (const Setting &setting : settings()) {
        if (name != setting.name) continue;
        Result<void> done = setting.set(options, value);
        if (!done && done.error().doing != std::string_view("mount"))
            return bad_option(std::string(name) + ": " + done.error().doing + ": " + done.error().detail);
        if (done) options.origins[std::string(name)] = origin;
        return done;
    }
    return bad_option("no such option: " + std::string(name));
}

bool may_lack_value(std::string_view name) {
    return std::any_of(settings().begin(), settings().end(), [&](const Setting &setting) {
        return name == setting.name && (setting.kind == Setting::Kind::optional || setting.kind == Setting::Kind::flag);
    });
}

Result<void> apply_list(Options &options, std::string_view list) {
    if (("," + std::string(list) + ",").find(",remount,") != std::string::npos) options.remount = true;
    while (!list.empty()) {
        const std::size_t end = list.find(',');
        const std::string_view word = list.substr(0, end);
        list = end == std::string_view::npos ? std::string_view() : list.substr(end + 1);
        const std::size_t equals = word.find('=');
        const std::string_view name = word.substr(0, equals);
        if (word.empty() || contains(kIgnored, name) || name.starts_with("x-")) continue;
        if (name == "remount" || (options.remount && contains(kOfMounts, name))) continue;
        if (contains(kMountOptions, name) || is_mount_flag(name)) {
            if (equals != std::string_view::npos) return bad_option("-o " + std::string(name) + " takes no value");
            options.mount_options.emplace_back(word);
            options.origins[std::string(word)] = "-o";
            continue;
        }
        const bool has_value = equals != std::string_view::npos;
        if (!has_value && !may_lack_value(name)) return bad_option("no such option: -o " + std::string(word));
        TRY(apply(options, name, has_value ? word.substr(equals + 1) : std::string_view(), "-o"));
    }
    return {};
}

// ---- GOption ----

struct Given { // what GOption's callbacks gather, in the order of the command line
    std::vector<std::pair<std::string, std::string>> settings;
};

gboolean take(const gchar *name, const gchar *value, gpointer given, GError **) {
    static_cast<Given *>(given)->settings.emplace_back(name, value == nullptr ? "" : value);
    return TRUE;
}

// GOption knows "-o LIST" and not "-oLIST", which mount(8) has taught everybody; and for an option whose value may be
// left out it takes the next word, which is the mount point.
std::vector<std::string> spell_out(int argc, char **argv) {
    std::vector<std::string> words;
    for (const std::string_view word : std::vector<std::string_view>(argv, argv + argc)) {
        const bool is_attached = word.size() > 2 && word.starts_with("-o");
        const bool lacks_value = std::any_of(settings().begin(), settings().end(), [&](const Setting &setting) {
            return setting.kind == Setting::Kind::optional && word == "--" + std::string(setting.name);
        });
        if (is_attached) words.emplace_back("-o");
        words.emplace_back(is_attached ? word.substr(2) : word);
        if (lacks_value) words.back() += '=';
    }
    return words;
}

GOptionFlags flags_of(Setting::Kind kind) {
    switch (kind) {
    case Setting::Kind::optional: return GOptionFlags(G_OPTION_FLAG_OPTIONAL_ARG | G_OPTION_FLAG_FILENAME);
    case Setting::Kind::flag: return G_OPTION_FLAG_NO_ARG;
    case Setting::Kind::file: return G_OPTION_FLAG_FILENAME;
    case Setting::Kind::hidden: return GOptionFlags(G_OPTION_FLAG_HIDDEN | G_OPTION_FLAG_FILENAME);
    case Setting::Kind::plain: break;
    }
    return G_OPTION_FLAG_FILENAME; // bytes, which are no text of the locale's
}

// "--simulate 1G MOUNTPOINT": of two words the one behind --simulate is its size.
Result<void> take_simulated_size(Options &options, const std::vector<std::string> &words, int &argc, char **&argv) {
    const auto at = std::find(words.begin(), words.end(), "--simulate=");
    if (argc != 3 || at == words.end() || at + 1 == words.end() || argv[1] != *(at + 1)) return {};
    TRY(apply(options, "simulate", argv[1], "flag"));
    --argc;
    ++argv;
    return {};
}

struct FreeContext {
    void operator()(GOptionContext *context) const { g_option_context_free(context); }
};

constexpr const char *kDescription =
    "-o takes the options above as well (-o device=0:1,capacity=1G), and the mount options of fuse(4): allow_other,\n"
    "ro, noatime, nosuid, ...\n\n"
    "Sizes take K, M, G and T. The command returns when the mount answers; -f stays. To unmount: gmemfs umount.\n"
    "With no GPU: gmemfs mount --simulate=1G MOUNTPOINT\n";

} // namespace

Result<ParsedOptions> parse_options(int argc, char **argv) {
    ParsedOptions parsed;
    Options &options = parsed.options;
    Given given;
    gboolean foreground = FALSE;
    gboolean debug = FALSE;
    gboolean print = FALSE;
    gboolean help = FALSE;
    auto *const callback = reinterpret_cast<gpointer>(take);
    std::vector<GOptionEntry> entries = {
        {"foreground", 'f', 0, G_OPTION_ARG_NONE, &foreground, "stay in the foreground", nullptr},
        {"debug", 'd', 0, G_OPTION_ARG_NONE, &debug, "log every request; stays in the foreground", nullptr},
        {"options", 'o', G_OPTION_FLAG_FILENAME, G_OPTION_ARG_CALLBACK, callback, "mount options, with commas between",
            "OPTIONS"},
        {"print-options", 0, 0, G_OPTION_ARG_NONE, &print, "show every option's value and origin; mount nothing",
            nullptr},
        {"help", 'h', 0, G_OPTION_ARG_NONE, &help, "show this help", nullptr},
    };
    for (const Setting &setting : settings())
        entries.push_back({setting.name, 0, flags_of(setting.kind), G_OPTION_ARG_CALLBACK, callback,
            setting.description, setting.value_name});
    entries.push_back({});
    g_set_prgname("gmemfs mount");
    const std::unique_ptr<GOptionContext, FreeContext> context(g_option_context_new("MOUNTPOINT"));
    g_option_context_set_summary(context.get(), "Mounts a filesystem whose files are GPU memory.");
    g_option_context_set_description(context.get(), kDescription);
    g_option_context_set_help_enabled(context.get(), FALSE);
    GOptionGroup *const group = g_option_group_new("mount", "", "", &given, nullptr);
    g_option_group_add_entries(group, entries.data());
    g_option_context_set_main_group(context.get(), group); // which it owns from here
    std::vector<std::string> words = spell_out(argc, argv);
    std::vector<char *> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string &word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    argc = static_cast<int>(words.size());
    argv = arguments.data();
    GError *error = nullptr;
    if (!g_option_context_parse(context.get(), &argc, &argv, &error)) {
        const std::string message = error->message;
        g_error_free(error);
        return bad_option(message);
    }
    if (help) {
        gchar *const text = g_option_context_get_help(context.get(), TRUE, nullptr);
        parsed.help = text;
        g_free(text);
        return parsed;
    }
    for (const auto &[name, value] : given.settings) {
        if (name == "-o" || name == "--options")
            TRY(apply_list(options, value));
        else
            TRY(apply(options, name.substr(2), value, "flag"));
    }
    options.foreground = foreground != FALSE || debug != FALSE;
    options.debug = debug != FALSE;
    options.print = print != FALSE;
    TRY(take_simulated_size(options, words, argc, argv));
    if (argc == 2 || (argc == 3 && std::string_view(argv[1]) == "--")) options.mount_point = argv[argc - 1];
    if (options.mount_point.empty())
        return bad_option(argc < 2   ? "it lacks a mount point"
                          : argc > 2 ? "it takes one mount point"
                                     : "the mount point is empty");
    if (!options.save_file.empty() && !options.keeper)
        return bad_option("on-shutdown: saving needs the keeper, which has the files if it fails: leave --keeper=off");
    if (options.io_uring && options.workers != 0)
        return bad_option("workers: with io_uring there are as many as the processors need: leave one of the two");
    return parsed;
}

} // namespace gmemfs
