#include "ecc/nvcomp/places.hpp"

#include <cstdlib>
#include <dlfcn.h>
#include <glob.h>

namespace gmemfs {
namespace {

constexpr const char *kFile = "libnvcomp.so.6";
constexpr const char *kInPackages = "/nvidia/libnvcomp/lib64/libnvcomp.so.6"; // as the wheel lays it out

std::string variable(const char *name) {
    const char *const value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): read only
    return value == nullptr ? "" : value;
}

void add_matches(std::vector<std::string> &places, const std::string &pattern) {
    glob_t found = {};
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
        for (std::size_t index = 0; index < found.gl_pathc; ++index) places.emplace_back(found.gl_pathv[index]);
    ::globfree(&found);
}

// The folder of the program or library that this code is in.
std::string own_folder() {
    Dl_info info = {};
    static const char here = 0;
    if (::dladdr(&here, &info) == 0 || info.dli_fname == nullptr) return "";
    const std::string file = info.dli_fname;
    const std::size_t slash = file.rfind('/');
    return slash == std::string::npos ? "." : file.substr(0, slash);
}

} // namespace

std::vector<std::string> nvcomp_places() {
    if (const std::string chosen = variable("GMEMFS_NVCOMP"); !chosen.empty()) return {chosen};
    std::vector<std::string> places = {kFile};
    for (const std::string &root :
        {variable("VIRTUAL_ENV"), variable("HOME") + "/.local", std::string("/usr/local"), std::string("/usr")})
        if (!root.empty() && root.front() == '/')
            for (const char *const packages : {"/lib/python3*/site-packages", "/lib/python3*/dist-packages"})
                add_matches(places, root + packages + kInPackages);
    add_matches(places, own_folder() + "/../.nvcomp" + kInPackages);
    return places;
}

} // namespace gmemfs
