// The fault walk, after SQLite's: every driver call of every scenario fails once, in each of several ways, by itself
// or with all that follow in the same operation; with the memory in this process, and in a keeper behind a socket.
//
// After each: the operation has succeeded, or failed with an errno of the table and changed nothing; names, bytes, df,
// quotas and what the keeper holds are as the model says; the operation succeeds when it is tried again, and so do all
// that follow; another server restores the same files; when they are removed nothing is left, of the driver's or the
// kernel's things.
//
// A call fails in one way here and in another in the other keeper's walk; GMEMFS_FAULT_WALK=all has each fail in all.
#include "tests/faults/scenario.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>
#include <tuple>

namespace gmemfs::test {
namespace {

struct Fault {
    const char *result;
    const char *how; // "": once; "+": it and every later call of the operation
    std::set<int> errnos;
};

// What docs/errors.md has for them: the table, and the sites that know better.
const std::vector<Fault> kFaults = {
    {"OUT_OF_MEMORY", "", {ENOSPC, ENOMEM}},
    {"NOT_PERMITTED", "", {EPERM, ENOTSUP}},
    {"INVALID_VALUE", "", {EINVAL, ENODEV}},
    {"UNKNOWN", "", {EIO, EINVAL}},
    {"UNKNOWN", "+", {EIO, EINVAL}},
};

struct Total {
    unsigned long points = 0, failed = 0;
};
Total &total() {
    static Total all;
    return all;
}

class PrintTotal : public ::testing::Environment {
    void TearDown() override {
        std::printf("fault walk: %lu injection points; %lu made an operation fail, and %lu didn't\n", total().points,
            total().failed, total().points - total().failed);
    }
};
const auto *const kPrintTotal = ::testing::AddGlobalTestEnvironment(new PrintTotal);

enum class KeeperKind { local, served };

class FaultWalk : public ::testing::TestWithParam<std::tuple<Scenario, KeeperKind>> {
protected:
    FaultWalk() {
        std::string pattern = (std::filesystem::temp_directory_path() / "gmemfs-faults-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        before_ = Simulation::get().live();
        if (std::get<KeeperKind>(GetParam()) == KeeperKind::local) return;
        served_ = std::make_unique<KeeperThread>();
        before_["descriptors"] += 2; // where it listens, and the one in reserve
    }
    ~FaultWalk() override {
        Simulation::get().plan_faults("");
        std::filesystem::remove_all(folder_);
    }

    // False: the scenario has fewer calls than `call`.
    bool pass(const Fault &fault, unsigned long call);
    void perform(World &world, const Step &step, const Fault *fault);
    void look_for_leaks();

    std::string folder_;
    std::unique_ptr<KeeperThread> served_;
    std::map<std::string, unsigned long> before_;
    unsigned long failed_ = 0;
};

// The walk's faults are over once a step has failed.
void FaultWalk::perform(World &world, const Step &step, const Fault *fault) {
    Simulation &simulation = Simulation::get();
    Result<void> done = step.run(world);
    if (!done) {
        ASSERT_NE(fault, nullptr) << step.name << ": " << done.error().text();
        // Of what has failed in nvCOMP it tells nothing but that it has.
        const bool is_nvcomps = done.error().code == EIO && std::get<Scenario>(GetParam()).shape.has_nvcomp;
        ASSERT_TRUE(fault->errnos.contains(done.error().code) || is_nvcomps)
            << step.name << ": " << done.error().text();
        simulation.plan_faults("");
        ++failed_;
        if (!step.undecided.file.empty()) world.believe(step.undecided.file, step.undecided.from, step.undecided.to);
        ASSERT_NO_FATAL_FAILURE(world.check()) << "after it has failed: " << step.name;
        done = step.run(world);
        ASSERT_TRUE(done) << "tried again: " << step.name << ": " << done.error().text();
    }
    step.expect(world.model);
}

bool FaultWalk::pass(const Fault &fault, unsigned long call) {
    Simulation &simulation = Simulation::get();
    const Scenario &scenario = std::get<Scenario>(GetParam());
    World world(served_.get(), folder_, scenario.shape);
    const auto perform_all = [&](const std::vector<Step> &steps, const Fault *planned) {
        for (const Step &step : steps)
            if (!HasFatalFailure()) perform(world, step, planned);
    };
    perform_all(scenario.setup, nullptr);
    simulation.plan_faults("*#" + std::to_string(call) + fault.how + "=" + fault.result);
    const unsigned long failed_before = failed_;
    perform_all(scenario.walked, &fault);
    const bool was_reached = failed_ != failed_before || simulation.call_count() >= call;
    simulation.plan_faults("");
    if (!HasFatalFailure()) world.check();
    if (!HasFatalFailure()) perform_all({{"recover", [](World &dying) { return dying.recover(); }}}, nullptr);
    if (!HasFatalFailure()) world.check();
    if (!HasFatalFailure()) world.remove_all();
    return was_reached;
}

// The keeper sees its connection close a moment after this process has closed it.
void FaultWalk::look_for_leaks() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    std::map<std::string, unsigned long> now = Simulation::get().live();
    while (now != before_ && std::chrono::steady_clock::now() < end) {
        std::this_thread::yield();
        now = Simulation::get().live();
    }
    ASSERT_EQ(now, before_) << "something leaked";
}

TEST_P(FaultWalk, EveryFailingCallIsAnErrorAndNothingMore) {
    const auto &[scenario, keeper] = GetParam();
    const bool has_all = std::getenv("GMEMFS_FAULT_WALK") != nullptr;
    const std::size_t first = keeper == KeeperKind::local ? 0 : 2;
    unsigned long points = 0;
    for (std::size_t round = 0; round < (has_all ? kFaults.size() : 1); ++round) {
        for (unsigned long call = 1;; ++call) {
            const Fault &fault = kFaults[(first + round + call) % kFaults.size()];
            SCOPED_TRACE("call " + std::to_string(call) + fault.how + " = " + fault.result);
            const bool was_reached = pass(fault, call);
            if (!HasFatalFailure()) look_for_leaks();
            if (HasFailure()) return;
            if (!was_reached) break;
            ++points;
        }
    }
    EXPECT_GT(failed_, points / 10) << "so few calls made anything fail that this checks nothing";
    std::printf("  %-16s %-7s %5lu points, %5lu made an operation fail\n", scenario.name.c_str(),
        keeper == KeeperKind::local ? "local" : "served", points, failed_);
    total().points += points;
    total().failed += failed_;
}

std::vector<FaultWalk::ParamType> all_walks() {
    std::vector<FaultWalk::ParamType> walks;
    for (const Scenario &scenario : all_scenarios()) {
        if (scenario.keepers != Keepers::served) walks.emplace_back(scenario, KeeperKind::local);
        if (scenario.keepers != Keepers::local) walks.emplace_back(scenario, KeeperKind::served);
    }
    return walks;
}

INSTANTIATE_TEST_SUITE_P(All, FaultWalk, ::testing::ValuesIn(all_walks()), [](const auto &walk) {
    return std::get<Scenario>(walk.param).name +
           (std::get<KeeperKind>(walk.param) == KeeperKind::local ? "Local" : "Served");
});

} // namespace
} // namespace gmemfs::test
