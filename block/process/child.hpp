// Child: a worker's process, as its supervisor sees it.
#pragma once

#include "block/process/setup.hpp"
#include "block/process/signal.hpp"

#include <chrono>
#include <string>
#include <sys/types.h>

namespace gmemfs::block {

/// Owner of the process: the destructor kills it, and waits for its end. Move-only. Not thread-safe.
class Child {
public:
    /// Starts this program again as a worker, and sends it the setup. ENOMEM, EAGAIN: no process can be made.
    static Result<Child> start(const Setup &setup);
    Child(Child &&other) noexcept;
    Child &operator=(Child &&other) noexcept;
    Child(const Child &) = delete;
    Child &operator=(const Child &) = delete;
    ~Child() { end(); }

    enum class State : std::uint8_t { starting, warm, told, serving };
    State state() const { return state_; }
    pid_t pid() const { return pid_; }
    int process() const { return process_.get(); } ///< a pidfd: can be read once the process has ended
    int socket() const { return socket_.get(); }

    /// Takes no memory.
    Result<void> tell(Signal::Kind kind, std::span<const int> fds = {});
    Result<void> tell_name(const std::string &name, int number) {
        return send_signal(socket_.get(), make_name(name, number));
    }
    /// Of a thin disk. An Error: it has died, or doesn't read.
    Result<void> tell_part(std::uint32_t index, const client::Attached &part) {
        return send_part(socket_.get(), index, part);
    }
    Result<void> tell_of_part(Signal::Kind kind, std::uint32_t index, int code) {
        return try_send_signal(socket_.get(), make_part_signal(kind, index, code));
    }
    /// Takes in what the process says, and returns it. The Error is the process's own, where that has failed.
    Result<Signal> hear();
    /// Waits so long for the process to end by itself. Then kills it.
    void wait(std::chrono::milliseconds patience);

private:
    Child(pid_t pid, Fd process, Fd socket) : pid_(pid), process_(std::move(process)), socket_(std::move(socket)) {}
    void end();

    pid_t pid_ = 0; // 0: moved from, or ended and waited for
    Fd process_, socket_;
    State state_ = State::starting;
};

} // namespace gmemfs::block
