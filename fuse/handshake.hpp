// Handshake: what kernel and server agreed on in FUSE_INIT about how requests travel.
//
// The kernel takes rings only after it has been answered, so their workers wait here for that.
#pragma once

#include <atomic>

namespace gmemfs {

/// How requests come. Some (FUSE_INIT, FUSE_FORGET, FUSE_INTERRUPT) are read(2) from the device in either case.
enum class Transport { read, io_uring };

/// Of one session. Thread-safe.
class Handshake {
public:
    explicit Handshake(Transport wanted) : wanted_(wanted) {}

    Transport wanted() const { return wanted_; }
    /// The kernel has its answer.
    void agree(Transport transport) { become(transport == Transport::io_uring ? State::ring : State::read); }
    /// The session is about to end, agreed on or not.
    void end() { become(State::over); }
    /// Waits until the kernel has been answered. False: requests don't come by rings, or never will.
    bool wait_for_ring() const {
        state_.wait(State::open);
        return is_by_ring();
    }
    bool is_by_ring() const { return state_ == State::ring; }

private:
    enum class State { open, read, ring, over };
    void become(State state) {
        state_ = state;
        state_.notify_all();
    }

    const Transport wanted_;
    std::atomic<State> state_ = State::open;
};

} // namespace gmemfs
