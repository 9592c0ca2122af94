#include "client/lib/generations.hpp"

#include "client/lib/name_place.hpp"

#include <charconv>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gmemfs::client {
namespace {

constexpr const char *kGenerationAttribute = "user.gmemfs.generation";
constexpr int kPauseMs = 5;

// The server has ended, and the next one answers.
bool is_lost(const Error &error) {
    return error.code == ECONNRESET || error.code == EPIPE || error.code == ECONNREFUSED || error.code == EAGAIN;
}

// The server tells of a rename before Linux has carried it out in its own cache, so an open(2) right now might still
// find what was there before. A rename holds the directory's lock until then, which getdents(2) takes, too.
void wait_for_names(const Fd &folder) {
    const Fd listed(::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    alignas(8) char entries[512];
    if (listed) (void)::syscall(SYS_getdents64, listed.get(), entries, sizeof entries);
}

} // namespace

Result<std::uint64_t> generation_of(const std::string &path) {
    const NamePlace place = TRY(find_name(path, LastLink::follow));
    const Fd file(::openat(place.folder.get(), place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!file && errno != ENOENT) return Error{errno, 0, "read generation", path};
    // Of the directory where there is no file: any gmemfs mount has a broker's address there.
    const Result<std::string> text =
        file ? read_attribute(file, kGenerationAttribute) : read_attribute(place.folder, "user.gmemfs.driver");
    if (!text && (text.error().code == ENODATA || text.error().code == ENOTSUP))
        return Error{ENOTTY, 0, "read generation", path + ": it is no file on a gmemfs mount"};
    if (!text) return Error{text.error().code, 0, "read generation", path};
    std::uint64_t generation = 0;
    if (file) std::from_chars(text->data(), text->data() + text->size(), generation);
    return generation;
}

// A path is resolved here, and the broker says when it may lead elsewhere. The number that it says that with is of a
// moment before the path was resolved, so nothing between the two is missed.
Result<std::uint64_t> wait_for_generation(const std::string &path, std::uint64_t known, BrokerSession::Time end) {
    std::optional<BrokerSession> session;
    std::optional<dev_t> mount;
    for (std::uint64_t paths = 0;;) {
        const NamePlace place = TRY(find_name(path, LastLink::follow));
        const dev_t now = TRY(identify(place.folder))
        .mount;
        if (!session || now != mount) {
            Result<BrokerSession> made = BrokerSession::connect(place.folder, path);
            // Linux asks for the right to read before it asks for a user's attribute, the broker's address.
            if (!made && made.error().code == EACCES)
                return Error{EACCES, 0, "wait for another generation",
                    path + ": its directory's mode doesn't let this user list and search it"};
            if (!made) return Error(made.error());
            session = *std::move(made);
            mount = now;
            paths = 0;
        }
        const Result<protocol::Changed> changed = session->watch({place.folder, place.name, known, paths}, path, end);
        if (changed) wait_for_names(place.folder);
        if (changed && changed->paths == 0) return std::uint64_t(changed->generation);
        if (changed) {
            paths = changed->paths;
            continue;
        }
        if (!is_lost(changed.error())) return Error(changed.error());
        session.reset();
        if (BrokerSession::Time::clock::now() >= end) return Error{ETIMEDOUT, 0, "wait for another generation", path};
        (void)::poll(nullptr, 0, kPauseMs); // a server that refuses everybody isn't asked all the time
    }
}

} // namespace gmemfs::client
