#include "tools/nixl/agent.hpp"

#include "vmm/base/secret.hpp"

#include <cstdlib>
#include <utility>

namespace gmemfs {
namespace {

constexpr const char *kBackend = "UCX";

// The peer is the usual reason: of what is wrong here, NIXL tells on standard error.
Error gone(const char *doing, NixlStatus status) {
    return Error{ECONNRESET, 0, doing, "NIXL's status is " + std::to_string(status)};
}

// A list of one piece, for one transfer. Owner.
class Pieces {
public:
    Pieces(const NixlFunctions &call, const NixlPiece &piece) : call_(call) {
        is_good_ = call_.create_xfer_dlist(piece.memory, &pieces_) == kNixlDone &&
                   call_.xfer_dlist_add_desc(pieces_, piece.address, piece.length, piece.device) == kNixlDone;
    }
    Pieces(const Pieces &) = delete;
    Pieces &operator=(const Pieces &) = delete;
    ~Pieces() {
        if (pieces_ != nullptr) call_.destroy_xfer_dlist(pieces_);
    }
    bool is_good() const { return is_good_; }
    NixlPiecesObject *get() const { return pieces_; }

private:
    const NixlFunctions &call_;
    NixlPiecesObject *pieces_ = nullptr;
    bool is_good_ = false;
};

// Of what the library allocates for its caller.
struct FreeMemory {
    void operator()(void *memory) const { std::free(memory); } // NOLINT(cppcoreguidelines-no-malloc)
};

} // namespace

NixlRegion::NixlRegion(NixlRegion &&other) noexcept
    : agent_(other.agent_), regions_(std::exchange(other.regions_, nullptr)) {}

NixlRegion::~NixlRegion() {
    if (regions_ == nullptr) return;
    (void)agent_.api_.call().deregister_mem(agent_.agent_, regions_, agent_.options_);
    (void)agent_.api_.call().destroy_reg_dlist(regions_);
}

NixlTransfer::NixlTransfer(NixlTransfer &&other) noexcept
    : agent_(other.agent_), request_(std::exchange(other.request_, nullptr)) {}

NixlTransfer::~NixlTransfer() {
    if (request_ == nullptr) return;
    // One that can't be given up at once stays; so does its memory, because the process ends soon.
    if (agent_.api_.call().release_xfer_req(agent_.agent_, request_) == kNixlDone)
        (void)agent_.api_.call().destroy_xfer_req(request_);
}

Result<bool> NixlTransfer::is_done() {
    const NixlStatus status = agent_.api_.call().get_xfer_status(agent_.agent_, request_);
    if (status == kNixlDone || status == kNixlUnderWay) return status == kNixlDone;
    return gone("write to the other host", status);
}

Result<std::unique_ptr<NixlAgent>> NixlAgent::create(const NixlApi &api) {
    std::string name = "gmemfs-";
    const Secret secret = TRY(make_secret());
    for (std::size_t index = 0; index < 16; ++index)
        for (const int digit : {secret[index] >> 4, secret[index] & 15}) name += "0123456789abcdef"[digit];
    std::unique_ptr<NixlAgent> agent(new NixlAgent(api, name));
    TRY(agent->open());
    return agent;
}

Result<void> NixlAgent::open() {
    const NixlFunctions &call = api_.call();
    const NixlAgentConfig config;
    if (call.create_configured_agent(name_.c_str(), &config, &agent_) != kNixlDone)
        return Error{ENOTSUP, 0, "start NIXL", api_.library() + " makes no agent"};
    NixlMemListObject *memories = nullptr;
    NixlParamsObject *parameters = nullptr;
    NixlStatus status = call.get_plugin_params(agent_, kBackend, &memories, &parameters);
    if (status != kNixlDone)
        return Error{ENOTSUP, 0, "start NIXL", api_.library() + " has no UCX: does $NIXL_PLUGIN_DIR name its plugins?"};
    status = call.create_backend(agent_, kBackend, parameters, &backend_);
    (void)call.destroy_mem_list(memories);
    (void)call.destroy_params(parameters);
    if (status != kNixlDone)
        return Error{ENOTSUP, 0, "start NIXL", "UCX doesn't start: do $UCX_TLS and $UCX_NET_DEVICES fit this machine?"};
    const bool is_ready = call.create_opt_args(&options_) == kNixlDone &&
                          call.opt_args_add_backend(options_, backend_) == kNixlDone &&
                          call.create_notif_map(&notes_) == kNixlDone;
    if (!is_ready) return Error{ENOTSUP, 0, "start NIXL", "it has no memory"};
    return {};
}

NixlAgent::~NixlAgent() {
    const NixlFunctions &call = api_.call();
    if (notes_ != nullptr) (void)call.destroy_notif_map(notes_);
    if (options_ != nullptr) (void)call.destroy_opt_args(options_);
    if (backend_ != nullptr) (void)call.destroy_backend(backend_);
    if (agent_ != nullptr) (void)call.destroy_agent(agent_);
}

Result<std::vector<std::byte>> NixlAgent::metadata() {
    void *data = nullptr;
    std::size_t size = 0;
    const NixlStatus status = api_.call().get_local_md(agent_, &data, &size);
    if (status != kNixlDone) return Error{EPROTO, 0, "tell NIXL's metadata", "status " + std::to_string(status)};
    const std::unique_ptr<std::byte, FreeMemory> bytes(static_cast<std::byte *>(data));
    return std::vector<std::byte>(bytes.get(), bytes.get() + size);
}

Result<std::string> NixlAgent::meet(const std::string &known_as, std::span<const std::byte> metadata) {
    if (!known_as.empty()) forget(known_as);
    char *name = nullptr;
    const NixlStatus status = api_.call().load_remote_md(agent_, metadata.data(), metadata.size(), &name);
    if (status != kNixlDone || name == nullptr)
        return Error{EPROTO, 0, "meet the other host's NIXL",
            "its metadata isn't understood: both hosts need the same version, and the same networks in $UCX_TLS"};
    const std::unique_ptr<char, FreeMemory> owner(name);
    return std::string(name);
}

void NixlAgent::forget(const std::string &peer) { (void)api_.call().invalidate_remote_md(agent_, peer.c_str()); }

Result<NixlRegion> NixlAgent::add(const NixlPiece &memory) {
    const NixlFunctions &call = api_.call();
    NixlRegionsObject *regions = nullptr;
    if (call.create_reg_dlist(memory.memory, &regions) != kNixlDone)
        return Error{ENOMEM, 0, "register memory with NIXL", {}};
    NixlStatus status = call.reg_dlist_add_desc(regions, memory.address, memory.length, memory.device, nullptr, 0);
    if (status == kNixlDone) status = call.register_mem(agent_, regions, options_);
    if (status == kNixlDone) return NixlRegion(*this, regions);
    (void)call.destroy_reg_dlist(regions);
    return Error{ENOTSUP, 0, "register memory with NIXL",
        std::to_string(memory.length) + " bytes: NIXL's status is " + std::to_string(status)};
}

Result<NixlTransfer> NixlAgent::write(
    const std::string &peer, const NixlPiece &local, const NixlPiece &remote, std::span<const std::byte> note) {
    const NixlFunctions &call = api_.call();
    const Pieces from(call, local), to(call, remote);
    NixlOptionsObject *options = nullptr;
    if (!from.is_good() || !to.is_good() || call.create_opt_args(&options) != kNixlDone)
        return Error{ENOMEM, 0, "write to the other host", {}};
    NixlRequestObject *request = nullptr;
    NixlStatus status = call.opt_args_add_backend(options, backend_);
    if (status == kNixlDone) status = call.opt_args_set_notif_msg(options, note.data(), note.size());
    if (status == kNixlDone) status = call.opt_args_set_has_notif(options, true);
    if (status == kNixlDone)
        status =
            call.create_xfer_req(agent_, NixlOperation::write, from.get(), to.get(), peer.c_str(), &request, options);
    if (status == kNixlDone) status = call.post_xfer_req(agent_, request, options);
    (void)call.destroy_opt_args(options);
    if (status == kNixlNotFound) return Error{EPROTO, 0, "write to the other host", "it has no such memory"};
    if (status == kNixlDone || status == kNixlUnderWay) return NixlTransfer(*this, request);
    if (request != nullptr) (void)NixlTransfer(*this, request);
    return gone("write to the other host", status);
}

Result<void> NixlAgent::send_note(const std::string &peer, std::span<const std::byte> note) {
    const NixlStatus status = api_.call().gen_notif(agent_, peer.c_str(), note.data(), note.size(), options_);
    if (status == kNixlDone || status == kNixlUnderWay) return {};
    return gone("tell the other host", status);
}

Result<std::size_t> NixlAgent::take_notes(const TakeNote &take) {
    const NixlFunctions &call = api_.call();
    if (const NixlStatus status = call.get_notifs(agent_, notes_, options_); status != kNixlDone)
        return gone("hear the other host", status);
    std::size_t agents = 0, taken = 0;
    (void)call.notif_map_size(notes_, &agents);
    for (std::size_t index = 0; index < agents; ++index) {
        const char *agent = nullptr;
        std::size_t count = 0;
        if (call.notif_map_get_agent_at(notes_, index, &agent) != kNixlDone) continue;
        const std::string peer = agent;
        (void)call.notif_map_get_notifs_size(notes_, peer.c_str(), &count);
        for (std::size_t at = 0; at < count; ++at, ++taken) {
            const void *data = nullptr;
            std::size_t size = 0;
            if (call.notif_map_get_notif(notes_, peer.c_str(), at, &data, &size) == kNixlDone)
                take(peer, {static_cast<const std::byte *>(data), size});
        }
    }
    if (agents > 0) (void)call.notif_map_clear(notes_);
    return taken;
}

} // namespace gmemfs
