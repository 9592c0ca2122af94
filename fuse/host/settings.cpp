#include "fuse/host/settings.hpp"

#include "fuse/core/names/inode.hpp"

#include "vmm/base/limits.hpp"
#include "vmm/base/units.hpp"

#include <bit>
#include <charconv>
#include <climits>
#include <filesystem>
#include <fstream>
#include <pwd.h>
#include <sstream>
#include <system_error>

namespace gmemfs {

Error bad_option(const std::string &detail) {
    return Error{EINVAL, 0, "mount", detail + "; see `gmemfs mount --help`"};
}

namespace {

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
    return bad_option("device: name them by number or UUID, with commas between, or all");
}

Result<void> set_place(Options &options, std::string_view value) {
    const std::optional<PlaceBy> by = place_by_of(value);
    if (!by) return bad_option("place: '" + std::string(value) + "' is none of first, free, near");
    options.place = *by;
    return {};
}

Result<void> set_simulate(Options &options, std::string_view value) {
    options.simulate = true;
    if (value.empty()) return {};
    options.simulate_size = TRY(parse_size(value));
    if (options.simulate_size < 2 * MiB) return bad_option("simulate: a device has at least 2 MiB");
    return {};
}

Result<void> set_capacity(Options &options, std::string_view value) {
    options.capacity = TRY(parse_size(value));
    if (options.capacity == 0) return bad_option("capacity: it must be more than nothing");
    return {};
}

Result<uid_t> find_user(const std::string &name) {
    uid_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) return number;
    const passwd *const entry = name.empty() ? nullptr : ::getpwnam(name.c_str());
    if (entry == nullptr) return bad_option("quota: there is no user '" + name + "'");
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
    if (!file) return bad_option("quota: '" + path + "' is neither USER=SIZE nor a file that can be read");
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string user;
        std::string size;
        std::string more;
        if (!(words >> user)) continue;
        if (!(words >> size) || words >> more)
            return bad_option("quota: " + path + ", line " + std::to_string(number) + ": it is not like `USER SIZE`");
        TRY(add_quota(options, user, size));
    }
    return {};
}

// A whole number from `least` to `most`; `what` says so to people.
Result<std::uint64_t> parse_number(
    const char *name, std::string_view value, std::uint64_t least, std::uint64_t most, const std::string &what) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool is_number = error == std::errc() && end == value.data() + value.size();
    if (is_number && number >= least && number <= most) return number;
    return bad_option(std::string(name) + ": '" + std::string(value) + "' is no " + what);
}

Result<void> set_max_files(Options &options, std::string_view value) {
    options.max_files = TRY(parse_number("max-files", value, 1, UINT64_MAX, "number from 1 on"));
    return {};
}

Result<void> set_handles(Options &options, std::string_view value) {
    const std::optional<HandlePolicy> policy = handle_policy_of(value);
    if (!policy) return bad_option("handles: '" + std::string(value) + "' is none of auto, fabric, fd");
    options.handles = *policy;
    return {};
}

Result<bool> parse_switch(const char *name, std::string_view value) {
    if (value == "on" || value == "off") return value == "on";
    return bad_option(std::string(name) + ": '" + std::string(value) + "' is neither on nor off");
}

Result<void> set_keeper(Options &options, std::string_view value) {
    options.keeper = TRY(parse_switch("keeper", value));
    return {};
}

Result<void> set_broker(Options &options, std::string_view value) {
    options.broker = TRY(parse_switch("broker", value));
    return {};
}

Result<void> set_ecc(Options &options, std::string_view value) {
    options.ecc = TRY(parse_switch("ecc", value));
    return {};
}

Result<bool> parse_flag(const char *name, std::string_view value) {
    if (value.empty()) return true;
    return bad_option(std::string(name) + ": it takes no value");
}

Result<void> set_acl(Options &options, std::string_view value) {
    options.acl = TRY(parse_switch("acl", value));
    return {};
}

Result<void> set_verify_reads(Options &options, std::string_view value) {
    options.verify_reads = TRY(parse_flag("verify-reads", value));
    return {};
}

Result<void> set_scrub_rate(Options &options, std::string_view value) {
    options.scrub_rate = TRY(parse_size(value));
    return {};
}

Result<unsigned> parse_time(const char *name, std::string_view value) {
    const Result<unsigned> seconds = parse_age(value);
    if (!seconds) return bad_option(std::string(name) + ": " + seconds.error().detail);
    return *seconds;
}

Result<void> set_pack_after(Options &options, std::string_view value) {
    options.pack_after = TRY(parse_time("pack-after", value));
    return {};
}

Result<void> set_host_after(Options &options, std::string_view value) {
    options.host_after = TRY(parse_time("host-after", value));
    return {};
}

Result<void> set_host_limit(Options &options, std::string_view value) {
    options.host_limit = TRY(parse_size(value));
    return {};
}

Result<void> set_make_room(Options &options, std::string_view value) {
    const std::optional<RoomBy> how = room_by_of(value);
    if (!how) return bad_option("make-room: '" + std::string(value) + "' is none of off, pack, host");
    options.make_room = *how;
    return {};
}

Result<void> set_scrub_every(Options &options, std::string_view value) {
    options.scrub_every =
        static_cast<unsigned>(TRY(parse_number("scrub-every", value, 1, INT_MAX, "number of seconds from 1 on")));
    return {};
}

Result<void> set_allow_inject(Options &options, std::string_view value) {
    options.allow_inject = TRY(parse_flag("allow-inject", value));
    return {};
}

Result<void> set_workers(Options &options, std::string_view value) {
    const std::string what = "number from " + std::to_string(kWorkersMin) + " to " + std::to_string(kWorkersMax);
    options.workers = static_cast<unsigned>(TRY(parse_number("workers", value, kWorkersMin, kWorkersMax, what)));
    return {};
}

Result<void> set_io_uring(Options &options, std::string_view value) {
    options.io_uring = TRY(parse_flag("io_uring", value));
    return {};
}

Result<void> set_page_cache(Options &options, std::string_view value) {
    options.page_cache = TRY(parse_flag("page-cache", value));
    return {};
}

Result<void> set_list_handles(Options &options, std::string_view value) {
    options.list_handles = TRY(parse_flag("list-handles", value));
    return {};
}

Result<void> set_blksize(Options &options, std::string_view value) {
    options.blksize = TRY(parse_size(value));
    const bool is_right =
        std::has_single_bit(options.blksize) && options.blksize >= 4 * KiB && options.blksize <= kRequestMax;
    if (!is_right) return bad_option("blksize: it is a power of 2 from 4K to 1M");
    return {};
}

Result<void> set_supervisor(Options &options, std::string_view value) {
    options.supervisor = static_cast<int>(TRY(parse_number("supervisor", value, 3, INT_MAX, "descriptor")));
    return {};
}

constexpr std::string_view kSave = "save:", kSavePacked = "save-packed:";

Result<void> set_on_shutdown(Options &options, std::string_view value) {
    options.save_file.clear();
    if (value == "nothing") return {};
    options.saves_as = value.starts_with(kSavePacked) ? SavesAs::packed : SavesAs::plain;
    const std::string_view way = options.saves_as == SavesAs::packed ? kSavePacked : kSave;
    if (!value.starts_with(way) || value.size() == way.size())
        return bad_option(
            "on-shutdown: '" + std::string(value) + "' is neither nothing nor save:FILE nor save-packed:FILE");
    std::error_code error; // a server is elsewhere
    options.save_file = std::filesystem::absolute(value.substr(way.size()), error);
    if (error) return bad_option("on-shutdown: the working folder is gone: name the file by its whole path");
    return {};
}

Result<void> set_log(Options &options, std::string_view value) {
    if (value.empty()) return bad_option("log: name a file");
    std::error_code error;
    options.log_file = std::filesystem::absolute(value, error);
    if (error) return bad_option("log: the working folder is gone: name the file by its whole path");
    return {};
}

Result<void> set_source(Options &options, std::string_view value) {
    // Shown as fstab has it, "none" too; else `mount -a` doesn't recognise the mount, and mounts twice.
    if (!value.empty()) options.source = value;
    return {};
}

// ---- what each is at present: the words that its setter would take

using Words = std::vector<std::string>;

std::string joined(const Words &words) {
    std::string line;
    for (const std::string &word : words) line += (line.empty() ? "" : ",") + word;
    return line;
}

Words number(std::uint64_t value) { return value == 0 ? Words() : Words{std::to_string(value)}; }
Words text(const std::string &value) { return value.empty() ? Words() : Words{value}; }
Words on_or_off(bool value) { return {value ? "on" : "off"}; }

Words quotas(const Options &options) {
    Words words;
    for (const auto &[user, bytes] : options.quotas)
        words.push_back(std::to_string(user) + "=" + std::to_string(bytes));
    return words;
}

Words simulate(const Options &options) {
    if (!options.simulate) return {};
    return {options.simulate_size == 0 ? std::string() : std::to_string(options.simulate_size)};
}

using Kind = Setting::Kind;
constexpr Setting kSettings[] = {
    {"device", "N,...|UUID|all", "GPUs to use (0)", Kind::plain, set_device,
        [](const Options &options) { return text(joined(options.devices)); }, ""},
    {"place", "first|free|near",
        "of several GPUs, where a new file goes: to the first with room, the one with most, one near the writer (free)",
        Kind::plain, set_place, [](const Options &options) { return Words{word_of(options.place)}; }, ""},
    {"simulate", "BYTES", "use the simulator, with a device of so many bytes (8G)", Kind::optional, set_simulate,
        simulate, "no"},
    {"capacity", "BYTES", "use no more device memory than this", Kind::plain, set_capacity,
        [](const Options &options) { return number(options.capacity); }, "all device memory"},
    {"quota", "USER=BYTES|FILE", "device memory for a user's files; may be repeated; FILE has lines `USER BYTES`",
        Kind::plain, set_quota, quotas, "none"},
    {"max-files", "N", "files and directories at a time (one for each 2 pages of the host's memory)", Kind::plain,
        set_max_files, [](const Options &options) { return number(options.max_files); }, "by the host's memory"},
    {"handles", "auto|fabric|fd", "what peers can import (auto: fabric handles where the machine has them)",
        Kind::plain, set_handles, [](const Options &options) { return Words{word_of(options.handles)}; }, ""},
    {"keeper", "on|off", "keep the memory in a process that outlives the server (on)", Kind::plain, set_keeper,
        [](const Options &options) { return on_or_off(options.keeper); }, ""},
    {"broker", "on|off", "hand descriptors to peers over a socket (on)", Kind::plain, set_broker,
        [](const Options &options) { return on_or_off(options.broker); }, ""},
    {"ecc", "on|off", "keep parity of new files, which takes 6.25 % more memory (off)", Kind::plain, set_ecc,
        [](const Options &options) { return on_or_off(options.ecc); }, ""},
    {"acl", "on|off", "keep access control lists; off saves users but the owner of the root a request a lookup (on)",
        Kind::plain, set_acl, [](const Options &options) { return on_or_off(options.acl); }, ""},
    {"verify-reads", nullptr, "compare what is read with its parity, and repair it", Kind::flag, set_verify_reads,
        [](const Options &options) { return options.verify_reads ? Words{""} : Words(); }, "no"},
    {"scrub-rate", "BYTES", "verify files with parity in the background, so many bytes a second; 0: don't (1G)",
        Kind::plain, set_scrub_rate, [](const Options &options) { return Words{std::to_string(options.scrub_rate)}; },
        ""},
    {"scrub-every", "SECONDS", "from the begin of one such pass to the next (60)", Kind::plain, set_scrub_every,
        [](const Options &options) { return number(options.scrub_every); }, ""},
    {"pack-after", "TIME", "pack files that nobody has used for so long: 90s, 10m, 2h, 1d; 0: none (0)", Kind::plain,
        set_pack_after, [](const Options &options) { return number(options.pack_after); }, "never"},
    {"host-after", "TIME", "move files that nobody has used for so long to host memory, packed; 0: none (0)",
        Kind::plain, set_host_after, [](const Options &options) { return number(options.host_after); }, "never"},
    {"host-limit", "BYTES", "use no more host memory for files than this; 0: none (half of the machine's)", Kind::plain,
        set_host_limit,
        [](const Options &options) {
            return options.host_limit ? Words{std::to_string(*options.host_limit)} : Words();
        },
        "half of the machine's"},
    {"make-room", "off|pack|host", "what files that nobody uses do where the device is full, the oldest first (off)",
        Kind::plain, set_make_room, [](const Options &options) { return Words{word_of(options.make_room)}; }, ""},
    {"allow-inject", nullptr, "let `gmemfs inject` damage files, to try repairs", Kind::flag, set_allow_inject,
        [](const Options &options) { return options.allow_inject ? Words{""} : Words(); }, "no"},
    {"workers", "N", "threads that serve requests (4 to 16, by the cores)", Kind::plain, set_workers,
        [](const Options &options) { return number(options.workers); }, "by the cores"},
    {"page-cache", nullptr, "read and write through the page cache, which is slower, and agrees with shared mappings",
        Kind::flag, set_page_cache, [](const Options &options) { return options.page_cache ? Words{""} : Words(); },
        "no"},
    {"list-handles", nullptr,
        "list user.fabric_handle among a file's attributes: who copies them opens the file for peers", Kind::flag,
        set_list_handles, [](const Options &options) { return options.list_handles ? Words{""} : Words(); }, "no"},
    {"blksize", "BYTES", "what stat(2) tells programs to read and write by (1M)", Kind::plain, set_blksize,
        [](const Options &options) { return number(options.blksize); }, ""},
    {"io_uring", nullptr, "requests by io_uring; the mount ends with its server then", Kind::flag, set_io_uring,
        [](const Options &options) { return options.io_uring ? Words{""} : Words(); }, "no"},
    {"on-shutdown", "nothing|save:FILE|save-packed:FILE",
        "at the mount's end save all files to FILE, as gmemfs save [--pack]; a new mount begins with them (nothing)",
        Kind::file, set_on_shutdown, [](const Options &options) { return Words{shutdown_text(options)}; }, ""},
    {"log", "FILE", "append the log to this file", Kind::file, set_log,
        [](const Options &options) { return text(options.log_file); }, "journal or syslog"},
    {"supervisor", "FD", "for the supervisor's use", Kind::hidden, set_supervisor,
        [](const Options &) { return Words(); }, ""},
    {"fsname", "NAME", "what stands first in /proc/mounts (gmemfs)", Kind::plain, set_source,
        [](const Options &options) { return text(options.source); }, ""},
};

} // namespace

std::string shutdown_text(const Options &options) {
    if (options.save_file.empty()) return "nothing";
    return std::string(options.saves_as == SavesAs::packed ? kSavePacked : kSave) + options.save_file;
}

std::span<const Setting> settings() { return kSettings; }

std::string describe_options(const Options &options) {
    std::string lines;
    const auto add = [&](const std::string &name, const std::string &value) {
        const auto origin = options.origins.find(name);
        lines += name + " = " + value + "  (" + (origin == options.origins.end() ? "default" : origin->second) + ")\n";
    };
    for (const Setting &setting : kSettings) {
        if (setting.kind == Kind::hidden) continue;
        const Words words = setting.words(options);
        const std::string value = joined(words);
        add(setting.name, words.empty() ? setting.unset : value.empty() ? "yes" : value);
    }
    for (const std::string &word : options.mount_options) add(word, "yes");
    return lines;
}

std::vector<std::string> to_arguments(const Options &options) {
    Words arguments = {"mount", "-f"};
    for (const Setting &setting : kSettings)
        for (const std::string &word : setting.words(options))
            arguments.push_back("--" + std::string(setting.name) + (setting.kind == Kind::flag ? "" : "=" + word));
    for (const std::string &word : options.mount_options) {
        arguments.emplace_back("-o");
        arguments.push_back(word);
    }
    arguments.emplace_back("--");
    arguments.push_back(options.mount_point);
    return arguments;
}

} // namespace gmemfs
