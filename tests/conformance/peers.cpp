#include "tests/conformance/peers.hpp"

#include <gtest/gtest.h>

namespace gmemfs::conformance {

Creator::Creator(unsigned types, std::uint64_t seed, Place place)
    : child("creator", {std::to_string(types), std::to_string(seed), place == Place::host ? "host" : "device"}),
      message(child.receive(&descriptor)) {
    EXPECT_EQ(step(message, CreatorStep::init), CUDA_SUCCESS);
    EXPECT_EQ(step(message, CreatorStep::create), CUDA_SUCCESS);
    if ((types & kDescriptor) != 0) {
        EXPECT_EQ(step(message, CreatorStep::export_descriptor), CUDA_SUCCESS);
    }
    if ((types & kFabric) != 0) {
        EXPECT_EQ(step(message, CreatorStep::export_fabric), CUDA_SUCCESS);
    }
}

bool Creator::holds(std::uint64_t seed) {
    Message asked;
    asked.number = seed;
    child.send(asked);
    return child.receive().number == 1;
}

Importer::Importer(const Message &exported, const Fd *descriptor, std::uint64_t seed) : child("importer") {
    Message asked = exported;
    asked.number = seed;
    child.send(asked, descriptor);
    answer = child.receive();
}

void Importer::fill(std::uint64_t seed) {
    Message asked;
    asked.number = seed;
    child.send(asked);
    child.receive();
}

} // namespace gmemfs::conformance
