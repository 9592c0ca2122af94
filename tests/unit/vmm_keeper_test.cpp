// The keeper's service and client over a socket pair, on the simulator; the process itself is tests/mount/survive's.
#include "tests/support/keeper_thread.hpp"
#include "tests/support/simulation.hpp"
#include "vmm/keeper/client.hpp"
#include "vmm/keeper/service.hpp"
#include "vmm/memory/extent.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

using namespace keeper_protocol;
using test::code_of;
using test::must;

class KeeperThread : public test::OnSimulation {
protected:
    Fd connect() { return keeper_.connect(); }
    std::unique_ptr<KeeperClient> client() { return must(keeper_.client()); }
    const DeviceInfo &info() { return simulation().device().info(); }

    static void send(const Fd &socket, const Request &request) {
        EXPECT_EQ(::send(socket.get(), &request, sizeof request, MSG_NOSIGNAL), ssize_t(sizeof request));
    }
    // Bytes of the next message; 0: the connection was closed.
    static ssize_t receive(const Fd &socket) {
        char bytes[sizeof(List)];
        return ::recv(socket.get(), bytes, sizeof bytes, 0);
    }

private:
    test::KeeperThread keeper_;
};

TEST_F(KeeperThread, WhatOneServerWroteTheNextOneReads) {
    const auto bytes = pattern(MiB, 7);
    Device &device = simulation().device();
    Keeper::Id id = 0;
    {
        const auto first = client();
        id = must(first->create(info(), 4 * MiB));
        const auto extent = must(Extent::adopt(*first, device, {id, 4 * MiB, info().uuid, false}));
        Copier &copier = copiers().of(device);
        must(copier.queue_write({extent.get(), MiB, bytes.size()}, bytes.data()));
        must(copier.wait());
        extent->abandon(); // as by SIGKILL: nothing is given back
    }
    const auto second = client();
    EXPECT_EQ(second->nonce(), test::KeeperThread::kNonce);
    const auto held = must(second->list());
    ASSERT_EQ(held.size(), 1U);
    EXPECT_EQ(held[0].id, id);
    EXPECT_EQ(held[0].size, 4 * MiB);
    EXPECT_EQ(held[0].device_uuid, info().uuid);
    const auto extent = must(Extent::adopt(*second, device, held[0]));
    std::vector<std::byte> expected(bytes.begin(), bytes.end());
    std::fill(bytes.begin(), bytes.end(), std::byte(0));
    Copier &copier = copiers().of(device);
    must(copier.queue_read({extent.get(), MiB, bytes.size()}, bytes.data()));
    must(copier.wait());
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), bytes.begin()));
}

TEST_F(KeeperThread, MemoryThatAnotherProcessHasMadeOutlivesItsMakerAndTheServer) {
    Keeper::Id id = 0;
    {
        const Allocation made = must(Allocation::create(simulation().driver(), info(), 2 * MiB, HandlePolicy::fd));
        const auto first = client();
        Fd memory = must(made.export_fd());
        id = must(first->donate(info(), 2 * MiB, std::move(memory)));
    }
    const auto second = client();
    const auto held = must(second->list());
    ASSERT_EQ(held.size(), 1U);
    EXPECT_EQ(held[0].id, id);
    EXPECT_TRUE(held[0].is_exported);
    EXPECT_FALSE(second->has_fabric(id));
    EXPECT_EQ(must(second->map(id, 2 * MiB)).size(), 2 * MiB);
    const Fd handed_out = must(second->export_fd(id)); // which an import couldn't give
    EXPECT_TRUE(Allocation::import_fd(simulation().driver(), handed_out));
    second->release(id);
}

TEST_F(KeeperThread, WhatIsNoMemoryOfTheDeviceIsNotTaken) {
    const auto first = client();
    const auto take = [&](const DeviceInfo &device, std::uint64_t size, const Fd &fd) {
        return code_of(first->donate(device, size, must(fd.duplicate())));
    };
    const Allocation made = must(Allocation::create(simulation().driver(), info(), 2 * MiB, HandlePolicy::fd));
    const Fd memory = must(made.export_fd());
    EXPECT_NE(take(info(), 2 * MiB, Fd(::memfd_create("other", MFD_CLOEXEC))), 0);
    EXPECT_EQ(take(info(), 2 * MiB - 1, memory), EINVAL);
    EXPECT_EQ(take(simulation().devices()[1]->info(), 2 * MiB, memory), EINVAL);
    EXPECT_EQ(must(first->list()).size(), 0U);
}

TEST_F(KeeperThread, HandlesAreTheSameAfterTheServersDeath) {
    FabricHandle before;
    {
        const auto first = client();
        const Keeper::Id id = must(first->create(info(), 2 * MiB));
        EXPECT_TRUE(first->has_fabric(id));
        before = must(first->export_fabric(id));
    }
    const auto second = client();
    const auto held = must(second->list());
    ASSERT_EQ(held.size(), 1U);
    EXPECT_TRUE(held[0].is_exported);
    EXPECT_TRUE(second->has_fabric(held[0].id));
    EXPECT_EQ(must(second->export_fabric(held[0].id)), before);
    second->release(held[0].id);
    EXPECT_TRUE(must(second->list()).empty());
}

TEST_F(KeeperThread, AListLongerThanAMessageComesWhole) {
    const auto server = client();
    const std::size_t count = 120; // all that 256 MiB hold, less what others use: one page; ids tell the order
    for (std::size_t index = 0; index < count; ++index) must(server->create(info(), 2 * MiB));
    const auto held = must(server->list());
    ASSERT_EQ(held.size(), count);
    for (std::size_t index = 1; index < count; ++index) EXPECT_LT(held[index - 1].id, held[index].id);
    for (const Keeper::Held &each : held) server->release(each.id);
}

TEST_F(KeeperThread, ADescriptorForThePeerMarksTheExtentAsExported) {
    const auto server = client();
    const Keeper::Id id = must(server->create(info(), 2 * MiB));
    { const Mapping mapping = must(server->map(id, 2 * MiB)); }
    EXPECT_FALSE(must(server->list())[0].is_exported) << "the server's own mapping is no export";
    { const Fd fd = must(server->export_fd(id)); }
    EXPECT_TRUE(must(server->list())[0].is_exported);
    server->release(id);
}

TEST_F(KeeperThread, ErrorsComeBackAsTheyWere) {
    const auto server = client();
    EXPECT_EQ(code_of(server->create(info(), 1 * TiB)), ENOSPC);
    EXPECT_EQ(code_of(server->create(info(), 2 * MiB + 1)), EINVAL);
    EXPECT_EQ(code_of(server->export_fd(12345)), ENOENT);
    DeviceInfo other = info();
    other.uuid[0] ^= 1;
    EXPECT_EQ(code_of(server->create(other, 2 * MiB)), ENODEV);
    simulation().plan_faults("cuMemCreate#1=OUT_OF_MEMORY");
    const auto refused = server->create(info(), 2 * MiB);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ENOSPC);
    EXPECT_EQ(refused.error().driver, CUDA_ERROR_OUT_OF_MEMORY);
    EXPECT_NE(refused.error().text().find("create extent"), std::string::npos);
    EXPECT_FALSE(server->is_dead()) << "an error is an answer";
}

TEST_F(KeeperThread, ADeadKeeperFailsEveryRequestAtOnceAndMappingsStay) {
    const auto server = client();
    const Keeper::Id id = must(server->create(info(), 2 * MiB));
    Device &device = simulation().device();
    const auto extent = must(Extent::adopt(*server, device, {id, 2 * MiB, info().uuid, false}));
    ::shutdown(server->socket(), SHUT_RDWR);
    EXPECT_EQ(code_of(server->create(info(), 2 * MiB)), EIO);
    EXPECT_TRUE(server->is_dead());
    EXPECT_EQ(code_of(server->export_fd(id)), EIO);
    const auto bytes = pattern(4096, 1);
    Copier &copier = copiers().of(device);
    must(copier.queue_write({extent.get(), 0, bytes.size()}, bytes.data()));
    must(copier.wait());
}

// Whether both are one open file.
bool is_same_file(const Fd &one, const Fd &other) {
    struct stat first = {}, second = {};
    return ::fstat(one.get(), &first) == 0 && ::fstat(other.get(), &second) == 0 && first.st_ino == second.st_ino;
}

TEST_F(KeeperThread, DescriptorsAreKeptForTheNextServer) {
    Fd pipes[3][2];
    for (auto &pipe : pipes) {
        int ends[2] = {};
        ASSERT_EQ(::pipe(ends), 0);
        pipe[0] = Fd(ends[0]);
        pipe[1] = Fd(ends[1]);
    }
    {
        const auto first = client();
        for (std::uint64_t number = 0; number < 3; ++number)
            first->keep_fd(10 + number, Keep::always, pipes[number][0]);
        first->keep_fd(11, Keep::with_server, pipes[0][1]); // in place of the other one
        first->drop_fds(12, 5);
        first->keep_fd(0, Keep::always, pipes[0][0]); // no number: not kept
        must(first->catch_up());
    }
    const auto second = client();
    const auto kept = must(second->kept_fds());
    ASSERT_EQ(kept.size(), 2U);
    EXPECT_TRUE(is_same_file(kept.at(10), pipes[0][0]));
    EXPECT_TRUE(is_same_file(kept.at(11), pipes[0][1]));
    EXPECT_FALSE(second->is_dead());
    second->drop_fds(1, UINT64_MAX);
    EXPECT_TRUE(must(second->kept_fds()).empty());
}

TEST_F(KeeperThread, ADescriptorWhereNoneBelongsClosesTheConnection) {
    const Fd socket = connect();
    const Request request = {.operation = static_cast<std::uint32_t>(Operation::list)};
    const Fd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const Fd *const passed[] = {&file};
    must(send_with_fds(socket.get(), std::as_bytes(std::span(&request, 1)), passed));
    EXPECT_EQ(receive(socket), 0);
}

TEST_F(KeeperThread, AMessageOfAnotherSizeOrVersionClosesTheConnection) {
    const Request right = {.operation = static_cast<std::uint32_t>(Operation::list)};
    for (const std::size_t size : {std::size_t(1), sizeof right - 1, sizeof right + 1, sizeof right * 2}) {
        const Fd socket = connect();
        std::vector<char> bytes(size);
        std::memcpy(bytes.data(), &right, std::min(size, sizeof right));
        ASSERT_EQ(::send(socket.get(), bytes.data(), size, MSG_NOSIGNAL), ssize_t(size));
        EXPECT_EQ(receive(socket), 0) << size;
    }
    for (const Request &wrong : {Request{.version = kVersion + 1}, Request{.operation = 99}, Request{}}) {
        const Fd socket = connect();
        send(socket, wrong);
        EXPECT_EQ(receive(socket), 0);
    }
    EXPECT_TRUE(must(client()->list()).empty()) << "and others are served";
}

TEST_F(KeeperThread, WhoSendsWithoutReadingIsHungUpOnAndOthersAreServed) {
    const Fd flood = connect();
    const Request request = {.operation = static_cast<std::uint32_t>(Operation::list)};
    unsigned sent = 0;
    while (sent < 100'000 && ::send(flood.get(), &request, sizeof request, MSG_NOSIGNAL) > 0) ++sent;
    EXPECT_LT(sent, 100'000U) << "the keeper never hung up";
    EXPECT_TRUE(must(client()->list()).empty());
}

TEST_F(KeeperThread, ANewServerReplacesTheOldOne) {
    const auto first = client();
    const auto second = client();
    EXPECT_EQ(code_of(first->list()), EIO);
    EXPECT_TRUE(second->list());
}

TEST_F(KeeperThread, AListenerThatNeverComesIsAnErrorAndNoEnd) {
    const auto server = client();
    const Fd none;
    EXPECT_EQ(code_of(server->listen(none)), EMFILE);
    EXPECT_FALSE(server->is_dead());
    EXPECT_TRUE(server->list());
}

TEST_F(KeeperThread, MoreConnectionsThanItServesPushTheOldestOut) {
    std::vector<Fd> idle;
    for (int index = 0; index < 40; ++index) idle.push_back(connect());
    EXPECT_TRUE(client()->list());
}

TEST(KeeperService, OneThatCanNotServeSaysWhyAndEnds) {
    KeeperService service(Error{ENODEV, CUDA_ERROR_NO_DEVICE, "initialise driver", "no GPU here"});
    const Request request = {.operation = static_cast<std::uint32_t>(Operation::hello)};
    const auto served = must(service.serve(std::as_bytes(std::span(&request, 1))));
    EXPECT_EQ(served.next, KeeperService::Served::Next::end);
    Answer answer;
    ASSERT_EQ(served.bytes.size(), sizeof answer);
    std::memcpy(&answer, served.bytes.data(), sizeof answer);
    EXPECT_EQ(answer.error, ENODEV);
    EXPECT_STREQ(answer.text.data(), "initialise driver: no GPU here");
}

TEST_F(KeeperThread, OnlyAListenerOrWhatIsToBeKeptComesWithADescriptor) {
    KeeperService service(simulation().driver(), {info()}, HandlePolicy::automatic, 1);
    const auto serve = [&](Operation operation, Fd fd) {
        const Request request = {.operation = static_cast<std::uint32_t>(operation), .id = 1};
        return service.serve(std::as_bytes(std::span(&request, 1)), std::move(fd));
    };
    const auto some = [] { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); };
    const auto listens = must(serve(Operation::listen, some()));
    EXPECT_TRUE(listens.listener);
    EXPECT_FALSE(listens.fd) << "nothing goes back";
    EXPECT_EQ(must(serve(Operation::keep_fd, some())).next, KeeperService::Served::Next::silent);
    for (const Operation other : {Operation::hello, Operation::list, Operation::drop_fds, Operation::next_fd})
        EXPECT_EQ(code_of(serve(other, some())), EPROTO);
}

} // namespace
} // namespace gmemfs
