// Conformance: descriptors and fabric handles between processes, and how long what they name lives.
#include "tests/conformance/peers.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <fcntl.h>
#include <memory>
#include <optional>

namespace gmemfs::conformance {
namespace {

#define SKIP_WITHOUT_FABRIC()                                                                                          \
    if (!has_fabric()) GTEST_SKIP() << "no IMEX channel on this machine"

TEST(Descriptor, IsARealOneOfThisProcess) {
    const Memory memory(kGranule, kDescriptor);
    const Fd first = memory.export_descriptor();
    const Fd second = memory.export_descriptor();
    EXPECT_GE(::fcntl(first.get(), F_GETFD), 0);
    EXPECT_NE(first.get(), second.get());
}

TEST(Descriptor, IsRefusedForMemoryThatWasMadeWithout) {
    const Memory memory(kGranule);
    int fd = -1;
    EXPECT_EQ(driver().cuMemExportToShareableHandle(&fd, memory.handle(), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0),
        CUDA_ERROR_INVALID_VALUE);
}

TEST(Descriptor, SharesTheSameBytesBothWays) {
    Creator creator(kDescriptor, 21);
    Importer importer(creator.message, &creator.descriptor, 21);
    EXPECT_EQ(importer.imported(), CUDA_SUCCESS);
    EXPECT_EQ(step(importer.answer, ImporterStep::map), CUDA_SUCCESS);
    EXPECT_EQ(step(importer.answer, ImporterStep::access), CUDA_SUCCESS);
    EXPECT_TRUE(importer.found());
    importer.fill(22);
    EXPECT_TRUE(creator.holds(22));
}

TEST(Descriptor, IsImportedBySeveralProcesses) {
    Creator creator(kDescriptor, 23);
    std::optional<Importer> importers[3];
    for (auto &importer : importers) {
        importer.emplace(creator.message, &creator.descriptor, 23);
        EXPECT_TRUE(importer->found());
    }
    importers[0]->fill(24);
    importers[1].reset(); // killed
    EXPECT_TRUE(creator.holds(24));
    EXPECT_TRUE(Importer(creator.message, &creator.descriptor, 24).found());
}

TEST(Descriptor, IsImportedByAProcessThatStartedTheCreator) {
    Creator creator(kDescriptor, 25);
    CUmemGenericAllocationHandle handle = 0;
    ASSERT_EQ(import_descriptor(creator.descriptor.get(), handle), CUDA_SUCCESS);
    const Memory memory(handle, creator.message.size);
    const Mapped first(memory); // H200, driver 580: an importer may map the same memory twice
    const Mapped second(memory);
    EXPECT_EQ(read(first.address(), memory.size()), pattern(memory.size(), 25));
    write(first.address(), pattern(memory.size(), 26));
    EXPECT_EQ(read(second.address(), memory.size()), pattern(memory.size(), 26));
    Reservation read_only(memory.size()); // and may give itself read-only access
    read_only.map(memory);
    read_only.allow(CU_MEM_ACCESS_FLAGS_PROT_READ);
    EXPECT_EQ(read(read_only.address(), memory.size()), pattern(memory.size(), 26));
}

// H200, driver 580: the descriptor keeps the memory alive by itself.
TEST(Descriptor, KeepsTheMemoryWhenItsCreatorIsKilled) {
    Creator creator(kDescriptor, 27);
    creator.child.kill();
    EXPECT_TRUE(Importer(creator.message, &creator.descriptor, 27).found());
    EXPECT_TRUE(Importer(creator.message, &creator.descriptor, 27).found()) << "and when its importer has died, too";
}

TEST(Descriptor, KeepsTheMemoryWhenItsCreatorReleasesIt) {
    Creator creator(kDescriptor, 28);
    Message asked;
    asked.size = 1;
    creator.child.send(asked);
    EXPECT_EQ(step(creator.child.receive(), CreatorStep::release), CUDA_SUCCESS);
    EXPECT_TRUE(Importer(creator.message, &creator.descriptor, 28).found());
}

// H200, driver 580: this is what the keeper is.
TEST(Descriptor, IsMadeByAProcessWithoutAContext) {
    Creator creator(shareable(), 0);
    Importer importer(creator.message, &creator.descriptor, 0);
    EXPECT_EQ(importer.imported(), CUDA_SUCCESS);
    importer.fill(29);
    importer.child.kill();
    EXPECT_TRUE(Importer(creator.message, &creator.descriptor, 29).found()) << "after another importer died";
}

// H200, driver 580: as either type.
TEST(Import, IsNotExportedAgain) {
    Creator creator(shareable(), 30);
    const Importer importer(creator.message, &creator.descriptor, 30);
    EXPECT_EQ(step(importer.answer, ImporterStep::export_descriptor), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(step(importer.answer, ImporterStep::export_fabric), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(step(importer.answer, ImporterStep::retain), CUDA_SUCCESS);
    EXPECT_NE(step(importer.answer, ImporterStep::export_retained), CUDA_SUCCESS);
}

TEST(Import, RetainedFromItsMappingIsRefusedWithInvalidValue) {
    Creator creator(kDescriptor, 31);
    const Importer importer(creator.message, &creator.descriptor, 31);
    EXPECT_EQ(step(importer.answer, ImporterStep::export_retained), CUDA_ERROR_INVALID_VALUE);
}

TEST(Fabric, HandleSharesTheSameBytesBothWays) {
    SKIP_WITHOUT_FABRIC();
    Creator creator(kFabric | kDescriptor, 41);
    Importer importer(creator.message, nullptr, 41);
    EXPECT_EQ(importer.imported(), CUDA_SUCCESS);
    EXPECT_TRUE(importer.found());
    EXPECT_EQ(step(importer.answer, ImporterStep::export_descriptor), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(step(importer.answer, ImporterStep::export_fabric), CUDA_ERROR_INVALID_VALUE);
    importer.fill(42);
    EXPECT_TRUE(creator.holds(42));
    EXPECT_TRUE(Importer(creator.message, &creator.descriptor, 42).found()) << "the descriptor names the same memory";
}

TEST(Fabric, HandleIsTheSameEachTime) {
    SKIP_WITHOUT_FABRIC();
    const Memory memory(kGranule, kFabric);
    CUmemFabricHandle handles[2] = {};
    for (CUmemFabricHandle &handle : handles)
        ASSERT_EQ(driver().cuMemExportToShareableHandle(&handle, memory.handle(), CU_MEM_HANDLE_TYPE_FABRIC, 0),
            CUDA_SUCCESS);
    EXPECT_EQ(Bytes(std::begin(handles[0].data), std::end(handles[0].data)),
        Bytes(std::begin(handles[1].data), std::end(handles[1].data)));
}

// H200, driver 580: NOT_SUPPORTED, although mapped peers keep their data.
TEST(Fabric, HandleDiesWithItsCreatorButNotWhatIsMapped) {
    SKIP_WITHOUT_FABRIC();
    Creator creator(kFabric | kDescriptor, 43);
    Importer mapped(creator.message, nullptr, 43);
    creator.child.kill();
    EXPECT_EQ(Importer(creator.message, nullptr, 43).imported(), CUDA_ERROR_NOT_SUPPORTED);
    mapped.fill(44);
    EXPECT_TRUE(Importer(creator.message, &creator.descriptor, 44).found()) << "by the descriptor it lives on";
}

TEST(Fabric, HandleDiesWithTheMemory) {
    SKIP_WITHOUT_FABRIC();
    Creator creator(kFabric | kDescriptor, 45);
    creator.descriptor.reset();
    Message asked;
    asked.size = 1;
    creator.child.send(asked);
    EXPECT_EQ(step(creator.child.receive(), CreatorStep::release), CUDA_SUCCESS);
    EXPECT_EQ(Importer(creator.message, nullptr, 45).imported(), CUDA_ERROR_NOT_SUPPORTED);
}

TEST(Fabric, HandleIsMadeByAProcessWithoutAContext) {
    SKIP_WITHOUT_FABRIC();
    Creator creator(kFabric, 0);
    EXPECT_EQ(Importer(creator.message, nullptr, 0).imported(), CUDA_SUCCESS);
}

// The driver gives the memory of a killed process back in its own time: a second or so on a card.
bool comes_back_to(std::size_t wanted) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (free_memory() < wanted)
        if (std::chrono::steady_clock::now() > until) return false;
    return true;
}

TEST(Lifetime, MemoryComesBackWhenItsLastHolderIsKilled) {
    const std::size_t before = free_memory();
    {
        Creator creator(kDescriptor, 0);
        EXPECT_LT(free_memory(), before);
    }
    EXPECT_TRUE(comes_back_to(before)) << free_memory() << " of " << before;
}

TEST(Lifetime, MemoryStaysWhileAnImporterHasIt) {
    const std::size_t before = free_memory();
    std::optional<Importer> importer;
    {
        Creator creator(kDescriptor, 51);
        importer.emplace(creator.message, &creator.descriptor, 51);
    }
    EXPECT_LE(free_memory(), before - 2 * kGranule);
    importer.reset();
    EXPECT_TRUE(comes_back_to(before)) << free_memory() << " of " << before;
}

// A kernel that writes where nothing is mapped costs its own process the context, and nobody else anything.
TEST(Lost, ContextFailsWhatNeedsItAndTheMemoryLivesOn) {
    Creator creator(kDescriptor, 61);
    Child child("lost");
    child.send(creator.message, &creator.descriptor);
    const Message answer = child.receive();
    const auto result = [&](LostStep which) { return answer.result(std::size_t(which)); };
    if (result(LostStep::load) != CUDA_SUCCESS) GTEST_SKIP() << "no kernel: " << name_of(result(LostStep::load));
    EXPECT_EQ(result(LostStep::find), CUDA_SUCCESS);
    EXPECT_EQ(result(LostStep::launch), CUDA_SUCCESS);
    EXPECT_EQ(result(LostStep::synchronise), CUDA_ERROR_ILLEGAL_ADDRESS);
    EXPECT_EQ(result(LostStep::copy), CUDA_ERROR_ILLEGAL_ADDRESS);
    // What needs no context goes on: the process can still hand its memory to a better one.
    for (const LostStep later :
        {LostStep::create, LostStep::export_handle, LostStep::map, LostStep::unmap, LostStep::release})
        EXPECT_EQ(result(later), CUDA_SUCCESS) << "step " << int(later);
    EXPECT_EQ(result(LostStep::other_thread), CUDA_SUCCESS) << "a thread without a context";
    EXPECT_EQ(child.finish(), 0);
    EXPECT_TRUE(creator.holds(61));
}

} // namespace
} // namespace gmemfs::conformance
