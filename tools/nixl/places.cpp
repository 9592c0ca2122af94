#include "tools/nixl/places.hpp"

#include <cstdlib>
#include <glob.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr const char *kFile = "libnixl_capi.so";

std::vector<std::string> matches(const std::string &pattern) {
    glob_t found = {};
    std::vector<std::string> paths;
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
        for (std::size_t index = 0; index < found.gl_pathc; ++index) paths.emplace_back(found.gl_pathv[index]);
    ::globfree(&found);
    return paths;
}

std::string folder_of(const std::string &file) {
    const std::size_t slash = file.rfind('/');
    return slash == std::string::npos ? "." : file.substr(0, slash);
}

std::string if_there(const std::string &path) { return ::access(path.c_str(), R_OK) == 0 ? path : ""; }

// What lies around a library: a wheel has NIXL in one folder of its packages' folder, UCX and what it needs in another.
NixlPlace around(const std::string &library) {
    NixlPlace place = {library, if_there(folder_of(library) + "/plugins"), {}};
    const std::vector<std::string> modules = matches(folder_of(library) + "/../nixl_cu*.libs/ucx");
    if (!modules.empty()) place.modules = modules.front();
    return place;
}

// Those of a folder that pip installs packages into.
void add_packages(std::vector<NixlPlace> &places, const std::string &packages) {
    for (const std::string &library : matches(packages + "/.nixl_cu*.mesonpy.libs/" + kFile))
        places.push_back(around(library));
}

// The folder of this program.
std::string own_folder() {
    char whole[4096] = {};
    const ssize_t size = ::readlink("/proc/self/exe", whole, sizeof whole - 1);
    return folder_of(std::string(whole, size > 0 ? static_cast<std::size_t>(size) : 0));
}

} // namespace

std::string variable(const char *name) {
    const char *const value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): read only
    return value == nullptr ? "" : value;
}

std::vector<NixlPlace> nixl_places(const std::string &chosen) {
    std::vector<NixlPlace> places;
    if (!chosen.empty()) {
        add_packages(places, chosen);
        const std::string inside = if_there(chosen + "/" + kFile);
        if (places.empty()) places.push_back(around(inside.empty() ? chosen : inside));
        return places;
    }
    for (const std::string &root :
        {variable("VIRTUAL_ENV"), variable("HOME") + "/.local", std::string("/usr/local"), std::string("/usr")})
        if (!root.empty() && root.front() == '/')
            for (const char *const packages : {"/lib/python3*/site-packages", "/lib/python3*/dist-packages"})
                add_packages(places, root + packages);
    add_packages(places, own_folder() + "/../.nixl");
    places.push_back({kFile, {}, {}});
    return places;
}

} // namespace gmemfs
