#include "vmm/device/simulator_path.hpp"

#include <filesystem>
#include <system_error>

namespace gmemfs {

std::string simulator_path() {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    if (error) return {};
    const fs::path folder = program.parent_path();
    for (const fs::path &path : {folder / "sim/libcuda.so.1", folder.parent_path() / "lib/gmemfs/sim/libcuda.so.1"})
        if (fs::exists(path, error)) return path.string();
    return {};
}

} // namespace gmemfs
