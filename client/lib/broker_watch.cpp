// BrokerSession, watching: waits for another generation of a file.
#include "client/lib/broker_session.hpp"

#include <algorithm>
#include <climits>
#include <poll.h>

namespace gmemfs::client {
namespace {

// Until the descriptor can be read, or its connection has ended.
Result<void> wait_for_input(int fd, BrokerSession::Time end, const std::string &path) {
    using std::chrono::milliseconds;
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(end - BrokerSession::Time::clock::now()).count();
        pollfd state = {fd, POLLIN, 0};
        const int count = ::poll(&state, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX)));
        if (count > 0) return {};
        if (count < 0) return Error{errno, 0, "wait for another generation", path};
        if (left <= INT_MAX) return Error{ETIMEDOUT, 0, "wait for another generation", path + ": it has none yet"};
    }
}

} // namespace

Result<protocol::Changed> BrokerSession::watch(const Watched &watched, const std::string &path, Time end) {
    path_ = path;
    const protocol::Ticket ticket = TRY(read_ticket(watched.folder));
    const protocol::Watch request = protocol::make_watch(ticket, watched.known, watched.paths, watched.name);
    TRY(send(&request, sizeof request));
    TRY(wait_for_input(socket_.get(), end, path));
    std::vector<Fd> none;
    const std::vector<std::byte> bytes = TRY(receive(none));
    if (TRY(protocol::parse_header(bytes)).kind == protocol::Kind::changed) return protocol::parse_changed(bytes);
    const protocol::AnswerPart part = TRY(protocol::parse_answer(bytes));
    std::string text = part.answer.text.data();
    if (part.answer.code == EPROTO) text = "the mount's server is of an earlier version, which tells nobody of changes";
    return Error{
        part.answer.code == 0 ? EPROTO : part.answer.code, 0, "wait for another generation", path + ": " + text};
}

} // namespace gmemfs::client
