#include "tools/nixl/target.hpp"

#include "vmm/base/secret.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

Error nonsense(const char *what) { return Error{EPROTO, 0, "receive a file", what}; }

} // namespace

NixlTarget::~NixlTarget() { copiers_.drain(); }

void NixlTarget::begin(const NixlRequest &request) {
    const auto found = files_.find(request.file);
    const Error unknown = {ENOENT, 0, "receive a file", "no file of this number is expected"};
    switch (request.kind) {
    case NixlRequest::Kind::expect: return answer(expect(request));
    case NixlRequest::Kind::finish:
        if (found == files_.end()) return answer(unknown);
        waited_for_ = request.file;
        return;
    case NixlRequest::Kind::close:
        if (found == files_.end()) return answer(unknown);
        fail(found->second, {ECANCELED, 0, "receive a file", "given up"});
        close(request.file);
        return answer(NixlAnswer{NixlAnswer::Kind::done, 0, {}, {}, 0, {}});
    default: return answer(nonsense("this helper is a target"));
    }
}

Result<NixlAnswer> NixlTarget::expect(const NixlRequest &request) {
    if (files_.count(request.file) != 0) return nonsense("a file of this number is expected already");
    Expected expected;
    const Secret secret = TRY(make_secret());
    std::transform(secret.begin(), secret.begin() + 16, expected.token.begin(),
        [](std::uint8_t byte) { return static_cast<std::byte>(byte); });
    expected.file = TRY(NixlFile::open(devices_, request.path, NixlFile::Access::write));
    expected.size = request.size;
    if (expected.file->size() < request.size) return Error{EINVAL, 0, "receive a file", request.path + " is too short"};
    expected.memory = TRY(register_memory(*expected.file, expected.memory_says));
    if (expected.memory.empty()) {
        expected.slots = TRY(slots_for(*expected.file));
        std::optional<NixlSlotTable> &taken = expected.slots->is_pinned() ? taken_pinned_ : taken_plain_;
        if (!taken) taken.emplace(expected.slots->shape().count);
    }
    NixlAnswer done;
    done.kind = NixlAnswer::Kind::done;
    done.memory = expected.memory_says;
    done.says = encode(TRY(info_of(expected)));
    if (done.says.size() > kNixlTargetMost) return Error{ENOTSUP, 0, "receive a file", "NIXL's metadata is too large"};
    files_.emplace(request.file, std::move(expected));
    return done;
}

Result<NixlTargetInfo> NixlTarget::info_of(const Expected &expected) {
    NixlTargetInfo info;
    info.token = expected.token;
    info.size = expected.size;
    if (expected.slots != nullptr) {
        info.slots_address = expected.slots->address();
        info.slot_size = expected.slots->shape().size;
        info.slot_count = expected.slots->shape().count;
    }
    for (const NixlRegistered &memory : expected.memory) info.regions.push_back(memory.region);
    info.metadata = TRY(agent_.metadata());
    return info;
}

bool NixlTarget::step() {
    bool has_moved = take_notes();
    has_moved = take_copies() || has_moved;
    for (auto &[number, expected] : files_)
        if (!expected.error && expected.has_begun && !expected.is_whole())
            if (const Result<void> checked = check_peer(expected); !checked) fail(expected, checked.error());
    if (waited_for_) end_wait();
    return has_moved;
}

bool NixlTarget::take_notes() {
    const Result<std::size_t> taken =
        agent_.take_notes([this](const std::string &, std::span<const std::byte> bytes) { take_note(bytes); });
    return taken && *taken > 0;
}

// A note that no expected file's token begins is of nobody that was told one: it is passed over.
void NixlTarget::take_note(std::span<const std::byte> bytes) {
    const Result<NixlNote> note = decode_nixl_note(bytes);
    if (!note) return;
    const auto found =
        std::find_if(files_.begin(), files_.end(), [&](const auto &one) { return one.second.token == note->token; });
    if (found == files_.end() || found->second.error) return;
    auto &[number, expected] = *found;
    expected.heard = NixlClock::now();
    Result<void> taken;
    switch (note->kind) {
    case NixlNote::Kind::hello: taken = take_hello(expected, *note); break;
    case NixlNote::Kind::piece: taken = take_piece(number, expected, *note); break;
    case NixlNote::Kind::alive: break;
    case NixlNote::Kind::failed:
        expected.error = Error{ECONNRESET, 0, "receive a file", "the source: " + note->text};
        break;
    default: taken = nonsense("the source speaks as a target");
    }
    if (!taken) fail(expected, taken.error());
}

Result<void> NixlTarget::take_hello(Expected &expected, const NixlNote &note) {
    if (expected.has_begun) return nonsense("the source begins twice");
    const auto known =
        std::find_if(peers_.begin(), peers_.end(), [&](const auto &peer) { return peer.second == note.metadata; });
    if (known != peers_.end()) {
        expected.peer = known->first;
    } else {
        expected.peer = TRY(agent_.meet({}, note.metadata));
        peers_[expected.peer] = note.metadata;
    }
    expected.has_begun = true;
    expected.total = note.total;
    expected.spoken = NixlClock::now();
    return {};
}

Result<void> NixlTarget::take_piece(std::uint32_t number, Expected &expected, const NixlNote &note) {
    if (!expected.has_begun) return nonsense("bytes come before the source's beginning");
    if (note.length > expected.size || note.offset > expected.size - note.length)
        return nonsense("bytes behind the file's end");
    if (note.length > expected.total - expected.announced) return nonsense("more bytes than were announced");
    expected.announced += note.length;
    if (expected.slots == nullptr) {
        if (note.slot != kNixlNoSlot) return nonsense("a slot where there are none");
        return landed(expected, note.slot, note.offset, note.length);
    }
    NixlSlotTable &taken = expected.slots->is_pinned() ? *taken_pinned_ : *taken_plain_;
    if (note.length > expected.slots->shape().size) return nonsense("a piece that is larger than its slot");
    if (!taken.take(note.slot)) return nonsense("a slot that isn't free");
    ++expected.copies;
    copiers_.queue({number, expected.file.get(), NixlFile::Access::write, note.slot, note.offset,
        expected.slots->bytes(note.slot, note.length)});
    return {};
}

bool NixlTarget::take_copies() {
    bool has_moved = false;
    while (const std::optional<NixlCopiers::Done> done = copiers_.take()) {
        has_moved = true;
        const auto found = files_.find(done->job.file_number);
        GMEMFS_ASSERT(found != files_.end()); // close() takes what it has
        Expected &expected = found->second;
        --expected.copies;
        NixlSlotTable &taken = expected.slots->is_pinned() ? *taken_pinned_ : *taken_plain_;
        taken.give(done->job.slot);
        if (expected.error) continue;
        const Result<void> told = done->error
                                      ? Result<void>(*done->error)
                                      : landed(expected, done->job.slot, done->job.offset, done->job.bytes.size());
        if (!told) fail(expected, told.error());
    }
    return has_moved;
}

Result<void> NixlTarget::landed(Expected &expected, std::uint32_t slot, std::uint64_t offset, std::uint64_t length) {
    expected.landed += length;
    NixlNote note;
    note.token = expected.token;
    note.kind = NixlNote::Kind::landed;
    note.slot = slot;
    note.offset = offset;
    note.length = length;
    expected.spoken = NixlClock::now();
    return agent_.send_note(expected.peer, encode(note));
}

Result<void> NixlTarget::check_peer(Expected &expected) {
    const NixlClock::time_point now = NixlClock::now();
    if (now - expected.heard > kNixlSilent)
        return Error{ECONNRESET, 0, "receive a file", "the source's host is silent"};
    if (now - expected.spoken < kNixlAlive) return {};
    expected.spoken = now;
    NixlNote alive;
    alive.token = expected.token;
    return agent_.send_note(expected.peer, encode(alive));
}

void NixlTarget::fail(Expected &expected, const Error &error) {
    if (expected.error) return;
    expected.error = error;
    if (expected.peer.empty()) return;
    NixlNote failed;
    failed.token = expected.token;
    failed.kind = NixlNote::Kind::failed;
    failed.code = error.code;
    failed.text = words_of(error);
    (void)agent_.send_note(expected.peer, encode(failed));
}

void NixlTarget::end_wait() {
    const std::uint32_t number = *waited_for_;
    Expected &expected = files_.at(number);
    if (!expected.error && !expected.is_whole()) return;
    NixlAnswer done;
    done.kind = NixlAnswer::Kind::done;
    done.bytes = expected.landed;
    done.memory = expected.memory_says;
    Result<void> ended = expected.error ? Result<void>(*expected.error) : expected.file->seal();
    close(number);
    waited_for_.reset();
    answer(ended ? Result<NixlAnswer>(done) : Result<NixlAnswer>(ended.error()));
}

void NixlTarget::give_up(const Error &error) {
    if (!waited_for_) return;
    fail(files_.at(*waited_for_), error);
    end_wait();
}

void NixlTarget::close(std::uint32_t number) {
    copiers_.drain();
    (void)take_copies();
    const Expected &expected = files_.at(number);
    if (expected.error && peers_.erase(expected.peer) > 0) agent_.forget(expected.peer);
    files_.erase(number);
}

std::uint64_t NixlTarget::moved() const { return waited_for_ ? files_.at(*waited_for_).landed : 0; }

} // namespace gmemfs
