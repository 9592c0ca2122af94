// Unit tests: which devices are near to a process, by made-up /proc and /sys.
#include "fuse/host/near.hpp"
#include "tests/support/simulation.hpp"

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace gmemfs {
namespace {

namespace fs = std::filesystem;
using Groups = std::vector<std::vector<int>>; // of ordinals
using test::must;

// The mount has the simulation's two devices; the machine has four, the others behind them. Node 0 has processors 0 to
// 3 and 8, node 1 has 4 to 7.
class NearTest : public test::OnSimulation {
protected:
    NearTest() : root_("/tmp/gmemfs-near-" + std::to_string(::getpid())) {
        write("sys/devices/system/node/node0/cpulist", "0-3,8\n");
        write("sys/devices/system/node/node1/cpulist", "4-7\n");
        write("sys/devices/system/node/possible", "0-1\n");
        for (int ordinal = 0; ordinal < 4; ++ordinal) {
            DeviceInfo info = simulation().devices()[std::size_t(ordinal) % 2]->info();
            info.ordinal = ordinal;
            info.uuid.back() = static_cast<std::uint8_t>(ordinal);
            all_.push_back(info);
        }
    }
    ~NearTest() override { fs::remove_all(root_); }
    void write(const std::string &name, const std::string &text) const {
        fs::create_directories((root_ / name).parent_path());
        std::ofstream(root_ / name) << text;
    }
    Near near() const {
        return {all_, simulation().devices(), [] { return 77; }, {root_ / "proc", root_ / "sys"}};
    }
    // What a process on that processor with that environment, of words that end in newlines, is near to.
    Groups groups(int processor, std::string environment) {
        std::string fields;
        for (int field = 3; field < 39; ++field) fields += field == 3 ? " S" : " 0";
        write("proc/77/stat", "77 (a) name (x 5)" + fields + " " + std::to_string(processor) + " 0 0\n");
        std::replace(environment.begin(), environment.end(), '\n', '\0');
        write("proc/77/environ", environment);
        Groups found;
        for (const auto &group : near().near()) {
            found.emplace_back();
            for (const Device *device : group) found.back().push_back(device->info().ordinal);
        }
        return found;
    }

    fs::path root_;
    std::vector<DeviceInfo> all_;
};

TEST_F(NearTest, WithoutAWordOfDevicesTheNodeCounts) {
    // Both of the simulation's devices are at node 0.
    for (const int processor : {0, 3, 8})
        EXPECT_EQ(groups(processor, "HOME=/\n"), (Groups{{}, {}, {0, 1}})) << processor;
    for (const int processor : {4, 7, 9, -1}) EXPECT_EQ(groups(processor, ""), (Groups{{}, {}, {}})) << processor;
}

TEST_F(NearTest, WhatAProcessSeesCountsFirst) {
    EXPECT_EQ(groups(0, "A=B\nCUDA_VISIBLE_DEVICES=1\nC=D\n"), (Groups{{1}, {}, {0, 1}}));
    EXPECT_EQ(groups(4, "CUDA_VISIBLE_DEVICES=1\n"), (Groups{{}, {1}, {}}));
    EXPECT_EQ(groups(4, "CUDA_VISIBLE_DEVICES=1,0\n"), (Groups{{}, {0, 1}, {}}));
    EXPECT_EQ(groups(4, "CUDA_VISIBLE_DEVICES=3\n"), (Groups{{}, {}, {}})) << "the mount doesn't have it";
    EXPECT_EQ(groups(4, "CUDA_VISIBLE_DEVICES=GPU-474d454d\n"), (Groups{{}, {0}, {}})) << "the begin of a UUID";
    EXPECT_EQ(groups(4, "CUDA_VISIBLE_DEVICES=" + all_[1].uuid_text() + "\n"), (Groups{{}, {1}, {}}));
    EXPECT_EQ(groups(4, "XCUDA_VISIBLE_DEVICES=1\n"), (Groups{{}, {}, {}}));
}

TEST_F(NearTest, AListEndsAtTheFirstWordThatIsNoDevice) {
    EXPECT_EQ(groups(4, "CUDA_VISIBLE_DEVICES=0,-1,1\n"), (Groups{{}, {0}, {}}));
    EXPECT_EQ(groups(4, "CUDA_VISIBLE_DEVICES=0,,1\n"), (Groups{{}, {0}, {}}));
    for (const char *list : {"", "-1", "none", "MIG-1", "4", "99999999999", ",", "1x", "GPU-"})
        EXPECT_EQ(groups(4, "CUDA_VISIBLE_DEVICES=" + std::string(list) + "\n"), (Groups{{}, {}, {}})) << list;
}

TEST_F(NearTest, AContainersDevicesAreCountedAnew) {
    const std::string two = "NVIDIA_VISIBLE_DEVICES=3,1\n"; // in the container 1 is 0, and 3 is 1
    EXPECT_EQ(groups(4, two), (Groups{{}, {1}, {}}));
    EXPECT_EQ(groups(4, two + "CUDA_VISIBLE_DEVICES=0\n"), (Groups{{}, {1}, {}}));
    EXPECT_EQ(groups(4, two + "CUDA_VISIBLE_DEVICES=1\n"), (Groups{{}, {}, {}}));
    for (const char *word : {"all", "void", "none", ""})
        EXPECT_EQ(groups(4, "NVIDIA_VISIBLE_DEVICES=" + std::string(word) + "\nCUDA_VISIBLE_DEVICES=1\n"),
            (Groups{{}, {1}, {}}))
            << word;
}

TEST_F(NearTest, OfAProcessThatCantBeSeenNothingIsKnown) {
    EXPECT_EQ(near().near(), (std::vector<std::vector<Device *>>(3)));
    const Near nobody(all_, simulation().devices(), [] { return 0; }, {});
    EXPECT_TRUE(nobody.near().empty());
}

TEST_F(NearTest, ADriverThatKnowsNoNodesLeavesThemToTheBus) {
    DeviceInfo info = all_[0];
    info.numa_node = -1;
    info.bus_id = "0000:AB:00.0";
    EXPECT_EQ(near().node_of(info), -1);
    write("sys/bus/pci/devices/0000:ab:00.0/numa_node", "1\n");
    EXPECT_EQ(near().node_of(info), 1);
    EXPECT_EQ(near().node_of(all_[0]), 0);
}

// Storage, which asks.

class PlacingTest : public test::OnSimulation, private Neighbours {
protected:
    std::vector<std::vector<Device *>> near() const override { return groups_; }
    const Neighbours &neighbours() const { return *this; }
    Device &device(std::size_t index) { return *simulation().devices()[index]; }

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
    std::vector<std::vector<Device *>> groups_;
};

// The first device has 256 MiB, the second one 128.
TEST_F(PlacingTest, EachWayHasItsDevice) {
    const Storage free(keeper_, simulation().devices(), {.placing = {PlaceBy::free}});
    const Storage near(keeper_, simulation().devices(), {.placing = {PlaceBy::near, &neighbours()}});
    const Storage first(keeper_, simulation().devices(), {.placing = {PlaceBy::first}});
    EXPECT_EQ(&free.choose(1), &device(0));
    EXPECT_EQ(&first.choose(1), &device(0));
    EXPECT_EQ(&near.choose(1), &device(0)) << "nothing is near";
    groups_ = {{}, {&device(1)}, {&device(0)}};
    EXPECT_EQ(&near.choose(1), &device(1));
    EXPECT_EQ(&near.choose(200 * MiB), &device(0)) << "the nearest one has no room";
    EXPECT_EQ(&near.choose(300 * MiB), &device(0)) << "none has room: the roomiest";
    Storage used(keeper_, simulation().devices(), {.placing = {PlaceBy::first}});
    const auto extent = must(used.create(copiers(), device(0), 200 * MiB));
    EXPECT_EQ(&used.choose(100 * MiB), &device(1));
    EXPECT_EQ(&used.choose(1), &device(0));
    EXPECT_EQ(&free.choose(1), &device(1));
}

} // namespace
} // namespace gmemfs
