// Places: where NIXL's library may be, and what of its wheel must be told to it.
#pragma once

#include <string>
#include <vector>

namespace gmemfs {

inline constexpr const char *kNixlCommand = "pip install --no-deps nixl-cu13==1.5.1";

/// Where one installation of NIXL has its parts. What isn't there is empty.
struct NixlPlace {
    std::string library; ///< libnixl_capi.so, as dlopen(3) takes it
    std::string plugins; ///< NIXL_PLUGIN_DIR: libplugin_UCX.so lies there
    std::string modules; ///< UCX_MODULE_DIR: the wheel's UCX doesn't find its CUDA modules by itself (nixl issue 1628)
};

/// What to try, in order. `chosen` ($GMEMFS_NIXL: libnixl_capi.so, the folder that it lies in, or the one that a wheel
/// was installed into) alone, where it isn't empty; else what pip installs in the active virtual environment, for this
/// user, for the machine; what `make deps-nixl` fetches; and the loader's own search.
std::vector<NixlPlace> nixl_places(const std::string &chosen);
/// The value of an environment variable; empty where there is none.
std::string variable(const char *name);

} // namespace gmemfs
