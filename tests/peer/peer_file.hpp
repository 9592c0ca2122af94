// PeerFile: a file of a gmemfs mount, and its memory mapped into this process: what every peer has to do, in order.
#pragma once

#include "vmm/memory/mapping.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace gmemfs {

/// Prints each step that a peer takes, under the peer's name, with its number and the time that it took.
class Narrator {
public:
    explicit Narrator(std::string name) : name_(std::move(name)) {}
    /// Runs `step()`, which returns a Result, prints `what` with the time it took, and passes the Result on.
    template <typename Step>
    auto tell(const std::string &what, Step step) {
        const double start_ms = now_ms();
        auto result = step();
        print(what, now_ms() - start_ms, result.has_value());
        return result;
    }

private:
    static double now_ms();
    void print(const std::string &what, double took_ms, bool succeeded);

    std::string name_;
    int count_ = 0;
};

/// Creates `path`, or empties it, and gives it `size` bytes of device memory by ftruncate. Errors: open's, ftruncate's.
Result<void> create_file(const std::string &path, std::uint64_t size);

/// The value of one extended attribute, all its bytes. ENODATA: the file is empty. ENOTSUP: no fabric handles here, or
/// the path isn't on a gmemfs mount. EACCES: a handle gives read and write, and the caller may not do both.
Result<std::string> read_attribute(const std::string &path, const std::string &name);

/// The memory of one file, mapped whole. Move-only. Not thread-safe.
struct PeerFile {
    std::unique_ptr<Driver> driver;
    std::unique_ptr<Device> device;
    std::optional<Mapping> mapping;

    /// Reads the two attributes, opens the driver `library`, imports the handle and maps it. ESTALE: the server died.
    /// EINVAL: the file has more than one extent; truncate an empty file once to get one.
    static Result<PeerFile> open(Narrator &narrator, const std::string &path, const std::string &library);
};

} // namespace gmemfs
