// Hog: fills memory with a pattern, and looks twice whether it is still there; the second time it is another pattern.
//
//   hog MIB [--stop]    exit 0, or 1 with the number of words that were wrong
//
// With --stop it stops itself (SIGSTOP) once the memory is filled, so that a script can do something to the swap device
// while the pages are out, and go on with SIGCONT. Words, not bytes: each tells its own place.
#include <cinttypes>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <time.h>

namespace {

std::uint64_t word(std::uint64_t index, std::uint64_t round) {
    std::uint64_t value = index + (round << 40U);
    value ^= value >> 33U;
    value *= 0xff51afd7ed558ccdULL;
    return value ^ (value >> 33U);
}

double now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Every word is read as the round before left it, and written anew: a page goes out again, too.
std::uint64_t check(std::uint64_t *memory, std::uint64_t count, std::uint64_t round) {
    std::uint64_t wrong = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        if (memory[i] != word(i, round - 1)) ++wrong;
        memory[i] = word(i, round);
    }
    return wrong;
}

} // namespace

int main(int count, char **words) {
    const std::uint64_t size = count > 1 ? std::strtoull(words[1], nullptr, 10) << 20U : 0;
    void *const made =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) {
        std::perror("hog: mmap");
        return 2;
    }
    auto *const memory = static_cast<std::uint64_t *>(made);
    double start = now();
    for (std::uint64_t i = 0; i < size / 8; ++i) memory[i] = word(i, 0);
    std::printf("hog: filled %" PRIu64 " MiB in %.1f s\n", size >> 20U, now() - start);
    std::fflush(stdout);
    if (count > 2 && std::strcmp(words[2], "--stop") == 0) std::raise(SIGSTOP);
    for (std::uint64_t round = 1; round <= 2; ++round) {
        start = now();
        const std::uint64_t wrong = check(memory, size / 8, round);
        std::printf(
            "hog: checked %" PRIu64 " MiB in %.1f s, %" PRIu64 " words wrong\n", size >> 20U, now() - start, wrong);
        std::fflush(stdout);
        if (wrong != 0) return 1;
    }
    return 0;
}
