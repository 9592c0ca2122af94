// Handshake: whether kernel and server agreed in FUSE_INIT that requests come by rings, and the waits for that.
//
// The kernel takes rings only after the answer to FUSE_INIT, so the workers of rings wait here for that answer. Once
// rings are agreed on, the kernel hands out no request before it has all of them. So a thread that uses the own mount
// waits for that first.
#pragma once

#include <atomic>

namespace gmemfs {

/// How requests come. FUSE_INIT, FUSE_FORGET and FUSE_INTERRUPT are read(2) from /dev/fuse in either case.
enum class Transport { read, io_uring };

/// Of one session. Thread-safe.
class Handshake {
public:
    /// Without a wish for rings there is nothing to agree on.
    explicit Handshake(Transport wanted)
        : wanted_(wanted), state_(wanted == Transport::io_uring ? State::open : State::read) {}

    Transport wanted() const { return wanted_; }
    /// Tells how many rings there will be. Called before any thread waits.
    void expect_rings(unsigned count) { missing_rings_ = count; }
    /// The kernel has its answer.
    void agree(Transport transport) { go(State::open, transport == Transport::io_uring ? State::ring : State::read); }
    /// The session is about to end: all waits return.
    void end() {
        state_ = State::over;
        state_.notify_all();
    }
    /// Waits until the kernel has been answered. False: requests don't come by rings, or never will.
    bool wait_for_ring() const {
        state_.wait(State::open);
        return is_by_ring();
    }
    /// The kernel has taken one of the rings.
    void ring_taken() {
        if (--missing_rings_ == 0) go(State::ring, State::all_rings);
    }
    /// Waits until the kernel hands out requests. False: it never will, because the session is about to end.
    bool wait_until_served() const {
        for (State state = state_; state == State::open || state == State::ring; state = state_) state_.wait(state);
        return state_ != State::over;
    }
    bool is_by_ring() const { return state_ == State::ring || state_ == State::all_rings; }

private:
    enum class State { open, read, ring, all_rings, over };
    void go(State from, State to) { // unless it is over
        if (state_.compare_exchange_strong(from, to)) state_.notify_all();
    }

    const Transport wanted_;
    std::atomic<State> state_;
    std::atomic<unsigned> missing_rings_ = 0;
};

} // namespace gmemfs
