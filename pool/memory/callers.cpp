#include "pool/memory/callers.hpp"

#include "pool/memory/figures.hpp"

#include <cerrno>
#include <dlfcn.h>
#include <link.h>
#include <string>

namespace gmemfs::pool {
namespace {

// Takes no lock of the linker's, unlike dladdr(3): a thread that loads a library may be waiting for this one.
std::string name_of(std::uint64_t address) {
    dl_find_object found = {};
    if (::_dl_find_object(reinterpret_cast<void *>(address), &found) != 0) return "unknown"; // NOLINT: a number
    const std::string path = found.dlfo_link_map->l_name;
    if (path.empty()) return program_invocation_short_name; // the program itself
    return path.substr(path.rfind('/') + 1);
}

} // namespace

Callers::Callers() { (void)look_up(0); } // library 0 is "unknown"

unsigned Callers::look_up(std::uint64_t address) {
    const std::string name = name_of(address).substr(0, PoolFigures::kLibraryName - 1);
    PoolFigures &figures = own_figures();
    const Hold hold(mutex_);
    const auto count = static_cast<unsigned>(figures.library_count.load());
    unsigned index = 0;
    while (index < count && name != figures.libraries[index].name) ++index;
    if (index == PoolFigures::kLibraries) index = 0; // as many as there may be
    if (index == count) {
        name.copy(figures.libraries[index].name, PoolFigures::kLibraryName - 1); // behind it are zeros
        figures.library_count = count + 1;
    }
    places_[index_of(address)] = address << kLibraryBits | index;
    return index;
}

} // namespace gmemfs::pool
