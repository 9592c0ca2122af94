#include "pool/memory/figures.hpp"

#include "vmm/base/fd.hpp"

#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace gmemfs::pool {
namespace {

PoolFigures *make_figures() {
    static PoolFigures unseen; // where there is no memory file
    Fd file(::memfd_create(PoolFigures::kName, MFD_CLOEXEC));
    PoolFigures *made = &unseen;
    if (file && ::ftruncate(file.get(), sizeof(PoolFigures)) == 0) {
        void *const mapped = ::mmap(nullptr, sizeof(PoolFigures), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
        if (mapped != MAP_FAILED) {
            made = new (mapped) PoolFigures;
            (void)file.release(); // open for as long as the process lives: so others find it
        }
    }
    made->size = sizeof(PoolFigures);
    made->magic = PoolFigures::kMagic;
    return made;
}

} // namespace

PoolFigures &own_figures() {
    static PoolFigures *const only = make_figures();
    return *only;
}

} // namespace gmemfs::pool
