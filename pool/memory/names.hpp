// Names: what `gmemfs run` tells the processes of a program, by their environment.
#pragma once

namespace gmemfs::pool {

inline constexpr char kDirectoryVariable[] = "GMEMFS_POOL_DIR";   ///< absolute, in a mount
inline constexpr char kLimitVariable[] = "GMEMFS_POOL_LIMIT";     ///< bytes a process; unset: none
inline constexpr char kSpillVariable[] = "GMEMFS_POOL_SPILL";     ///< set: to host memory, where there is no room
inline constexpr char kKeepVariable[] = "GMEMFS_POOL_KEEP";       ///< set: files outlive their process
inline constexpr char kDriverVariable[] = "GMEMFS_POOL_DRIVER";   ///< the driver's path, as nobody else writes it
inline constexpr char kLibraryVariable[] = "GMEMFS_POOL_LIBRARY"; ///< the path of what stands in its place
inline constexpr char kDriverName[] = "libgmemfs-driver.so";      ///< the driver, as that library's dependency

// With --limit, where there is NVML: its figures of memory are bounded as the driver's are.
inline constexpr char kNvmlVariable[] = "GMEMFS_POOL_NVML";                ///< NVML's path, as nobody else writes it
inline constexpr char kNvmlLibraryVariable[] = "GMEMFS_POOL_NVML_LIBRARY"; ///< the path of what stands in its place
inline constexpr char kNvmlName[] = "libgmemfs-nvml-driver.so";            ///< NVML, as that library's dependency

} // namespace gmemfs::pool
