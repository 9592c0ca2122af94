#include "client/lib/pool_reader.hpp"

#include "client/wire/process_folder.hpp"
#include "vmm/base/fd.hpp"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs::client {
namespace {

struct CloseFolder {
    void operator()(DIR *folder) const { ::closedir(folder); }
};

bool is_figures(const std::string &link) {
    char target[64] = {};
    const ssize_t length = ::readlink(link.c_str(), target, sizeof target - 1);
    return length > 0 && std::string_view(target).starts_with(std::string("/memfd:") + ReadPoolFigures::kName + " ");
}

} // namespace

Result<ReadPoolFigures> read_pool_figures(pid_t pid) {
    const std::string folder_name = "/proc/" + std::to_string(pid) + "/fd";
    const std::unique_ptr<DIR, CloseFolder> folder(::opendir(folder_name.c_str()));
    if (!folder) return Error{errno, 0, "look into process", std::to_string(pid)};
    while (const dirent *const entry = ::readdir(folder.get())) {
        const std::string link = folder_name + "/" + entry->d_name;
        if (!is_figures(link)) continue;
        const Fd file(::open(link.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file) return Error{errno, 0, "look into process", std::to_string(pid)};
        ReadPoolFigures figures;
        const ssize_t size = ::pread(file.get(), &figures, sizeof figures, 0);
        if (size != sizeof figures || figures.magic != ReadPoolFigures::kMagic) continue; // of another version
        for (auto &library : figures.libraries) library.name[sizeof library.name - 1] = '\0';
        figures.library_count = std::min<std::uint64_t>(figures.library_count, ReadPoolFigures::kLibraries);
        return figures;
    }
    return Error{ENOENT, 0, "look into process", std::to_string(pid) + ": it has no pool"};
}

Result<ReadPoolFigures> read_pool_figures(const std::string &directory) {
    std::string path = directory;
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    const pid_t pid = process_of(path.substr(path.rfind('/') + 1));
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) return Error{errno, 0, "look into process", path};
    if (pid == 0 || !S_ISDIR(status.st_mode))
        return Error{EINVAL, 0, "look into process", path + ": it isn't named NAME.PID: see `gmemfs pool stat`"};
    Result<ReadPoolFigures> figures = read_pool_figures(pid);
    if (figures && figures->folder != status.st_ino)
        return Error{ENOENT, 0, "look into process", path + ": its process has ended"};
    return figures;
}

} // namespace gmemfs::client
