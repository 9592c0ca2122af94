#include "tools/remote/receiver.hpp"

#include "tools/host/command.hpp"
#include "tools/remote/fabric.hpp"
#include "tools/remote/tree_watch.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <unistd.h>

namespace gmemfs {
namespace {

Error senseless(const char *what) { return Error{EPROTO, 0, "read from the other host", what}; }

} // namespace

void RemoteReceiver::complain(const Error &error) {
    if (progress_ != nullptr) progress_->finish();
    (void)fail(error);
    ++outcome_.failures;
}

Result<void> RemoteReceiver::list(const std::string &path) {
    TRY(pipe_.send(FrameKind::list, encode(List{settings_.recursive, path})));
    Frame frame;
    for (;;) {
        const Result<void> came = pipe_.receive(frame);
        if (!came) return about(host_ + path, came.error());
        if (frame.kind == FrameKind::listed) break;
        if (frame.kind == FrameKind::warning) {
            complain(Error { EACCES, 0, "fetch", host_ + TRY(decode_warning(frame)) });
            continue;
        }
        TRY(index_.add(TRY(decode_listed_entry(frame))));
    }
    const std::vector<SnapshotEntry> &entries = index_.entries();
    if (TRY(decode_listed(frame)).entries != entries.size()) return senseless("a list that isn't whole");
    if (entries.size() > 1 && !entries.front().is_folder()) return senseless("names in what is no folder");
    if (entries.front().is_folder() && !settings_.recursive) return senseless("a folder that nobody has asked for");
    return {};
}

std::uint64_t RemoteReceiver::size() const {
    std::uint64_t total = 0;
    for (std::size_t index = 0; index < index_.entries().size(); ++index) {
        const SnapshotEntry &entry = index_.entries()[index];
        total += entry.is_file() && !is_known(index) ? entry.size : 0;
    }
    return total;
}

bool RemoteReceiver::is_known(std::size_t index) const { return !is_known_.empty() && is_known_[index]; }

void RemoteReceiver::leave_out_what(const RemoteReceiver &before) {
    std::map<std::string, const SnapshotEntry *> landed;
    const std::vector<SnapshotEntry> &old = before.index_.entries(), &entries = index_.entries();
    for (std::size_t index = 0; index < old.size(); ++index)
        if (before.has_landed_[index]) landed.emplace(path_of(old, index), &old[index]);
    is_known_.assign(entries.size(), false);
    for (std::size_t index = 0; index < entries.size(); ++index) {
        const auto found = landed.find(path_of(entries, index));
        if (found == landed.end() || !entries[index].is_file()) continue;
        SnapshotEntry now = entries[index], then = *found->second;
        now.parent = then.parent = 0; // their places in the list
        is_known_[index] = is_same_state({then}, {now});
    }
}

Result<void> RemoteReceiver::wait_for_change() {
    TRY(pipe_.send(FrameKind::watch, {}));
    Frame frame;
    TRY(pipe_.receive(frame));
    return decode_empty(frame, FrameKind::changed);
}

Result<Done> RemoteReceiver::fetch(const std::string &target, Progress &progress) {
    progress_ = &progress;
    const std::vector<SnapshotEntry> &entries = index_.entries();
    place_.emplace(TRY(
        RemotePlace::create(target, entries, settings_.attributes, [this](const Error &error) { complain(error); })));
    TRY(place_->make_folders());
    has_landed_.assign(entries.size(), false);
    is_again_.assign(entries.size(), false);
    for (std::uint32_t index = 0; index < entries.size(); ++index) {
        if (!entries[index].is_file() || !place_->is_wanted(index)) continue;
        if (is_known(index))
            has_landed_[index] = true;
        else
            wanted_.push_back({index, entries[index].size});
    }
    Frame frame;
    for (TRY(ask_for_more()); !coming_.empty(); TRY(ask_for_more())) {
        TRY(pipe_.receive(frame));
        TRY(take(frame));
    }
    outcome_.moving_seconds = progress.seconds();
    TRY(place_->finish([this](std::size_t index) { return has_landed_[index]; }));
    return outcome_;
}

// While the source sends, it reads nothing: what is asked for in advance has to fit into the pipe. So digests of pieces
// are sent alone, and so is what comes past the pipe.
Result<void> RemoteReceiver::ask_for_more() {
    while (!wanted_.empty() && coming_.size() < kSmallAtOnce) {
        const bool is_small = wanted_.front().size <= kDataMost && !settings_.resume;
        const bool waits = !coming_.empty() && (!is_small || !coming_.back()->is_small());
        if (waits) return {};
        const Wanted wanted = wanted_.front();
        wanted_.pop_front();
        TRY(begin(wanted));
    }
    return {};
}

Result<void> RemoteReceiver::begin(const Wanted &wanted) {
    const SnapshotEntry &entry = index_.entries()[wanted.entry];
    const auto make = [&]() -> Result<std::unique_ptr<Incoming>> {
        Fd folder = TRY(place_->open_folder_of(wanted.entry));
        const Incoming::Start start = settings_.resume ? Incoming::Start::with_what_is_there : Incoming::Start::empty;
        return Incoming::create(
            wanted.entry, std::move(folder), place_->name_of(wanted.entry), entry.mode, wanted.size, start);
    };
    Result<std::unique_ptr<Incoming>> made = make();
    if (!made && made.error().code == EINTR) return Error(made.error());
    if (!made) return complain(about(place_->shown(wanted.entry), made.error())), Result<void>();
    (*made)->come_by(transport_for(wanted.size));
    while ((*made)->transport() == RemoteTransport::nixl) {
        const Result<void> expected = expect(**made);
        if (expected) break;
        if (expected.error().code == EINTR) return Error(expected.error());
        if (expected.error().code == ENOSPC)
            return complain(about(place_->shown(wanted.entry), expected.error())), Result<void>();
        if (!drop_transport(**made, expected.error())) return {};
        (*made)->come_by(transport_for(wanted.size));
    }
    progress_->start_file(place_->shown(wanted.entry));
    TRY(pipe_.send(FrameKind::fetch, encode((*made)->request())));
    coming_.push_back(*std::move(made));
    return {};
}

Result<void> RemoteReceiver::take(Frame &frame) {
    Incoming &file = *coming_.front();
    const auto belongs = [&](std::uint32_t entry) {
        return entry == file.entry() ? Result<void>() : senseless("another file than the next one");
    };
    if (frame.kind == FrameKind::data) {
        const Data data = TRY(decode_data(frame));
        TRY(belongs(data.entry));
        progress_->add(data.bytes.size());
        return file.take(data);
    }
    if (frame.kind == FrameKind::coming) {
        const Coming opened = TRY(decode_coming(frame));
        TRY(belongs(opened.entry));
        return open(file, opened);
    }
    const Sent sent = TRY(decode_sent(frame));
    TRY(belongs(sent.entry));
    const std::unique_ptr<Incoming> ended = std::move(coming_.front());
    coming_.pop_front();
    if (is_expected_) TRY(finish_nixl(*ended, sent));
    const std::string said = host_.empty() ? sent.text : host_ + " " + sent.text;
    if (ended->unusable()) return give_up_transport(*ended, *ended->unusable()), Result<void>();
    switch (sent.state) {
    case Sent::State::whole: return land(*ended, sent.text);
    case Sent::State::changed: return again(*ended), Result<void>();
    case Sent::State::unusable:
        if (ended->has_failed())
            return complain(about(place_->shown(ended->entry()), ended->failure())), Result<void>();
        return give_up_transport(*ended, Error{sent.code, 0, kOtherHost, said}), Result<void>();
    case Sent::State::failed: break;
    }
    complain(Error{sent.code, 0, kOtherHost, said});
    return {};
}

// What fits into one frame goes with the others. A smaller file than 4 MiB isn't worth a mapping, which costs as much.
RemoteTransport RemoteReceiver::transport_for(std::uint64_t size) const {
    constexpr std::uint64_t kWorthMapping = 4 * MiB;
    return transports_.empty() || size < kWorthMapping ? RemoteTransport::ssh : transports_.front();
}

// Of a file whose bytes come past the channel: takes them. A transport that fails here is told apart from a file that
// does: it is given up when the source has ended the file.
Result<void> RemoteReceiver::open(Incoming &file, const Coming &opened) {
    TRY(file.open(opened, *progress_));
    if (file.transport() != RemoteTransport::nixl && is_expected_) {
        is_expected_ = false; // it comes otherwise
        (void)nixl_->close(file.entry());
    }
    if (file.transport() != RemoteTransport::fabric) return {};
    if (!file.has_failed() && !file.is_there()) {
        const Result<void> copied =
            copy_by_fabric(devices_, opened.transport_says, opened.ranges(), file.landing().opened(), *progress_);
        if (!copied && (copied.error().code == EINTR || copied.error().code == EPROTO)) return Error(copied.error());
        if (!copied) file.give_up(copied.error());
    }
    file.take_all();
    return pipe_.send(FrameKind::taken, encode(Taken{file.entry()}));
}

// The helper of this end gets ready; what it says goes to the other one with the request.
Result<void> RemoteReceiver::expect(Incoming &file) {
    TRY(file.make_room_early());
    if (nixl_ == nullptr) nixl_ = TRY(NixlProcess::start(NixlProcess::Role::target, {}));
    const std::string path = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file.landing().fd());
    Result<std::vector<std::byte>> says = nixl_->expect(file.entry(), path, file.size());
    if (!says) return nixl_.reset(), Error(says.error());
    file.say(*std::move(says));
    is_expected_ = true;
    return {};
}

// The source has sent all, and its helper says that this one has it; or it has given up.
Result<void> RemoteReceiver::finish_nixl(Incoming &file, const Sent &sent) {
    is_expected_ = false;
    if (sent.state == Sent::State::unusable) {
        // What this end's helper has met is the reason, where it is the file's.
        const Result<void> met = nixl_->finish(file.entry(), [](std::uint64_t) { return false; });
        const int code = met ? 0 : met.error().code;
        if (code == EPIPE) nixl_.reset();
        if (code == ENOSPC || code == EDQUOT || code == EFBIG) file.fail(met.error());
        return {};
    }
    if (sent.state != Sent::State::whole || file.has_failed() || file.is_complete()) {
        if (!nixl_->close(file.entry())) nixl_.reset();
        return {};
    }
    std::uint64_t told = 0;
    const auto watch = [&](std::uint64_t bytes) {
        if (bytes > told) progress_->add(bytes - told);
        told = std::max(told, bytes);
        return !is_interrupted();
    };
    const Progress::Moving moving(*progress_);
    const Result<void> finished = nixl_->finish(file.entry(), watch);
    if (finished) return file.take_all(), Result<void>();
    nixl_.reset();
    if (finished.error().code == EINTR) return Error(finished.error());
    file.give_up(finished.error());
    return {};
}

// Whether another transport takes the file, and those after it. One that was asked for by name has none after it.
bool RemoteReceiver::drop_transport(const Incoming &file, const Error &error) {
    if (settings_.via || file.transport() == RemoteTransport::ssh) {
        const std::string what =
            std::string(name_of(file.transport())) + " can't be used for " + place_->shown(file.entry());
        return complain(about(what, error)), false;
    }
    if (!transports_.empty() && transports_.front() == file.transport()) {
        transports_.pop_front();
        progress_->finish();
        // A source or a target that is no mount is nothing to wonder about.
        if (error.code != ENOTTY)
            std::fprintf(stderr, "gmemfs: %s can't be used, going on by %s: %s\n", name_of(file.transport()),
                name_of(transport_for(file.size())), error.text().c_str());
    }
    return true;
}

void RemoteReceiver::give_up_transport(const Incoming &file, const Error &error) {
    if (drop_transport(file, error)) wanted_.push_front({file.entry(), file.size()});
}

// A file that somebody writes to all the time is given up.
void RemoteReceiver::again(const Incoming &file) {
    const std::uint32_t entry = file.entry();
    if (!is_again_[entry]) {
        is_again_[entry] = true;
        wanted_.push_front({entry, file.size()});
        return;
    }
    complain(Error{ESTALE, 0, "fetch", place_->shown(entry) + ": it changes there while it is read, twice by now"});
}

Result<void> RemoteReceiver::land(Incoming &file, const std::string &digest) {
    const std::uint32_t index = file.entry();
    const Result<void> checked = file.check(digest);
    if (!checked) {
        const int code = checked.error().code;
        if (code == EPROTO || code == EINTR) return Error(checked.error());
        // Bytes that a peer writes through its mapping change nothing that stat(2) tells.
        if (code == EBADMSG && !is_again_[index]) return again(file), Result<void>();
        return complain(about(place_->shown(index), checked.error())), Result<void>();
    }
    outcome_.bytes += file.bytes();
    if (!file.is_small()) outcome_.transport = file.transport();
    if (file.is_there()) {
        ++outcome_.files_there;
        has_landed_[index] = true;
        return {};
    }
    const Result<std::size_t> left_out = file.landing().publish(index_.entries()[index], settings_.attributes);
    if (!left_out) return complain(about(place_->shown(index), left_out.error())), Result<void>();
    outcome_.attributes_left_out += *left_out;
    ++outcome_.files;
    has_landed_[index] = true;
    return {};
}

} // namespace gmemfs
