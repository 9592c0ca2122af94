// NixlAgent: owners of what NIXL hands out: an agent with its UCX backend, registered memory, transfers; and notes.
//
// What was learnt of NIXL 1.5.1, and is kept to here:
//   - A transfer's piece lies inside one registration, also where another one follows it in memory.
//   - A note that is given with one post goes out with each later post of that request. So a request is posted once.
//   - A peer's newer metadata doesn't take back what its older one had, and other connection data for a known name is
//     refused. So a peer is forgotten before it is met anew, and an agent's name is random.
//   - Without a progress thread all of UCX's work is done in take_notes() and Transfer::is_done().
#pragma once

#include "tools/nixl/nixl_api.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace gmemfs {

/// A piece of registered memory, here or at a peer.
struct NixlPiece {
    NixlMemory memory = NixlMemory::host;
    std::uint64_t address = 0, length = 0, device = 0; ///< device: NIXL's number of it; 0 of host memory
};

class NixlAgent;

/// Owner of one registration. Ends before its agent. Not thread-safe.
class NixlRegion {
public:
    NixlRegion(NixlRegion &&other) noexcept;
    NixlRegion &operator=(NixlRegion &&) = delete;
    ~NixlRegion();

private:
    friend class NixlAgent;
    NixlRegion(NixlAgent &agent, NixlRegionsObject *regions) : agent_(agent), regions_(regions) {}

    NixlAgent &agent_;
    NixlRegionsObject *regions_; // null: moved from
};

/// Owner of one transfer, which is under way from the start. Ends before its agent: one that isn't done is given up.
/// Not thread-safe.
class NixlTransfer {
public:
    NixlTransfer(NixlTransfer &&other) noexcept;
    NixlTransfer &operator=(NixlTransfer &&) = delete;
    ~NixlTransfer();

    /// ECONNRESET: it has failed: the peer has gone, most likely.
    Result<bool> is_done();

private:
    friend class NixlAgent;
    NixlTransfer(NixlAgent &agent, NixlRequestObject *request) : agent_(agent), request_(request) {}

    NixlAgent &agent_;
    NixlRequestObject *request_; // null: moved from
};

/// Owner. Not thread-safe: one thread has all of it.
class NixlAgent {
public:
    /// `api` outlives it. ENOTSUP: this machine's NIXL has no UCX, or UCX doesn't start.
    static Result<std::unique_ptr<NixlAgent>> create(const NixlApi &api);
    NixlAgent(const NixlAgent &) = delete;
    NixlAgent &operator=(const NixlAgent &) = delete;
    ~NixlAgent();

    const std::string &name() const { return name_; }
    /// For peers: how this agent is reached, and its registered memory.
    Result<std::vector<std::byte>> metadata();
    /// The agent that `metadata` is of. It is forgotten first, where it was known. EPROTO: it is no metadata.
    Result<std::string> meet(const std::string &known_as, std::span<const std::byte> metadata);
    void forget(const std::string &peer);

    /// ENOTSUP: it can't be registered: memory of a device, say, that UCX doesn't know.
    Result<NixlRegion> add(const NixlPiece &memory);
    /// Writes `local` to `remote`, of the same length; when it is there, the peer gets `note`. ECONNRESET, EPROTO: the
    /// peer has no such memory.
    Result<NixlTransfer> write(
        const std::string &peer, const NixlPiece &local, const NixlPiece &remote, std::span<const std::byte> note);
    /// ECONNRESET: the peer has gone.
    Result<void> send_note(const std::string &peer, std::span<const std::byte> note);
    /// Hands over what has come, and has UCX make progress. How many notes there were.
    using TakeNote = std::function<void(const std::string &peer, std::span<const std::byte> note)>;
    Result<std::size_t> take_notes(const TakeNote &take);

private:
    friend class NixlRegion;
    friend class NixlTransfer;
    NixlAgent(const NixlApi &api, std::string name) : api_(api), name_(std::move(name)) {}
    Result<void> open();

    const NixlApi &api_;
    const std::string name_;
    NixlAgentObject *agent_ = nullptr;
    NixlBackendObject *backend_ = nullptr;
    NixlOptionsObject *options_ = nullptr; // with the backend, and no note
    NixlNotesObject *notes_ = nullptr;
};

} // namespace gmemfs
