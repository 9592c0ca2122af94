#include "tools/pool/program.hpp"

#include "vmm/base/fd.hpp"

#include <glib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kInterpretersMost = 4; // as Linux has it

Error cannot(int code, const std::string &path, const std::string &why) {
    return Error{code, 0, "run program", path + ": " + why};
}

bool is_executable(const std::string &path) {
    struct stat status = {};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

Result<void> check_rights(const Fd &file, const std::string &path) {
    struct stat status = {};
    if (::fstat(file.get(), &status) != 0) return cannot(errno, path, "it can't be looked at");
    const bool changes_user = (status.st_mode & S_ISUID) != 0 && status.st_uid != ::geteuid();
    const bool changes_group = (status.st_mode & S_ISGID) != 0 && status.st_gid != ::getegid();
    const bool has_capabilities = ::geteuid() != 0 && ::fgetxattr(file.get(), "security.capability", nullptr, 0) > 0;
    if (!changes_user && !changes_group && !has_capabilities) return {};
    return cannot(EPERM, path,
        changes_user || changes_group
            ? "it is set-user-ID or set-group-ID, so the linker lets no pool into it: run it as the user that it "
              "becomes"
            : "it has file capabilities, so the linker lets no pool into it: run a copy without them");
}

// The dynamic linker that an ELF file names; empty where it has none.
std::string linker_of(const Fd &file, const Elf64_Ehdr &header) {
    for (unsigned index = 0; index < header.e_phnum; ++index) {
        Elf64_Phdr segment = {};
        const auto at = static_cast<off_t>(header.e_phoff + index * sizeof segment);
        if (::pread(file.get(), &segment, sizeof segment, at) != sizeof segment) return {};
        if (segment.p_type != PT_INTERP) continue;
        std::array<char, 256> name = {};
        const std::size_t size = std::min<std::size_t>(segment.p_filesz, name.size() - 1);
        if (::pread(file.get(), name.data(), size, static_cast<off_t>(segment.p_offset)) <= 0) return {};
        return name.data();
    }
    return {};
}

// "#!/usr/bin/env python3" -> "/usr/bin/env"
std::string interpreter_in(std::string_view line) {
    line = line.substr(0, line.find('\n')).substr(2);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    return std::string(line.substr(0, line.find_first_of(" \t")));
}

} // namespace

Result<std::string> find_program(const std::string &name) {
    if (name.find('/') != std::string::npos) {
        if (is_executable(name)) return name;
        return cannot(::access(name.c_str(), F_OK) == 0 ? EACCES : ENOENT, name, "it can't be executed");
    }
    gchar *const found = g_find_program_in_path(name.c_str());
    if (found != nullptr) {
        std::string path = found;
        g_free(found);
        return path;
    }
    return cannot(ENOENT, name, "no folder of $PATH has it");
}

Result<void> check_program(const std::string &path) {
    std::string at = path;
    for (int depth = 0; depth < kInterpretersMost; ++depth) {
        const Fd file(::open(at.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file && errno == EACCES) return {}; // it may be executed, and not read
        if (!file) return cannot(errno, at, "it can't be opened");
        const Result<void> rights = check_rights(file, at);
        if (!rights) return Error(rights.error());
        std::array<char, 256> begin = {};
        const ssize_t size = ::pread(file.get(), begin.data(), begin.size() - 1, 0);
        if (size > 2 && begin[0] == '#' && begin[1] == '!') {
            at = interpreter_in(begin.data());
            continue;
        }
        Elf64_Ehdr header = {};
        std::memcpy(&header, begin.data(), sizeof header);
        if (size < static_cast<ssize_t>(sizeof header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return {};
        if (header.e_ident[EI_CLASS] != ELFCLASS64) return cannot(ENOTSUP, at, "it is no 64-bit program");
        const std::string linker = linker_of(file, header);
        if (linker.empty()) return cannot(ENOTSUP, at, "it is linked statically, so no pool can get into it");
        if (linker.find("musl") != std::string::npos)
            return cannot(ENOTSUP, at, "it is linked against musl, whose linker has no audit libraries");
        return {};
    }
    return {};
}

} // namespace gmemfs
