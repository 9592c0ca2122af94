// NixlSide: what both sides of the helper have: an agent, slots, copiers; and what the helper's loop asks of either.
#pragma once

#include "tools/nixl/agent.hpp"
#include "tools/nixl/copiers.hpp"
#include "tools/nixl/message.hpp"
#include "tools/nixl/slots.hpp"

#include <chrono>
#include <optional>

namespace gmemfs {

using NixlClock = std::chrono::steady_clock;

/// How long a side waits before it says that it is alive, and before it believes that the other one isn't. A process
/// that is killed closes its connections, which is noticed at once; a host or a network that is lost isn't.
inline constexpr std::chrono::milliseconds kNixlAlive(200);
inline constexpr std::chrono::seconds kNixlSilent(15);

struct NixlSideSettings {
    NixlSettings::Memory memory = NixlSettings::Memory::automatic;
    NixlSlotShape slots;
    unsigned threads = 0; ///< that copy
};

/// A device's memory that is registered, by its offset in the file.
struct NixlRegistered {
    NixlTargetRegion region;
    NixlRegion owner;
};

/// Not thread-safe.
class NixlSide {
public:
    NixlSide(NixlAgent &agent, const NixlSideSettings &settings)
        : agent_(agent), settings_(settings), copiers_(settings.threads) {}
    NixlSide(const NixlSide &) = delete;
    NixlSide &operator=(const NixlSide &) = delete;
    virtual ~NixlSide() = default;

    /// Begins what is asked for; its answer is told by take_answer(), of some requests at once.
    virtual void begin(const NixlRequest &request) = 0;
    /// Does what can be done without waiting. Whether that was anything.
    virtual bool step() = 0;
    /// Ends what was begun, with this error.
    virtual void give_up(const Error &error) = 0;
    virtual std::uint64_t moved() const = 0; ///< bytes of what was begun
    /// Whether something is under way, so that UCX must be asked often.
    virtual bool is_busy() const = 0;

    std::optional<NixlAnswer> take_answer() { return std::exchange(answer_, {}); }
    int ready_fd() const { return copiers_.ready_fd(); }

protected:
    void answer(const Result<NixlAnswer> &result) { answer_ = result ? *result : failure_of(result.error()); }
    /// Slots for this file, made when they are first needed.
    Result<NixlSlots *> slots_for(const NixlFile &file);
    /// The file's memory, registered, so that no slots are needed; empty where it can't be, and then `memory_says` has
    /// the reason. ENOTSUP: it can't be, and the settings want nothing else.
    Result<std::vector<NixlRegistered>> register_memory(const NixlFile &file, std::string &memory_says);

    NixlAgent &agent_;
    const NixlSideSettings settings_;
    CopyDevices devices_;
    std::unique_ptr<NixlSlots> plain_, pinned_;
    NixlCopiers copiers_; // ends before what it copies from and to
    std::optional<NixlAnswer> answer_;
};

} // namespace gmemfs
