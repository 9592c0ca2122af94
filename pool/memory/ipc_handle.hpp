// IpcHandle: what the 64 bytes of cuIpcGetMemHandle hold of the pool's memory: who may have it is the file's mode.
//
//     ticket           names the extent's file to the broker, which gives the memory to whoever may read and write it
//     table, slot      where the exporter says which block that is, for as long as the program has it (exports.hpp)
//
// The driver's own handles don't begin with the magic number. Unhooked programs give it these bytes, and get an error.
#pragma once

#include "client/wire/protocol.hpp"

#include <cuda.h>

#include <cstdint>
#include <cstring>

namespace gmemfs::pool {

/// All of it is doubted on import.
struct IpcHandle {
    static constexpr std::uint64_t kMagic = 0x3143504953464d47; ///< "GMFSIPC1"

    std::uint64_t magic;
    protocol::Ticket ticket;
    std::int32_t pid, table; ///< the exporter, and its descriptor of the table of its exports
    std::uint32_t slot;
    std::uint32_t reserved; ///< 0
    std::uint64_t cookie;   ///< of the table: another process may have that pid by now
    std::uint64_t key;      ///< of the block: another one may have that slot by now

    bool is_pools() const { return magic == kMagic; }
    static IpcHandle from(const CUipcMemHandle &bytes) {
        IpcHandle handle;
        std::memcpy(&handle, &bytes, sizeof handle);
        return handle;
    }
    CUipcMemHandle bytes() const {
        CUipcMemHandle handle;
        std::memcpy(&handle, this, sizeof handle);
        return handle;
    }
};
static_assert(sizeof(IpcHandle) == sizeof(CUipcMemHandle));

} // namespace gmemfs::pool
