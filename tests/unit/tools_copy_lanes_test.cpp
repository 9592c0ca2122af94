// Copying by the lanes of several devices: each part by the device that it lies on, and near that device.
#include "tests/support/simulation.hpp"
#include "tools/copy/lanes.hpp"
#include "tools/copy/parts.hpp"
#include "vmm/base/all_bytes.hpp"
#include "vmm/base/units.hpp"
#include "vmm/memory/allocation.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <unistd.h>

namespace gmemfs {
namespace {

using test::must;

constexpr std::uint64_t kPart = 6 * MiB;
constexpr std::uint64_t kSize = 2 * kPart - 12345; // the last part isn't full

Fd make_file(std::span<const std::byte> bytes) {
    char name[] = "./copy-lanes-XXXXXX";
    Fd fd(::mkstemp(name));
    ::unlink(name);
    must(write_all(fd.get(), bytes, 0, [] { return false; }));
    return fd;
}

std::vector<std::byte> read_file(const Fd &fd) {
    std::vector<std::byte> bytes(kSize);
    must(read_all(fd.get(), bytes, 0, [] { return false; }));
    return bytes;
}

// Two extents at one run of addresses, as a peer maps a spread file: one on each device, which no other device reaches.
class Spread {
public:
    explicit Spread(test::Simulation &simulation) : driver_(simulation.driver()) {
        EXPECT_EQ(driver_.cuMemAddressReserve(&address_, 2 * kPart, 0, 0, 0), CUDA_SUCCESS);
        for (std::size_t index = 0; index < 2; ++index) {
            const DeviceInfo &info = simulation.devices().at(index)->info();
            const CUmemAllocationProp properties =
                allocation_properties(info, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
            CUmemGenericAllocationHandle handle = 0;
            EXPECT_EQ(driver_.cuMemCreate(&handle, kPart, &properties, 0), CUDA_SUCCESS);
            EXPECT_EQ(driver_.cuMemMap(address_ + index * kPart, kPart, 0, handle, 0), CUDA_SUCCESS);
            EXPECT_EQ(driver_.cuMemRelease(handle), CUDA_SUCCESS);
            CUmemAccessDesc access = {};
            access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
            access.location.id = info.handle;
            access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
            EXPECT_EQ(driver_.cuMemSetAccess(address_ + index * kPart, kPart, &access, 1), CUDA_SUCCESS);
        }
    }
    ~Spread() {
        for (std::size_t index = 0; index < 2; ++index) driver_.cuMemUnmap(address_ + index * kPart, kPart);
        driver_.cuMemAddressFree(address_, 2 * kPart);
    }
    Spread(const Spread &) = delete;
    Spread &operator=(const Spread &) = delete;
    CopyEnd end() const {
        CopyEnd end;
        end.address = address_;
        return end;
    }

private:
    const Driver &driver_;
    CUdeviceptr address_ = 0;
};

class CopyLanes : public test::OnSimulation {
protected:
    Device *device(std::size_t index) { return simulation().devices().at(index).get(); }
    std::vector<CopyPart> parts() { return {{0, kPart, device(0)}, {kPart, kSize - kPart, device(1)}}; }
    static std::vector<std::byte> bytes(unsigned seed) {
        std::vector<std::byte> made(kSize);
        test::fill_with_pattern(made, seed);
        return made;
    }
    Progress progress_{Progress::Display::none, 0};
};

TEST_F(CopyLanes, EachPartGoesByTheDeviceThatItLiesOn) {
    const Spread spread(simulation());
    LaneStock stock;
    const std::vector<std::byte> written = bytes(1);
    const Fd source = make_file(written), target = make_file({});
    EXPECT_EQ(must(copy_bytes(stock, parts(), {source.get()}, spread.end(), {3, 6}, progress_)), kSize);
    EXPECT_EQ(must(copy_bytes(stock, parts(), spread.end(), {target.get()}, {3, 6}, progress_)), kSize);
    EXPECT_EQ(read_file(target), written);
    EXPECT_EQ(progress_.done(), 2 * kSize);
    EXPECT_GT(progress_.seconds(), 0);
    const CopyPart all = {0, kSize, device(0)};
    EXPECT_NE(test::code_of(copy_bytes(stock, {&all, 1}, {source.get()}, spread.end(), {3, 6}, progress_)), 0)
        << "one device reaches both parts, so that the lanes above may have been anyone's";
}

TEST_F(CopyLanes, UnitsOfDevicesInTurnAreEachItsOwn) {
    const Spread spread(simulation());
    LaneStock stock;
    const std::vector<std::byte> written = bytes(2);
    const Fd source = make_file(written), target = make_file({});
    std::vector<CopyPart> units; // smaller than a chunk, and larger
    for (const auto &[offset, length] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, MiB}, {MiB, 3 * MiB},
             {4 * MiB, 2 * MiB}, {kPart, 5 * MiB}, {kPart + 5 * MiB, kSize - kPart - 5 * MiB}})
        units.push_back({offset, length, device(offset < kPart ? 0 : 1)});
    EXPECT_EQ(must(copy_bytes(stock, units, {source.get()}, spread.end(), {2, 2}, progress_)), kSize);
    EXPECT_EQ(must(copy_bytes(stock, units, spread.end(), {target.get()}, {2, 2}, progress_)), kSize);
    EXPECT_EQ(read_file(target), written);
}

TEST_F(CopyLanes, ASourceThatHasBecomeShorterEndsInEitherPart) {
    const Spread spread(simulation());
    LaneStock stock;
    const std::vector<std::byte> written = bytes(3);
    for (const std::uint64_t end : {kPart - 1, kPart, kPart + 3 * MiB + 7}) {
        const Fd source = make_file(std::span(written).first(end));
        EXPECT_EQ(must(copy_bytes(stock, parts(), {source.get()}, spread.end(), {2, 4}, progress_)), end);
    }
}

TEST_F(CopyLanes, AnErrorOnOneDeviceEndsTheOther) {
    const Spread spread(simulation());
    LaneStock stock;
    const Fd source = make_file(bytes(4));
    simulation().plan_faults("cuMemcpyHtoDAsync#3=INVALID_VALUE");
    EXPECT_EQ(test::code_of(copy_bytes(stock, parts(), {source.get()}, spread.end(), {2, 4}, progress_)), EINVAL);
    simulation().plan_faults("");
    EXPECT_EQ(must(copy_bytes(stock, parts(), {source.get()}, spread.end(), {2, 4}, progress_)), kSize);
}

TEST_F(CopyLanes, TheNextFilePinsNothing) {
    const Spread spread(simulation());
    LaneStock stock;
    const Fd source = make_file(bytes(5));
    EXPECT_EQ(must(copy_bytes(stock, parts(), {source.get()}, spread.end(), {1, 2}, progress_)), kSize);
    simulation().plan_faults("cuMemHostAlloc#1+=OUT_OF_MEMORY");
    EXPECT_EQ(must(copy_bytes(stock, parts(), {source.get()}, spread.end(), {1, 2}, progress_)), kSize);
    LaneStock other;
    EXPECT_EQ(test::code_of(copy_bytes(other, parts(), {source.get()}, spread.end(), {1, 2}, progress_)), ENOMEM);
}

TEST_F(CopyLanes, ASmallFilePinsOneBufferALane) {
    const Spread spread(simulation());
    LaneStock stock;
    const std::vector<std::byte> written = bytes(6);
    const Fd source = make_file(written);
    const std::vector<CopyPart> ends = {{0, kCopyChunk, device(0)}};
    const auto pinned_before = simulation().live()["pinned"];
    EXPECT_EQ(must(copy_bytes(stock, ends, {source.get()}, spread.end(), {2, 2}, progress_)), kCopyChunk);
    EXPECT_EQ(simulation().live()["pinned"], pinned_before + 1);
}

TEST(CopyLaneCount, IsSharedByDevicesAndFiles) {
    EXPECT_EQ((LaneCount{12, 32}).among(1), 12U);
    EXPECT_EQ((LaneCount{12, 32}).among(2), 12U);
    EXPECT_EQ((LaneCount{12, 32}).among(8), 4U);
    EXPECT_EQ((LaneCount{2, 2}).among(8), 1U);
    EXPECT_EQ((LaneCount{12, 32}).shared_by(4).among(2), 4U);
}

// A folder like the kernel's of nodes: node 0 has the first processor that this thread may use, node 1 the others.
class CopyNode : public test::OnSimulation {
protected:
    CopyNode() : folder_(std::filesystem::absolute("copy-nodes-" + std::to_string(::getpid())).string()) {
        EXPECT_EQ(::sched_getaffinity(0, sizeof allowed_, &allowed_), 0);
        std::vector<int> processors;
        for (int one = 0; one < CPU_SETSIZE; ++one)
            if (CPU_ISSET(one, &allowed_)) processors.push_back(one);
        first_ = processors.front();
        count_ = processors.size();
        write("node0/cpulist", std::to_string(first_) + "\n");
        std::string others = "1000-1022"; // which no test machine has
        for (std::size_t index = 1; index < count_; ++index) others += "," + std::to_string(processors.at(index));
        write("node1/cpulist", others + "\n");
        write("node2/cpulist", "\n"); // memory alone
        write("node3/cpulist", "0-1023\n");
    }
    ~CopyNode() override { std::filesystem::remove_all(folder_); }
    void write(const std::string &name, const std::string &text) const {
        const std::filesystem::path path = folder_ + "/" + name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
    }
    static cpu_set_t mine() {
        cpu_set_t set;
        EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
        return set;
    }

    const std::string folder_;
    cpu_set_t allowed_ = {};
    int first_ = 0;
    std::size_t count_ = 0;
};

TEST_F(CopyNode, ItsProcessorsAreThoseThatTheThreadMayUse) {
    if (count_ < 2) GTEST_SKIP() << "this process may use one processor alone";
    const auto near = processors_near(0, folder_), others = processors_near(1, folder_);
    ASSERT_TRUE(near && others);
    EXPECT_EQ(CPU_COUNT(&*near), 1);
    EXPECT_TRUE(CPU_ISSET(first_, &*near));
    EXPECT_EQ(static_cast<std::size_t>(CPU_COUNT(&*others)), count_ - 1);
    EXPECT_FALSE(CPU_ISSET(first_, &*others));
    EXPECT_FALSE(processors_near(2, folder_)) << "a node without processors";
    EXPECT_FALSE(processors_near(3, folder_)) << "all that there are";
    EXPECT_FALSE(processors_near(9, folder_)) << "no such node";
}

TEST_F(CopyNode, TheDriverKnowsItElseTheKernel) {
    const DeviceInfo &info = simulation().device().info();
    EXPECT_EQ(node_of(simulation().driver(), info, folder_), 0);
    simulation().plan_faults("cuDeviceGetAttribute#1+=INVALID_VALUE"); // a driver before 12.2
    EXPECT_FALSE(node_of(simulation().driver(), info, folder_));
    write(info.bus_id + "/numa_node", "-1\n");
    EXPECT_FALSE(node_of(simulation().driver(), info, folder_));
    write(info.bus_id + "/numa_node", "1\n");
    EXPECT_EQ(node_of(simulation().driver(), info, folder_), 1);
}

TEST_F(CopyNode, ALaneIsMadeThereAndStaysWhereThereIsRoom) {
    if (count_ < 2) GTEST_SKIP() << "this process may use one processor alone";
    LaneStock stock(folder_);
    std::thread([&] {
        Lane lane = must(stock.take(&simulation().device(), 1));
        const cpu_set_t set = mine();
        EXPECT_EQ(CPU_COUNT(&set), 1);
        EXPECT_TRUE(CPU_ISSET(first_, &set));
        stock.give(std::move(lane));
    }).join();
    std::thread([&] {
        (void)must(stock.take(&simulation().device(), 2));
        (void)must(stock.take(&simulation().device(), 2));
        const cpu_set_t set = mine();
        EXPECT_TRUE(CPU_EQUAL(&set, &allowed_)) << "two lanes share one processor";
    }).join();
}

TEST(CopyParts, NeighboursOfOneDeviceAreOnePart) {
    const std::string text = R"([{"offset":0,"length":4,"device":"a"},{"offset":4,"length":4,"device":"a"},)"
                             R"({"offset":8,"length":4,"device":"b"},{"offset":12,"length":4,"device":"a"}])";
    EXPECT_EQ(parse_parts(text, 15), (std::vector<PlacedPart>{{0, 8, "a"}, {8, 4, "b"}, {12, 3, "a"}}));
    EXPECT_EQ(parse_parts(text, 8), (std::vector<PlacedPart>{{0, 8, "a"}}));
}

TEST(CopyParts, WhatDoesNotCoverTheFileIsNotKnown) {
    for (const char *const text : {"", "[]", "{}", "[1]", R"([{"offset":0,"length":4,"device":"a"}])",
             R"([{"offset":4,"length":8,"device":"a"}])", R"([{"offset":0,"length":-8,"device":"a"}])",
             R"([{"offset":0,"length":8}])", R"([{"offset":0,"device":"a"}])",
             R"([{"offset":0,"length":4,"device":"a"},{"offset":5,"length":4,"device":"a"}])"})
        EXPECT_TRUE(parse_parts(text, 8).empty()) << text;
}

} // namespace
} // namespace gmemfs
