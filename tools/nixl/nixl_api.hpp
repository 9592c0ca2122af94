// NixlApi: the functions of NIXL's C interface that are called here, from a library that is opened at run time.
//
// The declarations follow the interface of NIXL 1.5.1, github.com/ai-dynamo/nixl, src/bindings/rust/wrapper.h, which
// its own Rust bindings use; the wheel has the library and no header. The interface isn't declared stable. So every
// symbol must be there, and the library must not be the stub that answers nothing.
#pragma once

#include "vmm/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace gmemfs {

/// What the library's functions return.
using NixlStatus = int;
inline constexpr NixlStatus kNixlDone = 0, kNixlUnderWay = 1, kNixlNotFound = -6;

/// The library's kinds of memory and of transfers.
enum class NixlMemory : int { host = 0, device = 1 };
enum class NixlOperation : int { read = 0, write = 1 };

// The library's objects: nobody looks inside.
struct NixlAgentObject;
struct NixlParamsObject;
struct NixlMemListObject;
struct NixlBackendObject;
struct NixlOptionsObject;
struct NixlRegionsObject;
struct NixlPiecesObject;
struct NixlRequestObject;
struct NixlNotesObject;

/// How an agent is made.
struct NixlAgentConfig {
    bool has_progress_thread = false;
    bool has_listen_thread = false;
    int listen_port = 0;
    int thread_sync = 0;
    unsigned workers = 0;
    std::uint64_t progress_delay_us = 0;
    std::uint64_t listen_delay_us = 0;
    bool has_telemetry = false;
    std::uint64_t later[4] = {}; ///< what another version may have at the end
};
static_assert(offsetof(NixlAgentConfig, later) == 40);

/// The functions: NAME of the library is nixl_capi_NAME.
struct NixlFunctions {
    NixlStatus (*create_configured_agent)(const char *name, const NixlAgentConfig *, NixlAgentObject **);
    NixlStatus (*destroy_agent)(NixlAgentObject *);
    NixlStatus (*get_local_md)(NixlAgentObject *, void **data, std::size_t *size); ///< data is free(3)'s
    NixlStatus (*load_remote_md)(NixlAgentObject *, const void *data, std::size_t size, char **name); ///< free(3)'s
    NixlStatus (*invalidate_remote_md)(NixlAgentObject *, const char *remote);
    NixlStatus (*get_plugin_params)(NixlAgentObject *, const char *plugin, NixlMemListObject **, NixlParamsObject **);
    NixlStatus (*destroy_mem_list)(NixlMemListObject *);
    NixlStatus (*destroy_params)(NixlParamsObject *);
    NixlStatus (*create_backend)(NixlAgentObject *, const char *plugin, NixlParamsObject *, NixlBackendObject **);
    NixlStatus (*destroy_backend)(NixlBackendObject *);
    NixlStatus (*create_opt_args)(NixlOptionsObject **);
    NixlStatus (*destroy_opt_args)(NixlOptionsObject *);
    NixlStatus (*opt_args_add_backend)(NixlOptionsObject *, NixlBackendObject *);
    NixlStatus (*opt_args_set_notif_msg)(NixlOptionsObject *, const void *data, std::size_t size);
    NixlStatus (*opt_args_set_has_notif)(NixlOptionsObject *, bool);
    NixlStatus (*create_reg_dlist)(NixlMemory, NixlRegionsObject **);
    NixlStatus (*destroy_reg_dlist)(NixlRegionsObject *);
    NixlStatus (*reg_dlist_add_desc)(NixlRegionsObject *, std::uintptr_t address, std::size_t size,
        std::uint64_t device, const void *metadata, std::size_t metadata_size);
    NixlStatus (*register_mem)(NixlAgentObject *, NixlRegionsObject *, NixlOptionsObject *);
    NixlStatus (*deregister_mem)(NixlAgentObject *, NixlRegionsObject *, NixlOptionsObject *);
    NixlStatus (*create_xfer_dlist)(NixlMemory, NixlPiecesObject **);
    NixlStatus (*destroy_xfer_dlist)(NixlPiecesObject *);
    NixlStatus (*xfer_dlist_add_desc)(
        NixlPiecesObject *, std::uintptr_t address, std::size_t size, std::uint64_t device);
    NixlStatus (*create_xfer_req)(NixlAgentObject *, NixlOperation, NixlPiecesObject *local, NixlPiecesObject *remote,
        const char *remote_agent, NixlRequestObject **, NixlOptionsObject *);
    NixlStatus (*post_xfer_req)(NixlAgentObject *, NixlRequestObject *, NixlOptionsObject *);
    NixlStatus (*get_xfer_status)(NixlAgentObject *, NixlRequestObject *);
    NixlStatus (*release_xfer_req)(NixlAgentObject *, NixlRequestObject *);
    NixlStatus (*destroy_xfer_req)(NixlRequestObject *);
    NixlStatus (*create_notif_map)(NixlNotesObject **);
    NixlStatus (*destroy_notif_map)(NixlNotesObject *);
    NixlStatus (*notif_map_size)(NixlNotesObject *, std::size_t *agents);
    NixlStatus (*notif_map_get_agent_at)(NixlNotesObject *, std::size_t index, const char **agent);
    NixlStatus (*notif_map_get_notifs_size)(NixlNotesObject *, const char *agent, std::size_t *count);
    NixlStatus (*notif_map_get_notif)(
        NixlNotesObject *, const char *agent, std::size_t index, const void **data, std::size_t *size);
    NixlStatus (*notif_map_clear)(NixlNotesObject *);
    NixlStatus (*get_notifs)(NixlAgentObject *, NixlNotesObject *, NixlOptionsObject *);
    NixlStatus (*gen_notif)(
        NixlAgentObject *, const char *remote, const void *data, std::size_t size, NixlOptionsObject *);
    bool (*is_stub)();
};

/// Owner of the open library, which stays open: it has threads of its own, and can't be closed safely. Immutable, and
/// so thread-safe; NIXL's agents say how they may be used.
class NixlApi {
public:
    /// Opens the first library of nixl_places(chosen) that works, and sets UCX_MODULE_DIR and NIXL_PLUGIN_DIR in the
    /// environment, where they aren't set, before that. ENOENT: there is none; the text says how to get one. EPROTO: it
    /// is another version's.
    static Result<std::unique_ptr<NixlApi>> open(const std::string &chosen);

    const NixlFunctions &call() const { return functions_; }
    const std::string &library() const { return library_; }

private:
    NixlApi() = default;
    Result<void> load(void *library);

    NixlFunctions functions_ = {};
    std::string library_;
};

} // namespace gmemfs
