#include "client/lib/name_place.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace gmemfs::client {
namespace {

constexpr int kLinksMax = 40; // as Linux has it

Error failed(int code, const std::string &path) { return Error{code, 0, "open file", path}; }

} // namespace

Result<NamePlace> find_name(const std::string &path, LastLink last) {
    NamePlace place;
    std::string rest = path;
    for (int links = 0; links <= kLinksMax; ++links) {
        const std::size_t slash = rest.rfind('/');
        const std::string folder = slash == std::string::npos ? "." : rest.substr(0, slash + 1);
        place.name = slash == std::string::npos ? rest : rest.substr(slash + 1);
        if (place.name.empty()) return failed(rest.empty() ? ENOENT : EISDIR, path);
        const int base = place.folder ? place.folder.get() : AT_FDCWD;
        Fd next(::openat(base, folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!next) return failed(errno, path);
        place.folder = std::move(next);
        std::string target(4096, '\0');
        const ssize_t length = ::readlinkat(place.folder.get(), place.name.c_str(), target.data(), target.size());
        if (length < 0 || last == LastLink::keep) return place;
        rest = target.substr(0, static_cast<std::size_t>(length));
    }
    return failed(ELOOP, path);
}

} // namespace gmemfs::client
