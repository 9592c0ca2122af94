#include "tools/host/in_time.hpp"

#include "vmm/base/all_bytes.hpp"
#include "vmm/base/fd.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience(5);

// CBOR, because names are bytes, which JSON's text isn't. What was being done is a literal: it has the same address in
// the process that this one was forked from.
std::vector<std::uint8_t> pack(const Result<json> &answer) {
    if (answer) return json::to_cbor(json::array({true, *answer}));
    const Error &error = answer.error();
    return json::to_cbor(
        json::array({false, error.code, error.driver, reinterpret_cast<std::uint64_t>(error.doing), error.detail}));
}

Result<json> unpack(const std::string &bytes) {
    const json packed = json::from_cbor(bytes, true, false);
    if (!packed.is_array()) return Error{EIO, 0, "ask the server", "the process that asked has ended"};
    if (packed.size() == 2) return json(packed[1]);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): see pack()
    const auto *const doing = reinterpret_cast<const char *>(packed[3].get<std::uint64_t>());
    return Error{packed[1].get<int>(), packed[2].get<int>(), doing, packed[4].get<std::string>()};
}

// All that comes until the other end is closed; false where that takes too long.
bool collect(const Fd &pipe, std::string &bytes) {
    const auto end = Clock::now() + kPatience;
    char part[4096];
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
        pollfd waited = {pipe.get(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&waited, 1, static_cast<int>(left.count())) == 0) return false;
        const ssize_t count = ::read(pipe.get(), part, sizeof part);
        if (count == 0) return true;
        if (count > 0) bytes.append(part, static_cast<std::size_t>(count));
    }
}

} // namespace

Result<json> ask_in_time(const std::string &path, const std::function<Result<json>()> &ask) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error{errno, 0, "ask the server", path};
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) return Error{errno, 0, "ask the server", path};
    if (pid == 0) {
        const std::vector<std::uint8_t> answer = pack(ask());
        (void)write_all(writer.get(), std::as_bytes(std::span(answer)), never); // who asked may have gone
        writer.reset(); // the answer is whole, and who asked goes on while this process ends
        ::_exit(0);
    }
    writer.reset();
    std::string bytes;
    if (collect(reader, bytes)) {
        ::waitpid(pid, nullptr, 0);
        return unpack(bytes);
    }
    ::kill(pid, SIGKILL); // and not waited for: it may be the kernel's until the server answers
    return Error{ETIMEDOUT, 0, "ask the server",
        path +
            ": it doesn't answer: it may be stopped (`kill -CONT` its process, then), or busy; `gmemfs umount --lazy` "
            "detaches the mount, and gives its files up"};
}

} // namespace gmemfs
