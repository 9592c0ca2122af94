// Crew: few serve one client, all serve many, and nobody sleeps while a request waits.
#include "fuse/session/crew.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace gmemfs {
namespace {

// Stands in for the kernel: hands requests to waiting threads in the order in which they came.
class Requests {
public:
    using Request = std::function<void(int member)>;

    void send(Request request) {
        const std::lock_guard<std::mutex> lock(mutex_);
        requests_.push_back(std::move(request));
        if (!waiting_.empty()) waiting_.front()->notify_one();
    }
    // An empty function: the session has ended.
    Request receive() {
        std::condition_variable mine;
        std::unique_lock<std::mutex> lock(mutex_);
        waiting_.push_back(&mine);
        mine.wait(lock, [&] { return is_over_ || (!requests_.empty() && waiting_.front() == &mine); });
        std::erase(waiting_, &mine);
        if (requests_.empty()) return {};
        Request request = std::move(requests_.front());
        requests_.pop_front();
        if (!requests_.empty() && !waiting_.empty()) waiting_.front()->notify_one();
        return request;
    }
    void end() {
        const std::lock_guard<std::mutex> lock(mutex_);
        is_over_ = true;
        for (std::condition_variable *const waiter : waiting_) waiter->notify_one();
    }

private:
    std::mutex mutex_;
    std::deque<Request> requests_;
    std::deque<std::condition_variable *> waiting_;
    bool is_over_ = false;
};

class CrewTest : public testing::Test {
protected:
    static constexpr int kMembers = 8;

    CrewTest() {
        for (int member = 0; member < kMembers; ++member) threads_.emplace_back([this, member] { serve(member); });
    }
    ~CrewTest() override {
        requests_.end();
        crew_.disband();
        for (std::thread &thread : threads_) thread.join(); // hangs, and fails by the time limit, if one stays parked
    }
    void serve(int number) {
        Crew::Member member;
        for (;;) {
            crew_.join(member);
            const Requests::Request request = requests_.receive();
            crew_.leave(member);
            if (request) request(number);
            crew_.done(member);
            if (!request) return;
        }
    }
    // Sends one request after the other, as a single client does; the members that served the last half of them.
    std::set<int> serve_one_by_one(int count) {
        std::set<int> members;
        for (int index = 0; index < count; ++index) {
            const auto served = std::make_shared<std::barrier<>>(2); // the member's, too: it may leave it last
            requests_.send([&, served](int member) {
                if (index >= count / 2) members.insert(member);
                (void)served->arrive();
            });
            served->arrive_and_wait();
        }
        return members;
    }

    // The fewest of three times: on a machine with more to do than processors any member may be the next one to run.
    std::size_t fewest_for_one() {
        std::size_t fewest = kMembers;
        for (int turn = 0; turn < 3; ++turn) fewest = std::min(fewest, serve_one_by_one(2000).size());
        return fewest;
    }

    Crew crew_;
    Requests requests_;
    std::vector<std::thread> threads_;
};

// By how busy the machine is, 2 to 5.
TEST_F(CrewTest, OneClientIsServedByFew) { EXPECT_LT(fewest_for_one(), std::size_t(kMembers)); }

TEST_F(CrewTest, AllComeBackWhenTheyAreNeeded) {
    serve_one_by_one(2000);
    const auto together = std::make_shared<std::barrier<>>(kMembers + 1);
    for (int index = 0; index < kMembers; ++index) requests_.send([together](int) { together->arrive_and_wait(); });
    together->arrive_and_wait(); // returns only when every member has a request
    EXPECT_LT(fewest_for_one(), std::size_t(kMembers));
}

TEST_F(CrewTest, NothingIsLostWhenLoadComesAndGoes) {
    std::atomic<int> served = 0;
    constexpr int kRounds = 300;
    for (int round = 0; round < kRounds; ++round) {
        const int burst = 1 + round % (2 * kMembers);
        const auto all = std::make_shared<std::barrier<>>(burst + 1);
        for (int index = 0; index < burst; ++index)
            requests_.send([&, all](int) {
                ++served;
                (void)all->arrive();
            });
        all->arrive_and_wait();
    }
    int expected = 0;
    for (int round = 0; round < kRounds; ++round) expected += 1 + round % (2 * kMembers);
    EXPECT_EQ(served, expected);
}

} // namespace
} // namespace gmemfs
