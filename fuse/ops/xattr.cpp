#include "fuse/ops/xattr.hpp"

#include "fuse/broker/broker.hpp"
#include "fuse/host/json_text.hpp"
#include "fuse/host/log.hpp"
#include "fuse/host/settings.hpp"
#include "fuse/ops/ops.hpp"
#include "fuse/ops/report.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <system_error>
#include <unistd.h>

namespace gmemfs {
namespace {

using nlohmann::json;

constexpr std::string_view kUserPrefix = "user.";
constexpr std::string_view kAllocationSize = "user.allocation_size", kFabricHandle = "user.fabric_handle";
constexpr std::string_view kReplicas = "user.gmemfs.replicas";
constexpr std::string_view kOwnPrefix = "user.gmemfs.", kPoolPrefix = "user.gmemfs.pool.";
// Kept as they are: the kernel checks that a caller may set them before it asks, and reads file capabilities itself.
constexpr std::string_view kTrustedPrefix = "trusted.";
constexpr std::string_view kSecurityPrefix = "security.";

Error no_data(const char *detail) { return Error{ENODATA, 0, "read attribute", detail}; }

Result<std::string> get_allocation_size(Reply &reply, Inode &inode) {
    const std::uint64_t size = TRY(reply.volume().allocation_size(caller_of(reply), inode));
    return std::to_string(size);
}

Result<std::string> get_fabric_handle(Reply &reply, Inode &inode) {
    Caller caller = caller_of(reply);
    caller.who = reply.who_with_groups();
    const bool will_move = inode.is_file() && inode.file()->moves_when_shared();
    const Result<std::vector<FabricHandle>> handles = reply.volume().fabric_handles(caller, inode);
    if (!handles) {
        if (handles.error().code == ENOTSUP) log(LogLevel::warning, "fuse", handles.error(), "user.fabric_handle");
        return Error(handles.error());
    }
    if (will_move) reply.server().attributes_changed(inode.id()); // st_blocks
    std::string bytes;
    bytes.reserve(handles->size() * kFabricHandleSize);
    for (const FabricHandle &handle : *handles)
        bytes.append(reinterpret_cast<const char *>(handle.data()), handle.size());
    return bytes;
}

// A tool that copies attributes sets on the copy what was listed. The copy has memory of its own, and the value means
// nothing.
Result<void> leave_memory_attribute(Reply &, Inode &inode, std::string_view) {
    if (!inode.is_file()) return Error{EPERM, 0, "set attribute", "only a file has device memory"};
    return inode.check_flags(kFixed);
}

Result<std::string> get_extents(Reply &, Inode &inode) {
    if (!inode.is_file()) return no_data("only a file has extents");
    json list = json::array();
    for (const File::ExtentInfo &info : inode.file()->extent_infos()) {
        list.push_back({{"offset", info.offset}, {"length", info.length}, {"device", info.device},
            {"handle_type", info.has_fabric ? "fabric+fd" : "fd"}, {"id", info.id}, {"shared", info.is_shared}});
        if (info.is_lost) list.back()["lost"] = true;     // with its device: reading and writing it fail with EIO
        if (info.is_packed) list.back()["packed"] = true; // it holds an image, and no peer may take it for the bytes
    }
    return json_text(list, -1);
}

// Damaged chunks don't keep it from telling the rest.
Result<std::string> get_residence(Reply &, Inode &inode) {
    if (!inode.is_file()) return no_data("only a file's bytes are anywhere");
    File &file = *inode.file();
    const Result<std::map<std::string, std::uint64_t>> codecs = file.codecs();
    const std::uint64_t plain = file.mappable(), held = file.allocated();
    if (!codecs && codecs.error().code == ENODATA) {
        if (file.is_offloaded()) return json_text({{"where", "host"}, {"plain", plain}, {"held", held}}, -1);
        json told = {{"where", "device"}};
        if (const File::Busy busy = file.busy(); busy != File::Busy::no)
            told["busy"] = busy == File::Busy::leased ? "leased" : "exported";
        if (file.is_leased()) told["written"] = file.has_writers(); // then a copy may be old at once
        return json_text(told, -1);
    }
    const double ratio = static_cast<double>(plain) / static_cast<double>(std::max<std::uint64_t>(held, 1));
    return json_text(
        {{"where", file.is_offloaded() ? "host-packed" : "packed"}, {"codecs", codecs ? json(*codecs) : json(nullptr)},
            {"plain", plain}, {"held", held}, {"ratio", std::round(ratio * 100) / 100}},
        -1);
}

Result<std::string> get_generation(Reply &, Inode &inode) {
    if (!inode.is_file()) return no_data("only a file has extents");
    return std::to_string(inode.file()->generation());
}

Result<std::string> get_digest(Reply &reply, Inode &inode) {
    if (!inode.is_file()) return no_data("only a file has contents to digest");
    return digest_text(TRY(reply.volume().digest(caller_of(reply), inode)));
}

Result<std::string> get_device(Reply &reply, Inode &inode) {
    const Placement placement = inode.is_file() ? inode.file()->placement() : inode.placement();
    return placement_text(reply.volume().storage(), placement);
}

Result<void> set_device(Reply &reply, Inode &inode, std::string_view value) {
    if (!inode.is_file() && !inode.is_directory())
        return Error{EPERM, 0, "place", "only files and directories live on a device"};
    return reply.volume().place(inode, TRY(read_placement(reply.volume().storage(), value)));
}

Result<std::string> get_ecc(Reply &, Inode &inode) {
    if (!inode.is_file() && !inode.is_directory()) return no_data("only files and directories have parity");
    if (inode.is_directory())
        return std::string(inode.protection() == Protection::parity ? "on" : "off"); // what it hands down
    constexpr const char *kStates[] = {"off", "current", "open", "damaged"};
    return std::string(kStates[static_cast<int>(inode.file()->parity_state())]);
}

Result<void> set_ecc(Reply &reply, Inode &inode, std::string_view value) {
    if (!inode.is_file() && !inode.is_directory())
        return Error{EPERM, 0, "set parity", "only files and directories have it"};
    if (value != "on" && value != "off")
        return Error{EINVAL, 0, "set parity", std::string(value) + " is neither on nor off"};
    return reply.volume().set_protection(inode, value == "on" ? Protection::parity : Protection::none);
}

Result<void> set_age(Reply &reply, Inode &inode, std::string_view name, std::string_view value) {
    if (!inode.is_file() && !inode.is_directory())
        return Error{EPERM, 0, "set attribute", "only files and directories have it"};
    TRY(parse_age(value));
    return reply.volume().set_xattr(caller_of(reply), inode, name, value, Inode::XattrMode::any);
}
Result<void> set_pack_after(Reply &reply, Inode &inode, std::string_view value) {
    return set_age(reply, inode, kPackAfter, value);
}
Result<void> set_host_after(Reply &reply, Inode &inode, std::string_view value) {
    return set_age(reply, inode, kHostAfter, value);
}
// A directory tells what it hands down, a file which devices have a copy.
Result<std::string> get_replicas(Reply &, Inode &inode) {
    if (!inode.is_file()) return inode.xattr(kReplicasWanted);
    const std::vector<Device *> devices = inode.file()->replica_devices();
    if (devices.empty() && !inode.xattr(kReplicasWanted)) return no_data("it is to have no copies");
    return devices.empty() ? "none" : devices_text(devices);
}
// Kept like a user's own attributes, so that a copy of the file gets what was asked for and not what there was of it.
Result<std::string> get_replicas_wanted(Reply &, Inode &inode) { return inode.xattr(kReplicasWanted); }
Result<void> set_replicas_wanted(Reply &reply, Inode &inode, std::string_view value) {
    if (!inode.is_file() && !inode.is_directory())
        return Error{EPERM, 0, "copy file to other devices", "only files and directories have it"};
    return reply.volume().set_replicas(caller_of(reply), inode, value);
}
Result<void> set_replicas(Reply &reply, Inode &inode, std::string_view value) {
    if (inode.is_file() && inode.file()->placement().is_wide() && value != "none")
        return Error{EOPNOTSUPP, 0, "copy file to other devices", "it lies over several devices itself"};
    return set_replicas_wanted(reply, inode, value);
}

// Kept like a user's own attributes: it is listed, copied, and can be removed.
Result<std::string> get_pack_after(Reply &, Inode &inode) { return inode.xattr(kPackAfter); }
Result<std::string> get_host_after(Reply &, Inode &inode) { return inode.xattr(kHostAfter); }

Result<std::string> get_stats(Reply &reply, Inode &inode) {
    if (inode.id() != kRootInode) return no_data("the counters are the root's");
    reply.server().wait_for_memory();
    return json_text(report(reply.server()), -1);
}

Result<std::string> get_on_shutdown(Reply &reply, Inode &inode) {
    if (inode.id() != kRootInode) return no_data("the mount's end is the root's");
    return reply.host().saves() ? shutdown_text(reply.host().options()) : std::string("nothing");
}

// Allowed to those that may unmount: the user who mounted, and root.
Result<void> set_on_shutdown(Reply &reply, Inode &inode, std::string_view value) {
    if (inode.id() != kRootInode) return Error{EPERM, 0, "set the mount's end", "it is the root's"};
    if (reply.who().uid != 0 && reply.who().uid != ::geteuid())
        return Error{EPERM, 0, "set the mount's end", "only the user who mounted may"};
    if (value != "nothing" && value != shutdown_text(reply.host().options()))
        return Error{EINVAL, 0, "set the mount's end", std::string(value) + ": it is nothing or what was mounted with"};
    return reply.host().set_at_end(value == "nothing" ? Host::AtEnd::nothing : Host::AtEnd::save);
}

Error no_broker(const Server &server) {
    if (server.awaits_broker()) return Error{EAGAIN, 0, "read attribute", "the broker is about to listen"};
    return no_data("there is no broker: it is off, or the server's log says why");
}

// Every inode has it, so that a process with an open file needn't look for the root of the mount.
Result<std::string> get_socket(Reply &reply, Inode &) {
    const Broker *const broker = reply.server().broker();
    if (broker == nullptr) return no_broker(reply.server());
    return broker->address();
}

// Of a file in a program's pool: its blocks, from the one that has the byte `from` on. As many as an attribute has room
// for, so that a reader asks for more from the end of the last one on.
Result<std::string> list_pool(Reply &reply, Inode &inode, std::uint64_t from) {
    constexpr std::size_t kBlocksMost = 500; // some 80 bytes each
    constexpr const char *kStates[] = {"idle", "used", "waiting"};
    if (!inode.is_file()) return no_data("only a file has blocks");
    const Broker *const broker = reply.server().broker();
    if (broker == nullptr) return no_broker(reply.server());
    const std::uint64_t size = inode.file()->allocated();
    json list = json::array();
    for (const PoolBlock &block : TRY(broker->blocks().list(inode.id(), size, from, kBlocksMost))) {
        list.push_back({{"offset", block.offset}, {"size", block.size}, {"state", kStates[int(block.state)]}});
        if (block.asked != 0) list.back()["asked"] = block.asked;
    }
    return json_text(list, -1);
}
Result<std::string> get_pool(Reply &reply, Inode &inode) { return list_pool(reply, inode, 0); }

// "user.gmemfs.pool.1048576": from there on.
std::optional<std::uint64_t> place_in_pool(std::string_view name) {
    if (!name.starts_with(kPoolPrefix)) return std::nullopt;
    std::uint64_t from = 0;
    const char *const end = name.data() + name.size();
    const auto [behind, error] = std::from_chars(name.data() + kPoolPrefix.size(), end, from);
    return error == std::errc() && behind == end ? std::optional(from) : std::nullopt;
}

// What a peer must open, too: a simulated mount's memory is the simulator's.
Result<std::string> get_driver(Reply &reply, Inode &) { return reply.host().driver().library; }

Result<std::string> get_ticket(Reply &reply, Inode &inode) {
    const Credentials who = reply.who_with_groups();
    if (!inode.is_file() && !inode.is_directory()) return no_data("only files can be mapped by peers");
    if (inode.is_file()) TRY(inode.check_handle(who));
    if (inode.is_directory() && !inode.may_read_and_search(who))
        return Error{EACCES, 0, "read ticket", "the directory's mode doesn't let this user list and search it"};
    const Broker *const broker = reply.server().broker();
    if (broker == nullptr) return no_broker(reply.server());
    const protocol::Ticket ticket = broker->tickets().make(inode.id());
    return std::string(reinterpret_cast<const char *>(ticket.data()), ticket.size());
}

enum class Length : std::uint8_t { steady, changes }; // by itself, between two reads

struct Virtual {
    std::string_view name;
    Result<std::string> (*get)(Reply &, Inode &);
    Result<void> (*set)(Reply &, Inode &, std::string_view value); // null: it can only be read
    Length length = Length::steady;                                // of what is listed: copiers compare it
};
constexpr Virtual kVirtuals[] = {
    {kAllocationSize, get_allocation_size, leave_memory_attribute},
    {kFabricHandle, get_fabric_handle, leave_memory_attribute},
    {"user.gmemfs.extents", get_extents, nullptr, Length::changes},
    {"user.gmemfs.residence", get_residence, nullptr, Length::changes},
    {"user.gmemfs.pool", get_pool, nullptr, Length::changes},
    {"user.gmemfs.generation", get_generation, nullptr, Length::changes},
    {"user.gmemfs.digest", get_digest, nullptr},
    {"user.gmemfs.device", get_device, set_device, Length::changes},
    {kReplicas, get_replicas, set_replicas, Length::changes},
    {kReplicasWanted, get_replicas_wanted, set_replicas_wanted},
    {"user.gmemfs.ecc", get_ecc, set_ecc, Length::changes},
    {kPackAfter, get_pack_after, set_pack_after},
    {kHostAfter, get_host_after, set_host_after},
    {"user.gmemfs.stats", get_stats, nullptr, Length::changes},
    {"user.gmemfs.on_shutdown", get_on_shutdown, set_on_shutdown},
    {"user.gmemfs.socket", get_socket, nullptr},
    {"user.gmemfs.driver", get_driver, nullptr},
    {"user.gmemfs.ticket", get_ticket, nullptr},
};

const Virtual *find(std::string_view name) {
    for (const Virtual &row : kVirtuals)
        if (row.name == name) return &row;
    return nullptr;
}

// Setting or removing an ACL may drop the set-group-ID bit; that depends on the caller's groups.
Caller caller_for(Reply &reply, std::string_view name) {
    Caller caller = caller_of(reply);
    if (is_acl(name)) caller.who = reply.who_in_full();
    return caller;
}

bool is_kept(std::string_view name) {
    return name.starts_with(kUserPrefix) || name.starts_with(kTrustedPrefix) || name.starts_with(kSecurityPrefix);
}

// Whether `name` is an ACL's. EOPNOTSUPP: the mount keeps none.
Result<bool> check_acl(const Reply &reply, std::string_view name) {
    if (is_acl(name) && !reply.host().options().acl)
        return Error{EOPNOTSUPP, 0, "use access control list", "this mount has none: --acl=off"};
    return is_acl(name);
}

Result<void> check_name(const Reply &reply, std::string_view name) {
    if (TRY(check_acl(reply, name))) return {};
    if (!is_kept(name)) return Error{EOPNOTSUPP, 0, "use attribute", "kept are user., trusted., security. and ACLs"};
    if (name == kUserPrefix || name == kTrustedPrefix || name == kSecurityPrefix)
        return Error{EINVAL, 0, "use attribute", "it has no name"};
    if (name.starts_with(kOwnPrefix)) // so that a typing error doesn't turn into a user's own attribute
        return Error{EOPNOTSUPP, 0, "use attribute", std::string(name) + ": gmemfs has no such attribute"};
    return {};
}

} // namespace

Result<std::string> get_xattr(Reply &reply, Inode &inode, std::string_view name) {
    if (const Virtual *const row = find(name)) return row->get(reply, inode);
    if (const std::optional<std::uint64_t> from = place_in_pool(name)) return list_pool(reply, inode, *from);
    if (!TRY(check_acl(reply, name)) && !is_kept(name)) return Error{EOPNOTSUPP, 0, "read attribute"};
    return inode.xattr(name);
}

std::size_t xattr_room(std::string_view name, std::size_t length) {
    constexpr std::size_t kGrowth = 256; // a counter's digits, some objects of a list
    const Virtual *const row = find(name);
    const bool changes = (row != nullptr && row->length == Length::changes) || place_in_pool(name);
    return changes ? length + length / 4 + kGrowth : length;
}

Result<void> set_xattr(
    Reply &reply, Inode &inode, std::string_view name, std::string_view value, Inode::XattrMode mode) {
    if (const Virtual *const row = find(name)) {
        if (row->set == nullptr) return Error{EPERM, 0, "set attribute", std::string(name) + " can only be read"};
        return row->set(reply, inode, value);
    }
    TRY(check_name(reply, name));
    return reply.volume().set_xattr(caller_for(reply, name), inode, name, value, mode);
}

std::string list_xattrs(const Reply &reply, const Inode &inode) {
    std::string list;
    const auto add = [&](std::string_view name) { list.append(name).push_back('\0'); };
    if (inode.is_file() && inode.file()->allocated() > 0) {
        add(kAllocationSize);
        if (reply.host().options().list_handles) add(kFabricHandle);
    }
    for (const std::string &name : inode.xattr_names())
        if (reply.who().uid == 0 || !name.starts_with(kTrustedPrefix)) add(name);
    return list;
}

Result<void> remove_xattr(Reply &reply, Inode &inode, std::string_view name) {
    if (name == kAllocationSize || name == kFabricHandle) return leave_memory_attribute(reply, inode, {});
    if (name == kPackAfter || name == kHostAfter) return reply.volume().remove_xattr(caller_of(reply), inode, name);
    if (name == kReplicas || name == kReplicasWanted) {
        if (inode.is_file()) inode.file()->drop_replicas(File::Evict::all);
        return reply.volume().remove_xattr(caller_of(reply), inode, kReplicasWanted);
    }
    if (find(name) != nullptr) return Error{EPERM, 0, "remove attribute", std::string(name) + " is always there"};
    TRY(check_name(reply, name));
    return reply.volume().remove_xattr(caller_for(reply, name), inode, name);
}

} // namespace gmemfs
