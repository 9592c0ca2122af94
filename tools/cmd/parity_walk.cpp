#include "tools/cmd/parity_walk.hpp"

#include "tools/host/mounts.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
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
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) return Error{errno, 0, "look at file", path + advice_for(errno)};
    TRY(find_mount_of(path)); // once, and not for each of what may be many
    if (S_ISREG(status.st_mode)) return visit_file(path, Found::by_name);
    if (!S_ISDIR(status.st_mode)) return Error{EINVAL, 0, "look at file", path + ": only files have parity"};
    return visit_folder(path, status.st_dev);
}

// In the order of the names; not through links, nor into what is mounted there.
Result<void> ParityWalk::visit_folder(const std::string &path, dev_t device) {
    namespace fs = std::filesystem;
    std::error_code error;
    std::vector<std::string> names;
    fs::directory_iterator next(path, error);
    for (const fs::directory_iterator end; !error && next != end; next.increment(error)) {
        if (is_interrupted()) return Error{EINTR, 0, "look at parity", path + ": interrupted"};
        names.push_back(next->path().string());
    }
    if (error) outcomes_.push_back({.path = path, .error = error.value(), .message = error.message(), .listed = {}});
    std::sort(names.begin(), names.end());
    for (const std::string &name : names) {
        struct stat status = {};
        if (is_interrupted()) return Error{EINTR, 0, "look at parity", name + ": interrupted"};
        if (::lstat(name.c_str(), &status) != 0 || status.st_dev != device) continue;
        if (S_ISREG(status.st_mode)) TRY(visit_file(name, Found::in_folder));
        if (S_ISDIR(status.st_mode)) TRY(visit_folder(name, device));
    }
    return {};
}

Result<void> ParityWalk::visit_file(const std::string &path, Found found) {
    ParityOutcome outcome = {.path = path, .message = {}, .listed = {}};
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status = {};
    Result<void> walked;
    if (!file || ::fstat(file.get(), &status) != 0) {
        if (found == Found::in_folder && errno == ENOENT) return {}; // it was deleted meanwhile
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
    if (outcome.error == ENODATA && found == Found::in_folder)
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
