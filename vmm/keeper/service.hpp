// KeeperService: what the keeper's process does with a message, without the socket that it came by.
#pragma once

#include "vmm/keeper/local.hpp"
#include "vmm/keeper/protocol.hpp"

#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace gmemfs {

/// Not thread-safe: the keeper has one thread.
class KeeperService {
public:
    /// `nonce` tells this keeper from every other one, of now and before.
    KeeperService(const Driver &driver, std::vector<DeviceInfo> devices, HandlePolicy policy, std::uint64_t nonce)
        : devices_(std::move(devices)), nonce_(nonce), keeper_(std::in_place, driver, policy) {}
    /// A service that answers every request with the error `unable`.
    explicit KeeperService(Error unable) : nonce_(0), unable_(std::move(unable)) {}

    /// What goes back, and what happens to the connections afterwards.
    struct Served {
        std::vector<std::byte> bytes; ///< one message
        Fd fd = {};                   ///< goes with it, where it owns one
        Fd listener = {};             ///< to listen on from now on, where it owns one
        enum class Next {
            go_on,
            silent, ///< nothing goes back
            alone,  ///< this connection is the server's: close the others
            end,    ///< and with it the process
        } next = Next::go_on;
    };
    /// Carries out `message`; `fd` is the descriptor that came with it, if any. EPROTO: no message of this protocol.
    /// Every other failure is an answer.
    Result<Served> serve(std::span<const std::byte> message, Fd fd = Fd());

    /// Whether descriptors are kept that go when no server is there (Keep::with_server).
    bool keeps_connections() const;
    void drop_connections(); ///< closes those

    std::size_t count() { return keeper_ ? keeper_->count() : 0; } ///< extents held

private:
    using Answer = keeper_protocol::Answer;
    using Request = keeper_protocol::Request;

    Result<void> perform(const Request &request, Answer &answer, Served &served);
    Result<const DeviceInfo *> device_of(const Request &request);
    Result<void> create(const Request &request, Answer &answer);
    Result<void> donate(const Request &request, Fd memory, Answer &answer);
    void keep_fd(const Request &request, Fd fd);
    void next_fd(std::uint64_t after, Answer &answer, Served &served);
    Result<void> export_fabric(Keeper::Id id, Answer &answer);
    Result<std::vector<std::byte>> list(Keeper::Id after);

    const std::vector<DeviceInfo> devices_;
    const std::uint64_t nonce_;
    std::optional<LocalKeeper> keeper_;
    std::optional<Error> unable_;
    // Peers compare handles, and after a restart the server hands out the same ones.
    std::unordered_map<Keeper::Id, FabricHandle> fabric_;
    struct KeptFd {
        Fd fd;
        keeper_protocol::Keep keep;
    };
    std::map<std::uint64_t, KeptFd> fds_; // the server's
};

/// Serves the connections that `listener`, a bound and listening SOCK_SEQPACKET socket, accepts. Returns when a
/// connection asks for the end, or when nobody has connected within 30 seconds. Connections of users other than this
/// process's and root are closed. Fails only where poll(2) does.
Result<void> serve_keeper(KeeperService &service, Fd listener);

} // namespace gmemfs
