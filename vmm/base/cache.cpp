#include "vmm/base/cache.hpp"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace gmemfs {

#ifdef __x86_64__

namespace {

constexpr std::size_t kLine = 64;

bool can_demote() {
    constexpr unsigned kCldemote = 1U << 25;
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ecx & kCldemote) != 0;
}

__attribute__((target("cldemote"))) void demote_lines(std::span<const std::byte> bytes) {
    // GCC 12 declares it without const; it changes nothing.
    for (std::size_t offset = 0; offset < bytes.size(); offset += kLine)
        _cldemote(const_cast<std::byte *>(bytes.data() + offset));
}

} // namespace

void demote_large(std::span<const std::byte> bytes) {
    static const bool kCan = can_demote();
    if (kCan) demote_lines(bytes);
}

#else

void demote_large(std::span<const std::byte>) {}

#endif

} // namespace gmemfs
