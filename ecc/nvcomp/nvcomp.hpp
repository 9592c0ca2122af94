// Nvcomp: NVIDIA's compression library, opened at run time.
#pragma once

#include "ecc/nvcomp/nvcomp_api.hpp"
#include "vmm/device/driver.hpp"

#include <memory>
#include <string>
#include <vector>

namespace gmemfs {

/// Immutable, and so thread-safe. The library stays loaded, because CUDA's runtime in it can't be unloaded.
class Nvcomp {
public:
    /// The first of `places` that can be opened. ENOTSUP: none can, or it isn't version 6; the message has the command
    /// that gets it. ENOTSUP also where `driver` is the simulator and the library isn't the simulator's own kind
    /// (tests/nvcomp), or the other way round: the simulator runs no machine code of a GPU.
    static Result<std::unique_ptr<const Nvcomp>> open(const Driver &driver, const std::vector<std::string> &places);

    const NvcompCodec &lz4() const { return lz4_; }
    const NvcompCodec &zstd() const { return zstd_; }
    const NvcompCodec &ans() const { return ans_; }
    int version() const { return version_; } ///< 6000 is 6.0.0
    const std::string &library() const { return library_; }

    /// EIO, with nvCOMP's status; ENOMEM, ... see docs/errors.md where CUDA failed.
    Result<void> check(NvcompStatus status, const char *doing) const;

private:
    Nvcomp() = default;
    Result<void> load(void *handle);

    NvcompCodec lz4_ = {}, zstd_ = {}, ans_ = {};
    int version_ = 0;
    std::string library_;
    const char *(*status_text_)(NvcompStatus) = nullptr;
};

/// What `gmemfs doctor` says: the library's path and version, or an Error as of Nvcomp::open. Needs no driver.
Result<std::string> find_nvcomp(const std::vector<std::string> &places);

} // namespace gmemfs
