#include "tools/copy/file.hpp"

#include "tools/copy/verify.hpp"
#include "vmm/base/all_bytes.hpp"
#include "vmm/base/units.hpp"

#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// A smaller file goes by read(2) and write(2): mapping it would take it out of the extent that it shares.
constexpr std::uint64_t kMapMin = 4 * MiB;
// What one call copies can't be interrupted: 2 GiB take a device two milliseconds, and a disk seconds. The most that
// one call can, which tells a mount that more is to come: it makes the file's memory at once.
constexpr std::size_t kPartOnDevice = 0x7ffff000;
constexpr std::size_t kPartElsewhere = 32 * MiB;

// One copy; views of what copy_file() owns.
struct Copy {
    const CopySettings &settings;
    CopyDevices &devices;
    std::span<std::byte> buffer;
    OpenedFile source;
    struct stat status; // the source's
    const CopyTarget &target;
    Progress &progress;
};

// From where both files stand to the source's end: how many bytes.
Result<std::uint64_t> stream(const Copy &copy) {
    const std::span<std::byte> buffer = copy.buffer;
    std::uint64_t total = 0;
    for (;;) {
        if (is_interrupted()) return Error{EINTR, 0, "copy", {}};
        const ssize_t count = ::read(copy.source.fd, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error{errno, 0, "read", {}};
        if (count == 0) return total;
        TRY(write_all(copy.target.fd(), buffer.first(static_cast<std::size_t>(count)), is_interrupted));
        total += static_cast<std::uint64_t>(count);
        copy.progress.add(static_cast<std::uint64_t>(count));
    }
}

// Within one filesystem, which may copy by itself: gmemfs does it on the device. Nothing where it can't.
Result<std::optional<std::uint64_t>> copy_within(const Copy &copy) {
    const bool is_on_device = !copy.devices.library_for(copy.source.place).empty();
    for (std::uint64_t done = 0;;) {
        if (is_interrupted()) return Error{EINTR, 0, "copy", {}};
        const std::size_t part = is_on_device ? kPartOnDevice : kPartElsewhere;
        const ssize_t count = ::copy_file_range(copy.source.fd, nullptr, copy.target.fd(), nullptr, part, 0);
        const bool cannot = errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS;
        if (count < 0 && done == 0 && cannot) return std::optional<std::uint64_t>();
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error{errno, 0, "copy", {}};
        if (count == 0) return std::optional(done);
        done += static_cast<std::uint64_t>(count);
        copy.progress.add(static_cast<std::uint64_t>(count));
    }
}

// Room for `size` bytes, and no other content to be read first. In a mount what is there is kept as room: it is written
// over by DMA, and peers may have it mapped.
Result<void> make_room(const Copy &copy, std::uint64_t size) {
    const bool is_host_file = copy.devices.library_for(copy.target.place()).empty();
    if (!copy.target.is_new() && is_host_file && ::ftruncate(copy.target.fd(), 0) != 0)
        return Error{errno, 0, "cut", {}};
    if (::ftruncate(copy.target.fd(), static_cast<off_t>(size)) != 0)
        return Error{errno, 0, "allocate", format_size(size)};
    return {};
}

// What can be copied faster than by read(2) and write(2): how much it was, and both files stand behind it.
Result<std::uint64_t> copy_fast(const Copy &copy) {
    const auto size = static_cast<std::uint64_t>(copy.status.st_size);
    struct stat made = {};
    if (::fstat(copy.target.fd(), &made) != 0) return Error{errno, 0, "stat", {}};
    if (made.st_dev == copy.status.st_dev)
        if (const std::optional<std::uint64_t> copied = TRY(copy_within(copy))) return *copied;
    if (size > copy.buffer.size()) TRY(make_room(copy, size));
    if (size < kMapMin) return 0;
    const OpenedFile target = {copy.target.fd(), copy.target.way(), copy.target.place()};
    const std::uint64_t copied = TRY(copy_side_by_side(
        copy.devices, copy.source, target, size, copy.settings.lanes, copy.settings.reads, copy.progress));
    for (const int fd : {copy.source.fd, target.fd})
        if (::lseek(fd, static_cast<off_t>(copied), SEEK_SET) < 0) return Error{errno, 0, "seek", {}};
    return copied;
}

// How many bytes. A file of /proc or /sys says that its size is 0, or a page; others grow or shrink meanwhile.
Result<std::uint64_t> copy_contents(const Copy &copy) {
    std::uint64_t copied = 0;
    if (S_ISREG(copy.status.st_mode) && copy.status.st_size > 0 && copy.target.is_regular())
        copied = TRY(copy_fast(copy));
    copied += TRY(stream(copy));
    struct stat made = {};
    if (!copy.target.is_regular()) return copied;
    if (::fstat(copy.target.fd(), &made) != 0) return Error{errno, 0, "stat", {}};
    if (static_cast<std::uint64_t>(made.st_size) != copied &&
        ::ftruncate(copy.target.fd(), static_cast<off_t>(copied)) != 0)
        return Error{errno, 0, "cut to", format_size(copied)};
    return copied;
}

Result<void> verify(const Copy &copy, std::uint64_t size) {
    if (size == 0 || !S_ISREG(copy.status.st_mode) || !copy.target.is_regular()) return {};
    const bool has_digest = !copy.devices.library_for(copy.source.place).empty() && !is_packed(copy.source.fd);
    const VerifiedEnd source = {{copy.source.fd}, has_digest};
    const VerifiedEnd target = {{copy.target.fd()}, !copy.devices.library_for(copy.target.place()).empty()};
    const VerifiedBy way = TRY(verify_copy(nullptr, source, target, size, copy.settings.lanes.among(1)));
    if (is_interrupted()) return Error{EINTR, 0, "verify", {}};
    way == VerifiedBy::digests ? copy.progress.add_verified_by_digests() : copy.progress.add_verified_by_bytes();
    return {};
}

Result<void> copy_to(const Copy &copy) {
    const std::uint64_t copied = TRY(copy_contents(copy));
    if (copy.settings.verify) TRY(verify(copy, copied));
    TRY(copy.target.set_mode());
    if (!copy.target.is_regular() || copy.source.path == "-") return {};
    return preserve_attributes(copy.settings.preserve, copy.source.fd, copy.status, copy.target.fd());
}

Result<CopyTarget> open_target(const CopySettings &settings, const std::string &path, mode_t mode) {
    return path == "-" ? CopyTarget::standard_output() : CopyTarget::open(path, mode, settings.existing);
}

} // namespace

Result<void> copy_file(const CopySettings &settings, CopyDevices &devices, std::span<std::byte> buffer,
    const std::string &source, const std::string &target, Progress &progress) {
    progress.start_file(source == "-" ? "standard input" : source);
    const Fd fd(source == "-" ? ::dup(STDIN_FILENO) : ::open(source.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd) return Error{errno, 0, "open file", source};
    struct stat status = {}, there = {};
    if (::fstat(fd.get(), &status) != 0) return Error{errno, 0, "stat", source};
    if (S_ISDIR(status.st_mode)) return Error{EISDIR, 0, "copy", source};
    if (source == "-") status.st_mode = S_IFIFO; // it goes on where it stands
    const bool is_file = S_ISREG(status.st_mode);
    if (is_file && ::stat(target.c_str(), &there) == 0 && there.st_dev == status.st_dev &&
        there.st_ino == status.st_ino)
        return Error{EINVAL, 0, "copy", source + " and " + target + " are the same file"};
    CopyTarget made = TRY(open_target(settings, target, is_file ? status.st_mode & 0777 : 0666));
    const Copy copy = {settings, devices, buffer, {fd.get(), source, source}, status, made, progress};
    const Result<void> copied = copy_to(copy);
    if (!copied) return about(source + " to " + target, copied.error());
    return made.publish();
}

} // namespace gmemfs
