#include "fuse/process/process_status.hpp"

#include <linux/capability.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/stat.h>

namespace gmemfs {
namespace {

// The number of the first user namespace (PROC_USER_INIT_INO of Linux): a capability in another one isn't the
// CAP_FSETID that counts here.
constexpr ino_t kFirstUserNamespace = 0xEFFFFFFD;

bool is_in_first_user_namespace(const std::string &folder) {
    struct stat status = {};
    return ::stat((folder + "/ns/user").c_str(), &status) == 0 && status.st_ino == kFirstUserNamespace;
}

} // namespace

void add_process_status(Credentials &who, pid_t id) {
    const std::string folder = "/proc/" + std::to_string(id);
    std::ifstream file(folder + "/status");
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string name;
        words >> name;
        if (name == "Groups:")
            for (gid_t group = 0; words >> group;) who.groups.push_back(group);
        if (name != "CapEff:") continue;
        std::uint64_t effective = 0;
        words >> std::hex >> effective;
        const bool has_fsetid = (effective >> CAP_FSETID & 1) != 0;
        who.may_keep_set_ids = has_fsetid && is_in_first_user_namespace(folder);
    }
}

} // namespace gmemfs
