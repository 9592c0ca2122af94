// stat: of a file, the device memory behind it; of a mount's root, the server's counters.
#include "fuse/host/json_text.hpp"
#include "tools/host/command.hpp"
#include "tools/host/in_time.hpp"
#include "tools/host/mounts.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <pwd.h>
#include <sys/stat.h>

namespace gmemfs {
namespace {

using nlohmann::json;

// What the file doesn't have (an empty one has no extents, say) is null.
json attribute_or_null(const std::string &path, const char *name) {
    const Result<std::string> value = read_attribute(path, name);
    return value ? json(*value) : json(nullptr);
}

// Null: it is no file, or its server is older.
json residence_of(const std::string &path) {
    const Result<std::string> value = read_attribute(path, "user.gmemfs.residence");
    json residence = value ? json_of(*value) : json();
    return residence.is_object() ? residence : json();
}

const char *type_of(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "folder";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    default: return "device node"; // a link has been followed
    }
}

Result<json> describe_file(const std::string &path, const struct stat &status) {
    json file = {{"path", path}, {"type", type_of(status.st_mode)}, {"size", status.st_size}, {"allocation_size", 0},
        {"extents", json::array()}, {"device", attribute_or_null(path, "user.gmemfs.device")},
        {"replicas", attribute_or_null(path, "user.gmemfs.replicas")},
        {"ecc", attribute_or_null(path, "user.gmemfs.ecc")}, {"residence", residence_of(path)}};
    if (!S_ISREG(status.st_mode)) return file;
    const Result<std::string> size = read_attribute(path, "user.allocation_size");
    if (size) file["allocation_size"] = std::strtoull(size->c_str(), nullptr, 10);
    if (!size && size.error().code != ENODATA) return size.error();
    const Result<std::string> extents = read_attribute(path, "user.gmemfs.extents");
    if (!extents) return file;
    file["extents"] = json_of(*extents);
    if (file["extents"].is_array()) return file;
    return Error{EPROTO, 0, "read extents", path + ": user.gmemfs.extents is no JSON array"};
}

std::string text_of(const json &value) {
    if (value.is_null()) return "-";
    return value.is_string() ? value.get<std::string>() : json_text(value, -1);
}

// "packed, 16 GiB awake (1.42), 128 chunks bf16"; "host memory, packed, ..."; "host memory".
std::string text_of_residence(const json &residence) {
    if (residence.is_null()) return "-";
    const std::string where = residence.value("where", "");
    if (where == "host") return "host memory";
    if (where != "packed" && where != "host-packed") {
        const std::string busy = residence.value("busy", "");
        if (busy.empty()) return text_of(residence["where"]);
        return text_of(residence["where"]) + (busy == "leased" ? ", mapped by a peer" : ", its handle was read");
    }
    char ratio[32];
    std::snprintf(ratio, sizeof ratio, "%.2f", residence.value("ratio", 0.0));
    std::string text = std::string(where == "packed" ? "" : "host memory, ") + "packed, " +
                       format_size(residence.value("plain", std::uint64_t(0))) + " awake (" + ratio + ")";
    const json codecs = residence.value("codecs", json());
    if (!codecs.is_object()) return text + ", damaged";
    for (const auto &[name, count] : codecs.items())
        text += ", " + text_of(count) + " chunk" + (count == 1 ? " " : "s ") + name;
    return text;
}

// What the file takes now; of a small one, what its own extent would.
std::uint64_t held_by(const json &file) {
    const json &residence = file["residence"];
    return residence.is_object() ? residence.value("held", file["allocation_size"].get<std::uint64_t>())
                                 : file["allocation_size"].get<std::uint64_t>();
}

void print_file(const json &file) {
    const auto bytes = [&](const char *key) { return file[key].get<std::uint64_t>(); };
    std::printf("%-14s %s\n", file["type"].get<std::string>().c_str(), file["path"].get<std::string>().c_str());
    std::printf("size           %s (%ju bytes)\n", format_size(bytes("size")).c_str(), uintmax_t(bytes("size")));
    const bool is_in_host = file["residence"].is_object() && file["residence"].value("where", "").starts_with("host");
    std::printf("%s memory  %s%s in %zu extent%s\n", is_in_host ? "host" : "device", is_in_host ? "  " : "",
        format_size(held_by(file)).c_str(), file["extents"].size(), file["extents"].size() == 1 ? "" : "s");
    std::printf("device         %s\n", text_of(file["device"]).c_str());
    if (!file["replicas"].is_null()) std::printf("copies on      %s\n", text_of(file["replicas"]).c_str());
    std::printf("parity         %s\n", text_of(file["ecc"]).c_str());
    std::printf("residence      %s\n", text_of_residence(file["residence"]).c_str());
    for (const json &extent : file["extents"])
        std::printf("extent         %s at offset %ju on %s%s, handles: %s, id %s\n",
            format_size(extent.value("length", std::uint64_t(0))).c_str(),
            uintmax_t(extent.value("offset", std::uint64_t(0))), text_of(extent.value("device", json())).c_str(),
            extent.value("lost", false) ? " (lost: EIO)" : "", text_of(extent.value("handle_type", json())).c_str(),
            text_of(extent.value("id", json())).c_str());
}

// A counter whose name says that it is bytes is shown as a size too.
std::string text_of_counter(const std::string &name, const json &value) {
    const bool is_size =
        value.is_number_unsigned() &&
        (name.ends_with("bytes") || name.ends_with("size") || name == "capacity" || name == "available" ||
            name == "used" || name == "free" || name == "total" || name == "plain" || name == "held");
    return text_of(value) + (is_size ? "  (" + format_size(value.get<std::uint64_t>()) + ")" : "");
}

// Quotas are counted by number, since that is what files have; people know users by name.
json with_user_names(json counters) {
    json named = json::object();
    for (const auto &[number, quota] : counters["quotas"].items()) {
        const passwd *const user = ::getpwuid(static_cast<uid_t>(std::strtoul(number.c_str(), nullptr, 10)));
        named[user == nullptr ? number : user->pw_name + (" (" + number + ")")] = quota;
    }
    counters["quotas"] = std::move(named);
    return counters;
}

void print_counters(const json &counters, int indent) {
    for (const auto &[name, value] : counters.items()) {
        if (!value.is_structured()) {
            std::printf("%*s%-*s %s\n", indent, "", 28 - indent, name.c_str(), text_of_counter(name, value).c_str());
            continue;
        }
        std::printf("%*s%s%s\n", indent, "", counters.is_array() ? "- " : "", name.c_str());
        print_counters(value, indent + 2);
    }
}

// What was found, and whether it is of a mount, and not of a file.
Result<json> describe(const std::string &path) {
    const Mount mount = TRY(find_mount_of(path));
    std::error_code error;
    if (std::filesystem::canonical(path, error).string() == mount.path)
        return json({{"found", TRY(read_stats(mount.path))}, {"of_mount", true}});
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) return Error{errno, 0, "stat", path};
    return json({{"found", TRY(describe_file(path, status))}, {"of_mount", false}});
}

} // namespace

int run_stat(int argc, char **argv) {
    gboolean as_json = FALSE;
    const Synopsis synopsis = {"PATH...",
        "Shows the device memory behind a file: size, extents, handles, parity, residence; of a mount point: the "
        "server's "
        "counters.",
        "A handle is not read by this: reading it is what opens a file for peers.", 1, SIZE_MAX};
    const CommandLine line =
        parse_command_line(argc, argv, synopsis, {{"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print JSON", nullptr}});
    if (line.exit_status) return *line.exit_status;
    int exit_status = 0;
    json all = json::array();
    for (const std::string &path : line.parameters) {
        Result<json> description = ask_in_time(path, [&] { return describe(path); });
        if (!description) {
            exit_status = fail(description.error());
            continue;
        }
        json &found = (*description)["found"];
        if (as_json)
            all.push_back(std::move(found));
        else if (description->at("of_mount").get<bool>())
            print_counters(with_user_names(std::move(found)), 0);
        else
            print_file(found);
    }
    // Of one path an object, of several an array.
    if (as_json && (line.parameters.size() > 1 || !all.empty()))
        std::printf("%s\n", json_text(line.parameters.size() > 1 ? all : all[0], 2).c_str());
    return exit_status;
}

} // namespace gmemfs
