#include "fuse/options.hpp"

#include "vmm/base/limits.hpp"

#include <glib.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <pwd.h>
#include <sstream>
#include <string_view>
#include <unistd.h>

namespace gmemfs {
namespace {

Error usage(const std::string &detail) { return Error{EINVAL, 0, "mount", detail + "; see `gmemfs mount --help`"}; }

// ---- setters: one a row of the table below ----

Result<void> set_device(Options &options, std::string_view value) {
    options.devices.clear();
    // ',' on the command line; in an -o list, where ',' ends an option, ':'.
    while (!value.empty()) {
        const std::size_t end = value.find_first_of(",:");
        const std::string_view name = value.substr(0, end);
        const bool is_number = !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
        if (!is_number && !name.starts_with("GPU-") && name != "all") break;
        options.devices.emplace_back(name);
        if (end == std::string_view::npos) return {};
        value = value.substr(end + 1);
    }
    return usage("device: name them by number or UUID, with commas between, or all");
}

Result<void> set_simulate(Options &options, std::string_view value) {
    options.simulate = true;
    if (value.empty()) return {};
    options.simulate_size = TRY(parse_size(value));
    if (options.simulate_size < 2 * MiB) return usage("simulate: a device has at least 2 MiB");
    return {};
}

Result<void> set_capacity(Options &options, std::string_view value) {
    options.capacity = TRY(parse_size(value));
    if (options.capacity == 0) return usage("capacity: it must be more than nothing");
    return {};
}

Result<uid_t> find_user(const std::string &name) {
    uid_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) return number;
    const passwd *const entry = name.empty() ? nullptr : ::getpwnam(name.c_str());
    if (entry == nullptr) return usage("quota: there is no user '" + name + "'");
    return entry->pw_uid;
}

Result<void> add_quota(Options &options, const std::string &user, std::string_view size) {
    const uid_t number = TRY(find_user(user));
    options.quotas[number] = TRY(parse_size(size));
    return {};
}

// USER=SIZE, or a file of lines "USER SIZE", with comments after '#'.
Result<void> set_quota(Options &options, std::string_view value) {
    const std::size_t equals = value.find('=');
    if (equals != std::string_view::npos)
        return add_quota(options, std::string(value.substr(0, equals)), value.substr(equals + 1));
    const std::string path(value);
    std::ifstream file(path);
    if (!file) return usage("quota: '" + path + "' is neither USER=SIZE nor a file that can be read");
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string user;
        std::string size;
        std::string more;
        if (!(words >> user)) continue;
        if (!(words >> size) || words >> more)
            return usage("quota: " + path + ", line " + std::to_string(number) + ": it is not like `USER SIZE`");
        TRY(add_quota(options, user, size));
    }
    return {};
}

Result<void> set_max_files(Options &options, std::string_view value) {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), options.max_files);
    if (error != std::errc() || end != value.data() + value.size() || options.max_files == 0)
        return usage("max-files: '" + std::string(value) + "' is no number from 1 on");
    return {};
}

Result<void> set_handles(Options &options, std::string_view value) {
    if (value == "auto")
        options.handles = HandlePolicy::automatic;
    else if (value == "fabric")
        options.handles = HandlePolicy::fabric;
    else if (value == "fd")
        options.handles = HandlePolicy::fd;
    else
        return usage("handles: '" + std::string(value) + "' is none of auto, fabric, fd");
    return {};
}

Result<bool> parse_switch(const char *name, std::string_view value) {
    if (value == "on" || value == "off") return value == "on";
    return usage(std::string(name) + ": '" + std::string(value) + "' is neither on nor off");
}

Result<void> set_keeper(Options &options, std::string_view value) {
    options.keeper = TRY(parse_switch("keeper", value));
    return {};
}

Result<void> set_broker(Options &options, std::string_view value) {
    options.broker = TRY(parse_switch("broker", value));
    return {};
}

Result<void> set_ecc(Options &, std::string_view value) {
    if (TRY(parse_switch("ecc", value))) return usage("ecc: this version keeps no parity yet; leave it off");
    return {};
}

Result<void> set_workers(Options &options, std::string_view value) {
    unsigned count = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
    if (error != std::errc() || end != value.data() + value.size() || count < kWorkersMin || count > kWorkersMax)
        return usage("workers: '" + std::string(value) + "' is no number from " + std::to_string(kWorkersMin) + " to " +
                     std::to_string(kWorkersMax));
    options.workers = count;
    return {};
}

Result<void> set_supervisor(Options &options, std::string_view value) {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), options.supervisor);
    if (error != std::errc() || end != value.data() + value.size() || options.supervisor < 3)
        return usage("supervisor: it is no descriptor");
    return {};
}

Result<void> set_log(Options &options, std::string_view value) {
    if (value.empty()) return usage("log: name a file");
    options.log_file = value;
    return {};
}

Result<void> set_source(Options &options, std::string_view value) {
    // mount(8) passes "none" or nothing on where fstab names no source.
    if (!value.empty() && value != "none") options.source = value;
    return {};
}

struct Setting {
    const char *name;
    const char *value_name; // for --help; null: takes none
    const char *description;
    GOptionFlags flags;
    Result<void> (*set)(Options &, std::string_view value);
};
constexpr Setting kSettings[] = {
    {"device", "N,...|UUID|all", "GPUs to use (0); the roomiest takes a new file", G_OPTION_FLAG_NONE, set_device},
    {"simulate", "BYTES", "use the simulator, with a device of so many bytes (8G)", G_OPTION_FLAG_OPTIONAL_ARG,
        set_simulate},
    {"capacity", "BYTES", "use no more device memory than this", G_OPTION_FLAG_NONE, set_capacity},
    {"quota", "USER=BYTES|FILE", "device memory for a user's files; may be repeated; FILE has lines `USER BYTES`",
        G_OPTION_FLAG_NONE, set_quota},
    {"max-files", "N", "files and directories at a time (one for each 2 pages of the host's memory)",
        G_OPTION_FLAG_NONE, set_max_files},
    {"handles", "auto|fabric|fd", "what peers can import (auto: fabric handles where the machine has them)",
        G_OPTION_FLAG_NONE, set_handles},
    {"keeper", "on|off", "keep the memory in a process that outlives the server (on)", G_OPTION_FLAG_NONE, set_keeper},
    {"broker", "on|off", "hand descriptors to peers over a socket (on)", G_OPTION_FLAG_NONE, set_broker},
    {"ecc", "on|off", "keep parity (off; this version has none yet)", G_OPTION_FLAG_NONE, set_ecc},
    {"workers", "N", "threads that serve requests (4 to 16, by the cores)", G_OPTION_FLAG_NONE, set_workers},
    {"log", "FILE", "append the log to this file", G_OPTION_FLAG_FILENAME, set_log},
    {"supervisor", "FD", "for the supervisor's use", G_OPTION_FLAG_HIDDEN, set_supervisor},
    {"fsname", "NAME", "what stands first in /proc/mounts (gmemfs)", G_OPTION_FLAG_NONE, set_source},
};

// What libfuse 3.14 and the kernel take besides; an -o list is passed on word for word.
constexpr std::string_view kMountOptions[] = {"allow_other", "allow_root", "auto_unmount", "default_permissions", "ro",
    "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "async", "sync", "dirsync", "atime", "noatime",
    "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime"};
// What mount(8) and systemd mean for themselves: said in fstab, and nothing to do here.
constexpr std::string_view kIgnored[] = {"defaults", "auto", "noauto", "user", "nouser", "users", "nofail", "_netdev"};

bool contains(const auto &list, std::string_view word) {
    return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

Result<void> apply(Options &options, std::string_view name, std::string_view value, const char *origin) {
    for (const Setting &setting : kSettings) {
        if (name != setting.name) continue;
        Result<void> done = setting.set(options, value);
        if (!done && done.error().doing != std::string_view("mount"))
            return usage(std::string(name) + ": " + done.error().doing + ": " + done.error().detail);
        if (done) options.origins[std::string(name)] = origin;
        return done;
    }
    return usage("no such option: " + std::string(name));
}

Result<void> apply_list(Options &options, std::string_view list) {
    while (!list.empty()) {
        const std::size_t end = list.find(',');
        const std::string_view word = list.substr(0, end);
        list = end == std::string_view::npos ? std::string_view() : list.substr(end + 1);
        const std::size_t equals = word.find('=');
        const std::string_view name = word.substr(0, equals);
        if (word.empty() || contains(kIgnored, name) || name.starts_with("x-")) continue;
        if (contains(kMountOptions, name)) {
            if (equals != std::string_view::npos) return usage("-o " + std::string(name) + " takes no value");
            options.mount_options.emplace_back(word);
            options.origins[std::string(word)] = "-o";
            continue;
        }
        const bool has_value = equals != std::string_view::npos;
        if (!has_value && name != "simulate") return usage("no such option: -o " + std::string(word));
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
        const bool lacks_value = std::any_of(std::begin(kSettings), std::end(kSettings), [&](const Setting &setting) {
            return (setting.flags & G_OPTION_FLAG_OPTIONAL_ARG) != 0 && word == "--" + std::string(setting.name);
        });
        if (is_attached) words.emplace_back("-o");
        words.emplace_back(is_attached ? word.substr(2) : word);
        if (lacks_value) words.back() += '=';
    }
    return words;
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
        {"options", 'o', 0, G_OPTION_ARG_CALLBACK, callback, "mount options, with commas between", "OPTIONS"},
        {"print-options", 0, 0, G_OPTION_ARG_NONE, &print, "show every option's value and origin; mount nothing",
            nullptr},
        {"help", 'h', 0, G_OPTION_ARG_NONE, &help, "show this help", nullptr},
    };
    for (const Setting &setting : kSettings)
        entries.push_back(
            {setting.name, 0, setting.flags, G_OPTION_ARG_CALLBACK, callback, setting.description, setting.value_name});
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
        return usage(message);
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
    if (argc == 2 || (argc == 3 && std::string_view(argv[1]) == "--")) options.mount_point = argv[argc - 1];
    if (options.mount_point.empty())
        return usage(argc < 2   ? "it lacks a mount point"
                     : argc > 2 ? "it takes one mount point"
                                : "the mount point is empty");
    return parsed;
}

std::string describe_options(const Options &options) {
    const auto join = [](const std::vector<std::string> &words) {
        std::string line;
        for (const std::string &word : words) line += (line.empty() ? "" : ",") + word;
        return line;
    };
    const char *const handles[] = {"auto", "fabric", "fd"};
    std::vector<std::string> quotas;
    for (const auto &[user, bytes] : options.quotas)
        quotas.push_back(std::to_string(user) + "=" + std::to_string(bytes));
    const std::pair<const char *, std::string> values[] = {
        {"device", join(options.devices)},
        {"simulate", !options.simulate            ? "no"
                     : options.simulate_size == 0 ? "yes"
                                                  : std::to_string(options.simulate_size)},
        {"capacity", options.capacity == 0 ? "all device memory" : std::to_string(options.capacity)},
        {"quota", join(quotas)},
        {"max-files", options.max_files == 0 ? "by the host's memory" : std::to_string(options.max_files)},
        {"handles", handles[static_cast<int>(options.handles)]},
        {"keeper", options.keeper ? "on" : "off"},
        {"broker", options.broker ? "on" : "off"},
        {"ecc", "off"},
        {"workers", options.workers == 0 ? "by the cores" : std::to_string(options.workers)},
        {"log", options.log_file.empty() ? "journal or syslog" : options.log_file},
        {"fsname", options.source},
    };
    std::string text;
    const auto add = [&](const std::string &name, const std::string &value) {
        const auto origin = options.origins.find(name);
        text += name + " = " + value + "  (" + (origin == options.origins.end() ? "default" : origin->second) + ")\n";
    };
    for (const auto &[name, value] : values) add(name, value);
    for (const std::string &word : options.mount_options) add(word, "yes");
    return text;
}

std::vector<std::string> to_arguments(const Options &options) {
    const char *const handles[] = {"auto", "fabric", "fd"};
    std::string devices;
    for (const std::string &device : options.devices) devices += (devices.empty() ? "" : ",") + device;
    std::vector<std::string> words = {"mount", "-f", "--device=" + devices,
        std::string("--handles=") + handles[static_cast<int>(options.handles)],
        std::string("--keeper=") + (options.keeper ? "on" : "off"), "--fsname=" + options.source};
    if (options.simulate && options.simulate_size == 0) words.emplace_back("--simulate");
    if (options.simulate_size != 0) words.push_back("--simulate=" + std::to_string(options.simulate_size));
    if (options.capacity != 0) words.push_back("--capacity=" + std::to_string(options.capacity));
    if (options.workers != 0) words.push_back("--workers=" + std::to_string(options.workers));
    if (!options.log_file.empty()) words.push_back("--log=" + options.log_file);
    for (const std::string &word : options.mount_options) {
        words.emplace_back("-o");
        words.push_back(word);
    }
    words.emplace_back("--");
    words.push_back(options.mount_point);
    return words;
}

std::string runtime_base() {
    if (const char *const folder = std::getenv("GMEMFS_RUNTIME_DIR"); folder != nullptr && *folder != '\0')
        return folder;
    if (::geteuid() == 0) return "/run/gmemfs"; // whatever the session: `sudo` must find what systemd has left
    if (const char *const folder = std::getenv("XDG_RUNTIME_DIR"); folder != nullptr && *folder != '\0')
        return std::string(folder) + "/gmemfs";
    return "/tmp/gmemfs-" + std::to_string(::geteuid());
}

} // namespace gmemfs
