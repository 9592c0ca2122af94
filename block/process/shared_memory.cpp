#include "block/process/shared_memory.hpp"

#include "vmm/base/units.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs::block {
namespace {

std::uint64_t written_size(const Plan &plan) {
    return plan.parts * WrittenBlocks::kWordsPerPart * sizeof(std::uint64_t);
}

std::uint64_t size_of(const Plan &plan) { return written_size(plan) + plan.sums * sizeof(std::uint32_t); }

} // namespace

Result<Fd> SharedMemory::make(const Plan &plan) {
    const std::uint64_t size = size_of(plan);
    if (size == 0) return Fd();
    Fd made(::memfd_create("gmemfs-block", MFD_CLOEXEC));
    if (made && ::ftruncate(made.get(), static_cast<off_t>(size)) == 0) return made;
    return Error{errno, 0, "make the memory that workers share", format_size(size)};
}

Result<SharedMemory> SharedMemory::map(const Fd &fd, const Plan &plan) {
    SharedMemory mapped;
    const std::uint64_t size = size_of(plan);
    if (size == 0) return mapped;
    struct stat status = {};
    if (::fstat(fd.get(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) != size)
        return Error{EINVAL, 0, "map the memory that workers share", plan.file + ": its size has changed meanwhile"};
    void *const start = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (start == MAP_FAILED) return Error{errno, 0, "map the memory that workers share"};
    mapped.bytes_ = {static_cast<std::byte *>(start), size};
    mapped.written_ = {static_cast<std::uint64_t *>(start), written_size(plan) / sizeof(std::uint64_t)};
    void *const sums = mapped.bytes_.data() + written_size(plan);
    mapped.sums_ = {static_cast<std::uint32_t *>(sums), plan.sums};
    return mapped;
}

SharedMemory::~SharedMemory() {
    if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

} // namespace gmemfs::block
