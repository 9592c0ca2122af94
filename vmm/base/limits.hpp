// Limits: every limit of gmemfs in one place, with the relations between them.
#pragma once

#include "vmm/base/units.hpp"

#include <cstddef>
#include <cstdint>

namespace gmemfs {

/// A CUDA fabric handle (CU_IPC_HANDLE_SIZE of <cuda.h>).
inline constexpr std::size_t kFabricHandleSize = 64;
/// The kernel carries no larger extended attribute (XATTR_SIZE_MAX of <linux/limits.h>), nor a longer list of names.
inline constexpr std::size_t kXattrSizeMax = 65536;
inline constexpr std::size_t kXattrListMax = 65536;
/// Names and values of one inode's user xattrs together; what a user may make the server keep in host memory.
inline constexpr std::size_t kXattrBytesPerInodeMax = 128 * KiB;
/// `user.fabric_handle` must hold a handle for each extent.
inline constexpr std::size_t kExtentsPerFileMax = 1024;
static_assert(kExtentsPerFileMax * kFabricHandleSize <= kXattrSizeMax);

/// NAME_MAX of POSIX: bytes in one name.
inline constexpr std::size_t kNameMax = 255;
/// PATH_MAX less the terminating zero: bytes in a symbolic link.
inline constexpr std::size_t kSymlinkMax = 4095;
/// Links to one inode, as in ext4.
inline constexpr std::uint32_t kLinksMax = 65000;

/// The largest request that libfuse 3.14 and the kernel's default fs.fuse.max_pages_limit (256) carry.
inline constexpr std::size_t kRequestMax = 1 * MiB;
/// A growing file asks for as much again as it has, up to this size. So what it wastes until the last close is bounded.
inline constexpr std::uint64_t kGrowthMax = 4 * GiB;
/// Pinned chunk of the chunked copies, and how many are in flight (measured: 16 MiB reaches the bus, 1 MiB is 14 %
/// below).
inline constexpr std::size_t kChunkSize = 4 * MiB;
inline constexpr std::size_t kChunksInFlight = 4;
static_assert(kChunkSize >= kRequestMax);

/// Peers that the broker serves at once: all together, and of one user (root excepted); and leases of one peer. A
/// process needs one connection for all its mappings. A keeper has as many extents as one peer may have leases.
inline constexpr std::size_t kBrokerPeersMax = 4096;
inline constexpr std::size_t kBrokerPeersPerUserMax = 1024;
inline constexpr std::size_t kBrokerLeasesPerPeerMax = 65536;
static_assert(kBrokerPeersPerUserMax < kBrokerPeersMax); // so that no user keeps all others out

/// Two, because one worker may be waiting for a FORGET (of an unlinked file) that another must process.
inline constexpr unsigned kWorkersMin = 2;
inline constexpr unsigned kWorkersMax = 128;

} // namespace gmemfs
