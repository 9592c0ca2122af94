#include "tools/nixl/nixl_api.hpp"

#include "tools/nixl/places.hpp"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// The user's own choice stays.
void tell(const char *name, const std::string &value) {
    if (!value.empty()) ::setenv(name, value.c_str(), 0); // NOLINT(concurrency-mt-unsafe): before any other thread
}

Error missing(const std::string &tried) {
    return Error{ENOENT, 0, "open NIXL",
        tried + "; `" + kNixlCommand + "` brings it, and $GMEMFS_NIXL names the folder of another one"};
}

// The loader's reason: of a file that is there it says what is wrong with it.
std::string loader_says() {
    const char *const text = ::dlerror(); // NOLINT(concurrency-mt-unsafe): of this thread
    return text == nullptr ? "it can't be opened" : text;
}

} // namespace

Result<std::unique_ptr<NixlApi>> NixlApi::open(const std::string &chosen) {
    tell("NIXL_LOG_LEVEL", "FATAL"); // what is wrong is in our errors; a peer that has gone is two lines of its own
    std::string tried;
    for (const NixlPlace &place : nixl_places(chosen)) {
        tell("NIXL_PLUGIN_DIR", place.plugins);
        tell("UCX_MODULE_DIR", place.modules);
        // Its symbols, UCX's among them, stay its own.
        void *const library = ::dlopen(place.library.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) {
            tried = loader_says();
            continue;
        }
        std::unique_ptr<NixlApi> api(new NixlApi);
        api->library_ = place.library;
        TRY(api->load(library));
        if (api->functions_.is_stub())
            return Error{EPROTO, 0, "open NIXL", place.library + " is the stub of its Rust bindings; " + kNixlCommand};
        return api;
    }
    return missing(tried);
}

Result<void> NixlApi::load(void *library) {
    std::string absent;
    const auto find = [&](auto &function, const char *name) {
        void *const symbol = ::dlsym(library, (std::string("nixl_capi_") + name).c_str());
        if (symbol == nullptr && absent.empty()) absent = name;
        static_assert(sizeof function == sizeof symbol);
        std::memcpy(&function, &symbol, sizeof symbol);
    };
#define GMEMFS_FIND(name) find(functions_.name, #name)
    GMEMFS_FIND(create_configured_agent), GMEMFS_FIND(destroy_agent), GMEMFS_FIND(get_local_md);
    GMEMFS_FIND(load_remote_md), GMEMFS_FIND(invalidate_remote_md), GMEMFS_FIND(get_plugin_params);
    GMEMFS_FIND(destroy_mem_list), GMEMFS_FIND(destroy_params), GMEMFS_FIND(create_backend);
    GMEMFS_FIND(destroy_backend), GMEMFS_FIND(create_opt_args), GMEMFS_FIND(destroy_opt_args);
    GMEMFS_FIND(opt_args_add_backend), GMEMFS_FIND(opt_args_set_notif_msg), GMEMFS_FIND(opt_args_set_has_notif);
    GMEMFS_FIND(create_reg_dlist), GMEMFS_FIND(destroy_reg_dlist), GMEMFS_FIND(reg_dlist_add_desc);
    GMEMFS_FIND(register_mem), GMEMFS_FIND(deregister_mem), GMEMFS_FIND(create_xfer_dlist);
    GMEMFS_FIND(destroy_xfer_dlist), GMEMFS_FIND(xfer_dlist_add_desc), GMEMFS_FIND(create_xfer_req);
    GMEMFS_FIND(post_xfer_req), GMEMFS_FIND(get_xfer_status), GMEMFS_FIND(release_xfer_req);
    GMEMFS_FIND(destroy_xfer_req), GMEMFS_FIND(create_notif_map), GMEMFS_FIND(destroy_notif_map);
    GMEMFS_FIND(notif_map_size), GMEMFS_FIND(notif_map_get_agent_at), GMEMFS_FIND(notif_map_get_notifs_size);
    GMEMFS_FIND(notif_map_get_notif), GMEMFS_FIND(notif_map_clear), GMEMFS_FIND(get_notifs);
    GMEMFS_FIND(gen_notif), GMEMFS_FIND(is_stub);
#undef GMEMFS_FIND
    if (absent.empty()) return {};
    return Error{EPROTO, 0, "open NIXL", library_ + " has no nixl_capi_" + absent + "; " + kNixlCommand};
}

} // namespace gmemfs
