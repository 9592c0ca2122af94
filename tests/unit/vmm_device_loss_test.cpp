// Unit tests: a device that is lost while others live: what it answers, who is told, and what copies of the others do.
#include "tests/support/simulation.hpp"
#include "vmm/memory/copiers.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <future>
#include <thread>
#include <vector>

namespace gmemfs {
namespace {

using test::code_of;
using test::must;

class CountingWatch final : public DeviceWatch {
public:
    void device_failed(const Device &device, const Error &error) override {
        EXPECT_TRUE(device.failed());
        EXPECT_EQ(error.code, EIO);
        ++count;
        if (hold.valid()) hold.wait();
    }
    void link_missed(const Device &, const Device &) override {}
    std::atomic<int> count = 0;
    std::shared_future<void> hold;
};

// Devices of the test's own, whose contexts are well: what is lost is what these objects believe.
class DeviceLossTest : public test::OnSimulation {
protected:
    DeviceLossTest() {
        for (const auto &device : simulation().devices())
            devices_.push_back(must(Device::open(simulation().driver(), device->info())));
    }
    static Result<void> lose(const Device &device) {
        return device.check(CUDA_ERROR_ECC_UNCORRECTABLE, "do what is planned");
    }
    std::shared_ptr<Extent> make(std::size_t device) { return must(Extent::create(keeper_, *devices_[device], MiB)); }

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
    std::vector<std::unique_ptr<Device>> devices_;
};

TEST_F(DeviceLossTest, WatchIsToldOnceAndEverythingFailsFromThenOn) {
    CountingWatch watch;
    devices_[1]->set_watch(watch);
    EXPECT_EQ(code_of(lose(*devices_[1])), EIO);
    EXPECT_EQ(code_of(lose(*devices_[1])), EIO);
    EXPECT_EQ(watch.count, 1);
    simulation().plan_faults("");
    EXPECT_EQ(code_of(devices_[1]->make_current()), EIO);
    EXPECT_EQ(code_of(devices_[1]->check_alive()), EIO);
    EXPECT_EQ(code_of(devices_[1]->memory()), EIO);
    EXPECT_EQ(code_of(Extent::create(keeper_, *devices_[1], MiB)), EIO);
    EXPECT_EQ(simulation().call_count(), 0U) << "the driver isn't asked about it any more";
    EXPECT_EQ(code_of(devices_[0]->make_current()), 0);
}

TEST_F(DeviceLossTest, OtherThreadsWaitForTheWatchAndDfDoesNot) {
    CountingWatch watch;
    std::promise<void> told;
    watch.hold = told.get_future().share();
    devices_[1]->set_watch(watch);
    std::thread meets([&] { (void)lose(*devices_[1]); });
    while (watch.count == 0) std::this_thread::yield();
    EXPECT_EQ(code_of(devices_[1]->memory()), EIO);
    std::atomic<bool> has_heard = false;
    std::thread needs([&] {
        EXPECT_EQ(code_of(devices_[1]->make_current()), EIO);
        has_heard = true;
    });
    EXPECT_EQ(code_of(devices_[0]->make_current()), 0);
    EXPECT_FALSE(has_heard);
    told.set_value();
    needs.join();
    meets.join();
    EXPECT_TRUE(has_heard);
}

TEST_F(DeviceLossTest, CopiesOfOthersAreDoneAndNothingIsLeftQueued) {
    Copiers copiers = must(Copiers::create(devices_));
    const auto alive = make(0), lost = make(1);
    std::span<std::byte> bytes = pattern(4096, 7);
    ASSERT_EQ(code_of(lose(*devices_[1])), EIO);
    ASSERT_TRUE(copiers.queue_write({alive.get(), 0, 4096}, bytes.data()));
    const Result<void> queued = copiers.queue_write({lost.get(), 0, 4096}, bytes.data());
    EXPECT_EQ(code_of(queued), EIO);
    EXPECT_EQ(must(copiers.marks()).size(), 1U) << "the living one's";
    EXPECT_EQ(code_of(copiers.wait_after(queued)), EIO);
    EXPECT_EQ(code_of(copiers.wait()), 0) << "which waits for nobody";
    std::span<std::byte> back = simulation().buffer().bytes().subspan(MiB, 4096);
    ASSERT_TRUE(copiers.queue_read({alive.get(), 0, 4096}, back.data()));
    ASSERT_TRUE(copiers.wait());
    EXPECT_TRUE(std::ranges::equal(bytes, back));
    EXPECT_EQ(code_of(copiers.wait_after(copiers.queue_copy({alive.get(), 0, 4096}, {lost.get(), 0, 4096}))), EIO);
    EXPECT_FALSE(devices_[0]->failed()) << "a copy to the lost one costs the living one nothing";
}

TEST_F(DeviceLossTest, CopiersBeginWithoutAndRefuseWhereAllAreLost) {
    devices_[1] = Device::make_lost(simulation().driver(), devices_[1]->info());
    {
        Copiers copiers = must(Copiers::create(devices_));
        const auto alive = make(0);
        ASSERT_TRUE(copiers.queue_zero({alive.get(), 0, MiB}));
        EXPECT_EQ(code_of(copiers.wait()), 0);
        EXPECT_EQ(code_of(copiers.of(*devices_[1]).wait()), EIO);
    }
    devices_[0] = Device::make_lost(simulation().driver(), devices_[0]->info());
    EXPECT_EQ(code_of(Copiers::create(devices_)), EIO);
}

TEST_F(DeviceLossTest, ExtentOfALostDeviceIsGivenBackOrKept) {
    const Keeper::Id id = must(keeper_.create(devices_[1]->info(), 2 * MiB));
    devices_[1] = Device::make_lost(simulation().driver(), devices_[1]->info());
    const Keeper::Held held = must(keeper_.list()).front();
    ASSERT_EQ(held.id, id);
    for (int turn = 0; turn < 2; ++turn) {
        simulation().plan_faults("");
        const auto extent = must(Extent::adopt(keeper_, *devices_[1], held));
        EXPECT_EQ(simulation().call_count(), 0U) << "it isn't mapped";
        EXPECT_EQ(code_of(extent->open()), EIO);
        EXPECT_EQ(extent->size(), 2 * MiB);
        if (turn == 0) extent->abandon();
    }
    EXPECT_EQ(keeper_.count(), 0U);
}

TEST_F(DeviceLossTest, HostMemoryGoesOnByAnotherDevice) {
    std::vector<DeviceInfo> infos;
    for (const auto &device : devices_) infos.push_back(device->info());
    const std::unique_ptr<Device> host =
        must(Device::open(simulation().driver(), must(DeviceInfo::query_host(simulation().driver(), infos))));
    host->set_carriers({devices_[0].get(), devices_[1].get()});
    EXPECT_EQ(&host->carrier(), devices_[0].get());
    ASSERT_EQ(code_of(lose(*devices_[0])), EIO);
    EXPECT_EQ(&host->carrier(), devices_[1].get());
    EXPECT_EQ(code_of(host->make_current()), 0);
    // What a stream of the lost context still answers isn't held against the one that lends its context now.
    EXPECT_EQ(code_of(lose(*host)), EIO);
    EXPECT_FALSE(devices_[1]->failed());
    EXPECT_FALSE(host->failed());
    ASSERT_EQ(code_of(lose(*devices_[1])), EIO);
    EXPECT_EQ(code_of(host->make_current()), EIO);
    EXPECT_EQ(code_of(host->check_alive()), 0) << "its memory is there";
}

} // namespace
} // namespace gmemfs
