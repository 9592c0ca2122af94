#include "tools/nixl/serve.hpp"

#include "tools/nixl/body.hpp"
#include "tools/nixl/source.hpp"
#include "tools/nixl/target.hpp"

#include <poll.h>
#include <thread>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::chrono::milliseconds kTell(50); // how often the caller hears how far it is

// Ends the process as soon as the caller has ended, whatever NIXL or a driver is doing meanwhile: neither can be asked
// to stop. Nothing is lost by that: a file that isn't whole has no name.
void end_with_caller(int socket) {
    std::thread([socket] {
        pollfd closed = {socket, POLLRDHUP, 0};
        while (::poll(&closed, 1, -1) < 0) {}
        ::_exit(0);
    }).detach();
}

class Loop {
public:
    Loop(int socket, NixlSide &side) : socket_(socket), side_(side) {}

    Result<void> run() {
        for (;;) {
            bool has_moved = side_.step();
            has_moved = TRY(take_request())
            || has_moved;
            TRY(tell());
            if (!has_moved) wait();
        }
    }

private:
    Result<bool> take_request() {
        const Result<std::vector<std::byte>> body = receive_body(socket_, 0);
        if (!body && body.error().code == ETIMEDOUT) return false;
        if (!body) return Error(body.error());
        const NixlRequest request = TRY(decode_nixl_request(*body));
        if (request.kind == NixlRequest::Kind::cancel)
            side_.give_up({EINTR, 0, "move a file", "interrupted"});
        else
            side_.begin(request);
        return true;
    }

    Result<void> tell() {
        const NixlClock::time_point now = NixlClock::now();
        if (const std::optional<NixlAnswer> answer = side_.take_answer()) {
            told_ = now;
            return send_body(socket_, encode(*answer));
        }
        if (!side_.is_busy() || now - told_ < kTell) return {};
        told_ = now;
        NixlAnswer moved;
        moved.kind = NixlAnswer::Kind::moved;
        moved.bytes = side_.moved();
        return send_body(socket_, encode(moved));
    }

    // NIXL has no descriptor to wait for. While something is under way it is asked often; else now and then, so that a
    // peer can connect.
    void wait() {
        constexpr long kBusyNs = 50'000, kIdleNs = 2'000'000;
        pollfd wanted[] = {{socket_, POLLIN, 0}, {side_.ready_fd(), POLLIN, 0}};
        const timespec most = {0, side_.is_busy() ? kBusyNs : kIdleNs};
        (void)::ppoll(wanted, std::size(wanted), &most, nullptr);
    }

    const int socket_;
    NixlSide &side_;
    NixlClock::time_point told_;
};

Result<std::unique_ptr<NixlSide>> make_side(
    NixlAgent &agent, NixlProcess::Role role, const NixlSideSettings &settings) {
    if (role == NixlProcess::Role::source)
        return std::unique_ptr<NixlSide>(std::make_unique<NixlSource>(agent, settings));
    return std::unique_ptr<NixlSide>(std::make_unique<NixlTarget>(agent, settings));
}

struct OpenedNixl {
    std::unique_ptr<NixlApi> api;
    std::unique_ptr<NixlAgent> agent;
};

Result<OpenedNixl> open_nixl(const std::string &chosen) {
    OpenedNixl opened;
    opened.api = TRY(NixlApi::open(chosen));
    opened.agent = TRY(NixlAgent::create(*opened.api));
    return opened;
}

} // namespace

Result<void> serve_nixl(
    int socket, NixlProcess::Role role, const std::string &chosen, const NixlSideSettings &settings) {
    end_with_caller(socket);
    const Result<OpenedNixl> opened = open_nixl(chosen);
    if (!opened) {
        TRY(send_body(socket, encode(failure_of(opened.error()))));
        return Error(opened.error());
    }
    const std::unique_ptr<NixlSide> side = TRY(make_side(*opened->agent, role, settings));
    NixlAnswer ready;
    ready.kind = NixlAnswer::Kind::ready;
    TRY(send_body(socket, encode(ready)));
    return Loop(socket, *side).run();
}

} // namespace gmemfs
