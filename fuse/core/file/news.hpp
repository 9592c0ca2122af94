// News: whether a file's bytes have changed since its generation was given and told.
//
//     none ---bytes change---> some ---a descriptor is closed---> numbered ---bytes change---> some
//     none <--announced: the writer's last descriptor is closed; fsync, seal--- some, numbered, perhaps
//     perhaps: after a restart, because the server before may have died between a change and its announcement
//
// Linux tells of each descriptor that is closed, before close(2) returns, and of the last one afterwards. At the first,
// which may be a forked child's, the bytes get their number, so that whoever has closed can read it. Whoever waits is
// told at the last.
#pragma once

#include <atomic>
#include <cstdint>

namespace gmemfs {

/// Thread-safe.
class News {
public:
    /// Whether a writer isn't done, as far as the filesystem knows.
    bool is_open() const {
        const State state = state_.load();
        return state == State::some || state == State::numbered;
    }
    /// Called when bytes or size have changed, under the layout lock. Stores only where that changes something, because
    /// workers that write to one file would fight for its cache line.
    void add() {
        if (state_.load(std::memory_order_relaxed) != State::some) [[unlikely]]
            state_.store(State::some);
    }
    void doubt() { state_.store(State::perhaps); }

    /// A descriptor is being closed. True: the bytes need another generation.
    bool number() {
        const State state = state_.load();
        if (state == State::none || state == State::numbered) return false;
        state_.store(State::numbered);
        return true;
    }
    /// The writer is done. `needs_number`: the bytes need another generation.
    struct Told {
        bool is_news, needs_number;
    };
    Told tell() {
        if (state_.load() == State::none) return {false, false};
        const State state = state_.exchange(State::none);
        return {state != State::none, state == State::some || state == State::perhaps};
    }

private:
    enum class State : std::uint8_t { none, perhaps, some, numbered };
    std::atomic<State> state_ = State::none;
};

} // namespace gmemfs
