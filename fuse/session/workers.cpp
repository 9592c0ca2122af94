#include "fuse/session/workers.hpp"

#include "fuse/session/read_source.hpp"
#include "fuse/session/ring_source.hpp"
#include "vmm/base/limits.hpp"

#include <algorithm>
#include <thread>

namespace gmemfs {
namespace {

constexpr unsigned kWorkersLeast = 4;
constexpr unsigned kWorkersUsual = 16; // 12 threads reached 93 % of the bus (H200), and more no more

} // namespace

Result<std::unique_ptr<Workers>> Workers::create(
    const std::vector<std::unique_ptr<Device>> &devices, Session &session, unsigned count, Transport transport) {
    std::unique_ptr<Workers> workers(new Workers(transport));
    // What is pinned is pinned for all of them.
    const auto alive = std::ranges::find_if(devices, [](const auto &each) { return !each->failed(); });
    Device &device = alive == devices.end() ? *devices.front() : **alive;
    Handshake &handshake = workers->handshake_;
    const auto add = [&](std::unique_ptr<RequestSource> source) -> Result<void> {
        workers->workers_.push_back(TRY(Worker::create(devices, session, handshake, std::move(source))));
        return {};
    };
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    const unsigned usual =
        transport == Transport::io_uring ? kWorkersMin : std::clamp(cores, kWorkersLeast, kWorkersUsual);
    for (unsigned index = 0; index < (count != 0 ? count : usual); ++index)
        TRY(add(TRY(ReadSource::create(device, session, workers->crew_))));
    if (transport == Transport::read) return workers;
    const std::vector<RingPlan> plans = TRY(plan_rings());
    handshake.expect_rings(static_cast<unsigned>(plans.size()));
    for (const RingPlan &plan : plans) TRY(add(TRY(RingSource::create(device, session, handshake, plan))));
    return workers;
}

void Workers::start(const Worker::Greeted &greeted, const std::function<void()> &ended) {
    for (const auto &worker : workers_) worker->start(greeted, ended);
}

void Workers::stop() {
    for (const auto &worker : workers_) worker->stop();
}

std::optional<Error> Workers::failure() const {
    for (const auto &worker : workers_)
        if (worker->failure()) return worker->failure();
    return {};
}

std::uint64_t Workers::ring_requests() const {
    std::uint64_t count = 0;
    for (const auto &worker : workers_) count += worker->source().ring_requests();
    return count;
}

} // namespace gmemfs
