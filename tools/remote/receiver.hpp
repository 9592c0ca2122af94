// RemoteReceiver: fetches what a source on another host has, and lands it here.
//
// The files are asked for in the order of the list, several small ones at once, so that ten thousand don't take ten
// thousand round trips; a large one comes alone. Each is compared with the source's digest before it gets its name. One
// that changes at the source meanwhile is fetched once more.
#pragma once

#include "tools/copy/devices.hpp"
#include "tools/host/progress.hpp"
#include "tools/nixl/nixl_process.hpp"
#include "tools/remote/incoming.hpp"
#include "tools/remote/place.hpp"
#include "tools/snapshot/index.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

struct ReceiveSettings {
    bool recursive = false;
    bool resume = false; ///< keep what came of a file before a failure, and begin with what is there
    Landing::Attributes attributes = Landing::Attributes::of_new_file;
    std::optional<RemoteTransport> via; ///< nothing: the best that works
    /// Whether NIXL, which encrypts nothing and asks nobody who they are, is one of these.
    enum class Net { unknown, trusted } net = Net::unknown;
};

/// Not thread-safe.
class RemoteReceiver {
public:
    /// `pipe` outlives it. `host`: for messages, "HOST:".
    RemoteReceiver(FramePipe &pipe, std::string host, const ReceiveSettings &settings)
        : pipe_(pipe), host_(std::move(host)), settings_(settings) {
        if (settings.via) transports_ = {*settings.via};
        if (settings.net == ReceiveSettings::Net::trusted && !settings.via)
            transports_ = {RemoteTransport::fabric, RemoteTransport::nixl, RemoteTransport::ssh};
    }

    /// Takes the names at the source's `path`. The source's errors, as it says them: ENOENT, EACCES, EISDIR.
    Result<void> list(const std::string &path);
    /// Of the files that `before` has fetched, those that are as they were needn't come once more. After list().
    void leave_out_what(const RemoteReceiver &before);
    /// Waits until the source's tree isn't as it was listed. EPIPE, EINTR.
    Result<void> wait_for_change();
    std::uint64_t size() const; ///< bytes of all files that were listed

    /// Fetches them all to `target` (see RemotePlace). EPIPE: the source has ended. EPROTO: it says what makes no
    /// sense. EINTR. Else RemotePlace::create's; what concerns one name alone is printed, and counted.
    Result<Done> fetch(const std::string &target, Progress &progress);

private:
    static constexpr std::size_t kSmallAtOnce = 32;

    struct Wanted {
        std::uint32_t entry = 0;
        std::uint64_t size = 0; // as far as it is known
    };
    Result<void> ask_for_more();
    Result<void> begin(const Wanted &wanted);
    Result<void> take(Frame &frame);
    void again(const Incoming &file);
    bool is_known(std::size_t index) const;
    RemoteTransport transport_for(std::uint64_t size) const;
    Result<void> open(Incoming &file, const Coming &opened);
    Result<void> expect(Incoming &file);
    Result<void> finish_nixl(Incoming &file, const Sent &sent);
    bool drop_transport(const Incoming &file, const Error &error);
    void give_up_transport(const Incoming &file, const Error &error);
    Result<void> land(Incoming &file, const std::string &digest);
    void complain(const Error &error);

    FramePipe &pipe_;
    const std::string host_;
    const ReceiveSettings settings_;
    SnapshotIndex index_;
    std::deque<RemoteTransport> transports_ = {
        RemoteTransport::fabric, RemoteTransport::ssh}; // that may still work, best first
    CopyDevices devices_;
    std::unique_ptr<NixlProcess> nixl_; // null until it is needed, and when it has ended
    bool is_expected_ = false;          // the file that comes, by the helper
    Progress *progress_ = nullptr;      // of fetch()
    std::optional<RemotePlace> place_;  // the same
    std::deque<Wanted> wanted_;
    std::deque<std::unique_ptr<Incoming>> coming_; // in the order in which they were asked for
    std::vector<bool> is_known_;                   // of each entry: it has landed before, and is the same
    std::vector<bool> has_landed_, is_again_;      // of each entry; again: it changed while it came
    Done outcome_;
};

} // namespace gmemfs
