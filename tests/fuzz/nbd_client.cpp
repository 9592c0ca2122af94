// Fuzzer: what an NBD client may send, in the handshake and after it: answered or refused; nothing outside is touched.
#include "block/nbd/connection.hpp"
#include "block/nbd/negotiation.hpp"
#include "vmm/device/simulator_path.hpp"
#include "vmm/memory/allocation.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace gmemfs;

constexpr std::uint64_t kSize = 128 * KiB; // of 2 MiB: the rest is never touched

template <typename T>
T take(Result<T> result) {
    GMEMFS_ASSERT(result);
    return *std::move(result);
}

std::unique_ptr<block::Disk> make_disk() {
    ::setenv("GMEMFS_SIM_MACHINE", ("fuzz" + std::to_string(::getpid())).c_str(), 1); // NOLINT(concurrency-mt-unsafe)
    std::shared_ptr<const client::Devices> devices = take(client::open_devices(simulator_path()));
    const DeviceInfo &info = devices->all.front();
    const Allocation memory = take(Allocation::create(*devices->driver, info, 2 * MiB, HandlePolicy::fd));
    client::Attached attached;
    attached.size = attached.allocated = 2 * MiB;
    attached.extents.push_back({0, 2 * MiB, 1, info.uuid, protocol::kDescriptor, 0, {}});
    attached.fds.push_back(take(memory.export_fd()));
    return take(block::Disk::open(std::move(devices), attached, kSize, block::Mode::read_write, {}));
}

// Takes what is answered, so that the server never waits.
void drain(int socket) {
    char bytes[65536];
    while (::recv(socket, bytes, sizeof bytes, 0) > 0) {}
}

template <typename Serve>
void feed(std::span<const std::uint8_t> bytes, const Serve &serve) {
    int ends[2];
    GMEMFS_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    Fd server(ends[0]);
    const Fd client(ends[1]);
    std::thread reader([&] { drain(client.get()); });
    std::thread writer([&] {
        (void)!::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        ::shutdown(client.get(), SHUT_WR);
    });
    serve(server.get());
    server.reset();
    writer.join();
    reader.join();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static const std::unique_ptr<block::Disk> disk = make_disk();
    static block::Lane lane = take(block::Lane::create(*disk, block::nbd::Connection::kMemory));
    static const auto connection = std::make_unique<block::nbd::Connection>(lane);
    const std::span<const std::uint8_t> bytes(data, size);
    feed(bytes, [](int socket) {
        const block::nbd::Export exported =
            block::nbd::describe(kSize, block::Mode::read_write, block::nbd::Checked::no);
        (void)block::nbd::negotiate(socket, exported);
    });
    // Requests with the magic that a random input would never have, their lengths kept so small that all of them come.
    std::vector<std::uint8_t> requests;
    for (std::size_t at = 0; at + 24 <= size; at += 24) {
        constexpr std::uint8_t kMagic[] = {0x25, 0x60, 0x95, 0x13};
        requests.insert(requests.end(), kMagic, kMagic + 4);
        requests.insert(requests.end(), data + at, data + at + 24);
        std::uint8_t *const head = requests.data() + requests.size() - 28;
        head[7] &= 7; // the command's low byte: mostly a known one
        if ((head[4] & 1) != 0) continue;
        std::fill_n(head + 16, 5, 0); // offset and length: mostly within the disk
        head[21] &= 1;
        head[24] = head[25] = 0;
    }
    feed(requests, [](int socket) { (void)connection->serve(socket); });
    return 0;
}
