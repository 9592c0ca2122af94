#include "tests/support/keeper_thread.hpp"

#include "tests/support/simulation.hpp"
#include "vmm/keeper/service.hpp"

namespace gmemfs::test {
namespace {

std::vector<DeviceInfo> devices() {
    std::vector<DeviceInfo> infos;
    for (const auto &device : Simulation::get().devices()) infos.push_back(device->info());
    infos.push_back(Simulation::get().host().info());
    return infos;
}

} // namespace

KeeperThread::KeeperThread() : listener_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    address_.sun_family = AF_UNIX; // bound to no name, it gets one of its own (unix(7), autobind)
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr *>(&address_), sizeof(sa_family_t)), 0);
    EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr *>(&address_), &size_), 0);
    EXPECT_EQ(::listen(listener_.get(), 16), 0);
    thread_ = std::thread([this] {
        KeeperService service(Simulation::get().driver(), devices(), HandlePolicy::automatic, kNonce);
        EXPECT_TRUE(serve_keeper(service, std::move(listener_)));
    });
}

void KeeperThread::stop() {
    if (!thread_.joinable()) return;
    const Fd socket = connect();
    const keeper_protocol::Request request = {.operation = static_cast<std::uint32_t>(keeper_protocol::Operation::end)};
    EXPECT_EQ(::send(socket.get(), &request, sizeof request, MSG_NOSIGNAL), ssize_t(sizeof request));
    thread_.join();
}

Fd KeeperThread::connect() {
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr *>(&address_), size_), 0);
    return socket;
}

Result<std::unique_ptr<KeeperClient>> KeeperThread::client() {
    return KeeperClient::connect(Simulation::get().driver(), connect());
}

} // namespace gmemfs::test
