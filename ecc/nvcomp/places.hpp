// Places: where nvCOMP's library may be.
#pragma once

#include <string>
#include <vector>

namespace gmemfs {

inline constexpr const char *kNvcompCommand = "pip install nvidia-libnvcomp-cu13==6.0.0.12";

/// What to try, in order: $GMEMFS_NVCOMP alone, where it is set; else by the loader's own search, then what pip
/// installs in the active virtual environment, for this user, for the machine; and what `make deps-nvcomp` fetches.
std::vector<std::string> nvcomp_places();

} // namespace gmemfs
