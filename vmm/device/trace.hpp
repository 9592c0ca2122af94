// Trace: named ranges for NVIDIA's profilers (NVTX); nothing where the build found no NVTX header.
//
//     const Trace range("gmemfs write");      to the end of the scope, on this thread's row of Nsight Systems' timeline
//
// Without a profiler a range costs two tests of a null pointer. NVTX looks for a profiler at the first range.
#pragma once

#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define GMEMFS_HAS_NVTX 1
#else
#define GMEMFS_HAS_NVTX 0
#endif

namespace gmemfs {

class [[nodiscard]] Trace {
public:
    /// `name` is a literal, or outlives the program.
    explicit Trace([[maybe_unused]] const char *name) {
#if GMEMFS_HAS_NVTX
        nvtxRangePushA(name);
#endif
    }
    ~Trace() {
#if GMEMFS_HAS_NVTX
        nvtxRangePop();
#endif
    }
    Trace(const Trace &) = delete;
    Trace &operator=(const Trace &) = delete;
};

} // namespace gmemfs
