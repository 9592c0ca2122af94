// Peers: the two processes of a case that shares memory: Creator, which made it, and Importer, which was given it.
#pragma once

#include "tests/conformance/child.hpp"
#include "tests/conformance/memory.hpp"
#include "tests/conformance/roles.hpp"

#include <cstdint>

namespace gmemfs::conformance {

inline CUresult step(const Message &message, CreatorStep which) { return message.result(std::size_t(which)); }
inline CUresult step(const Message &message, ImporterStep which) { return message.result(std::size_t(which)); }

/// A process that made memory and filled it with the pattern of a seed, and what it sent of it.
struct Creator {
    Fd descriptor;
    Child child;
    Message message;

    /// Fails the test where the memory can't be made, or not exported as each of `types`.
    Creator(unsigned types, std::uint64_t seed, Place place = Place::device);
    bool holds(std::uint64_t seed);
};

/// What an importer answered, and whether it found the pattern of the seed.
struct Importer {
    Child child;
    Message answer;

    /// By the descriptor, or by the fabric handle where it is null.
    Importer(const Message &exported, const Fd *descriptor, std::uint64_t seed);
    CUresult imported() const { return step(answer, ImporterStep::import); }
    bool found() const { return answer.number == 1; }
    void fill(std::uint64_t seed);
};

} // namespace gmemfs::conformance
