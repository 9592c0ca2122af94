#include "tools/cmd/parity_walk.hpp"

#include "vmm/base/fd.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>

namespace gmemfs {
namespace {

// Writers of the range wait during one call: 40 us for 64 MiB (H200), 40 ms on the simulator.
constexpr std::uint64_t kStep = 64 * MiB;

unsigned long command_of(ParityWalk::Action action) {
    switch (action) {
    case ParityWalk::Action::verify: return parity_control::kVerify;
    case ParityWalk::Action::scrub: return parity_control::kScrub;
    case ParityWalk::Action::seal: break;
    }
    return parity_control::kSeal;
}

const char *reason_of(int code) {
    switch (code) {
    case ENODATA: return "it has no parity: only what was created under --ecc=on, or user.gmemfs.ecc, has";
    case EBUSY: return "a peer may be writing to it: `gmemfs seal` it when they have ended";
    case EACCES: return "only who may read and write the file may do this";
    case ENOTTY: return "it lies in no gmemfs mount, or its server is older than this program";
    case EIO: return "the device has failed, or the server; its log says more";
    default: return std::strerror(code);
    }
}

} // namespace

Result<void> ParityWalk::visit(const std::string &path) {
    const std::vector<FoundFile> files = TRY(find_files(path, Folders::searched));
    for (const FoundFile &file : files) TRY(visit_file(file));
    return {};
}

Result<void> ParityWalk::visit_file(const FoundFile &found) {
    const bool is_below = found.by == FoundFile::By::folder;
    ParityOutcome outcome = {.path = found.path, .error = found.error, .message = {}, .listed = {}};
    if (found.error != 0) {
        outcome.message = std::strerror(found.error);
        outcomes_.push_back(std::move(outcome));
        return {};
    }
    const Fd file(::open(found.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status = {};
    Result<void> walked;
    if (!file || ::fstat(file.get(), &status) != 0) {
        if (is_below && errno == ENOENT) return {}; // it was deleted meanwhile
        outcome.error = errno;
        outcome.message = std::strerror(errno);
    } else {
        walked = walk_ranges(file.get(), static_cast<std::uint64_t>(status.st_size), outcome);
    }
    if (!walked && walked.error().code == EINTR) return walked;
    if (!walked) {
        outcome.error = walked.error().code;
        outcome.message = reason_of(outcome.error);
    }
    if (outcome.error == ENODATA && is_below)
        ++without_parity_;
    else
        outcomes_.push_back(std::move(outcome));
    return {};
}

Result<void> ParityWalk::walk_ranges(int fd, std::uint64_t size, ParityOutcome &outcome) {
    Progress progress(display_, size);
    progress.start_file(outcome.path);
    Result<void> result;
    // An empty file is asked once: whether it has parity.
    for (std::uint64_t offset = 0; result && (offset < size || offset == 0); offset += kStep) {
        if (is_interrupted()) {
            result = Error{EINTR, 0, "look at parity", outcome.path + ": interrupted"};
            break;
        }
        parity_control::ParityRange range = {.offset = offset, .length = std::min(kStep, size - offset)};
        if (::ioctl(fd, command_of(action_), &range) != 0) {
            result = Error{errno, 0, "look at parity", outcome.path};
            break;
        }
        outcome.blocks += range.blocks;
        outcome.wrong += range.wrong;
        outcome.repaired += range.repaired;
        outcome.left_wrong += range.left_wrong;
        const std::uint64_t listed = std::min<std::uint64_t>(range.left_wrong, parity_control::kListed);
        outcome.listed.insert(outcome.listed.end(), range.listed, range.listed + listed);
        progress.add(range.length);
        if (action_ == Action::seal) break; // it takes the whole file at once
    }
    progress.finish();
    return result;
}

} // namespace gmemfs
