// DoctorChecks, system: the machine around the driver: FUSE, limits, the simulator.
#include "tools/doctor/checks.hpp"

#include "fuse/session/ring_source.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/simulator_path.hpp"

#include <algorithm>
#include <fcntl.h>
#include <fstream>
#include <glib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// Pinned staging of a server with many workers; the driver pins it outside this limit on the machines seen.
constexpr std::uint64_t kLockedMemoryWanted = 64 * MiB;

Check check_fuse_device() {
    const Fd fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (fd) return {"/dev/fuse", Verdict::ok, "opens", ""};
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        return {"/dev/fuse", Verdict::fail, "missing",
            "as root: modprobe fuse; in a container: run it with --device /dev/fuse --cap-add SYS_ADMIN"};
    const Error error{errno, 0, "open /dev/fuse", {}};
    return {
        "/dev/fuse", Verdict::fail, error.text(), "as root: chmod 666 /dev/fuse; in a container: --device /dev/fuse"};
}

// The capability that mount(2) asks for: bit 21 of the effective set (capabilities(7)).
bool has_admin_capability() {
    constexpr int kAdmin = 21;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("CapEff:")) return (std::stoull(line.substr(7), nullptr, 16) >> kAdmin & 1) != 0;
    return false;
}

Check check_mounting() {
    if (has_admin_capability()) return {"mounting", Verdict::ok, "this process may mount", ""};
    gchar *found = g_find_program_in_path("fusermount3");
    if (found == nullptr) return {"mounting", Verdict::fail, "no fusermount3", "as root: apt-get install fuse3"};
    const std::string path = found;
    g_free(found);
    struct stat status = {};
    const bool setuid = ::stat(path.c_str(), &status) == 0 && (status.st_mode & S_ISUID) != 0 && status.st_uid == 0;
    if (setuid && ::access("/etc/mtab", F_OK) != 0)
        return {"mounting", Verdict::warn, "no /etc/mtab here, without which " + path + " unmounts nothing",
            "as root: ln -s /proc/self/mounts /etc/mtab"};
    if (setuid) return {"mounting", Verdict::ok, path + " is setuid root", ""};
    return {"mounting", Verdict::fail, path + " is not setuid root, and this process may not mount",
        "as root: chown root " + path + " && chmod u+s " + path};
}

Check check_allow_other() {
    std::ifstream conf("/etc/fuse.conf");
    for (std::string line; std::getline(conf, line);)
        if (std::string(g_strstrip(line.data())) == "user_allow_other")
            return {"allow_other", Verdict::ok, "/etc/fuse.conf has user_allow_other", ""};
    if (::geteuid() == 0) return {"allow_other", Verdict::ok, "root may use it", ""};
    return {"allow_other", Verdict::warn, "/etc/fuse.conf lacks user_allow_other: other users can't use your mounts",
        "as root: echo user_allow_other >> /etc/fuse.conf"};
}

Check check_locked_memory() {
    rlimit limit = {};
    ::getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur == RLIM_INFINITY) return {"locked memory", Verdict::ok, "unlimited", ""};
    const std::string found = "limit " + format_size(limit.rlim_cur);
    if (limit.rlim_cur >= kLockedMemoryWanted || has_admin_capability())
        return {"locked memory", Verdict::ok, found, ""};
    return {
        "locked memory", Verdict::warn, found, "where pinning fails: ulimit -l unlimited (/etc/security/limits.conf)"};
}

Check check_io_uring() {
    const Result<void> checked = check_rings();
    if (checked) return {"io_uring", Verdict::ok, "mounts may have -o io_uring", ""};
    return {"io_uring", Verdict::warn, "no mounts with -o io_uring", checked.error().detail};
}

} // namespace

Checks check_fuse() {
    Checks checks = {
        check_fuse_device(), check_mounting(), check_allow_other(), check_locked_memory(), check_io_uring()};
    if (all_pass(checks)) checks.push_back(check_session());
    return checks;
}

Checks check_simulator() {
    const std::string path = simulator_path();
    if (!path.empty()) return {{"simulator", Verdict::ok, path, ""}};
    return {{"simulator", Verdict::warn, "no libcuda.so.1 of gmemfs beside this program", "build it: make"}};
}

bool all_pass(const Checks &checks) {
    return std::none_of(
        checks.begin(), checks.end(), [](const Check &check) { return check.verdict == Verdict::fail; });
}

} // namespace gmemfs
