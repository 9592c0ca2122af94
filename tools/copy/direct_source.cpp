#include "tools/copy/direct_source.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::size_t kPage = 4096; // what O_DIRECT needs at the most: blocks of disks are smaller, or as large

} // namespace

std::unique_ptr<DirectSource> DirectSource::open(int fd, std::uint64_t size) {
    const std::string again = "/proc/self/fd/" + std::to_string(fd);
    Fd direct(::open(again.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT));
    if (!direct) return nullptr;
    void *const mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) return nullptr;
    return std::make_unique<DirectSource>(std::move(direct), mapped, size);
}

DirectSource::~DirectSource() { ::munmap(mapped_, size_); }

// For a user that neither owns the file nor may write to it, mincore(2) says that all pages are in the cache.
bool DirectSource::is_cached(std::uint64_t offset, std::size_t length) const {
    std::array<unsigned char, kCopyChunk / kPage> pages = {};
    const std::size_t count = (length + kPage - 1) / kPage;
    if (::mincore(static_cast<std::byte *>(mapped_) + offset, length, pages.data()) != 0) return true;
    return std::all_of(pages.begin(), pages.begin() + count, [](unsigned char page) { return (page & 1) != 0; });
}

std::size_t DirectSource::read(std::span<std::byte> to, std::uint64_t offset, std::size_t length) const {
    if (is_cached(offset, length)) return 0;
    const std::size_t room = std::min((length + kPage - 1) / kPage * kPage, to.size());
    const ssize_t count = ::pread(fd_.get(), to.data(), room, static_cast<off_t>(offset));
    return count <= 0 ? 0 : std::min(static_cast<std::size_t>(count), length);
}

} // namespace gmemfs
