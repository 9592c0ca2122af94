#include "tools/nixl/source.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

constexpr std::size_t kPiecesMost = 8; // under way where no slots limit them

std::vector<std::byte> note(const NixlToken &token, NixlNote::Kind kind) {
    NixlNote note;
    note.token = token;
    note.kind = kind;
    return encode(note);
}

// The region that holds the byte; there is one.
const NixlTargetRegion &region_at(const std::vector<NixlTargetRegion> &regions, std::uint64_t offset) {
    const auto behind = std::upper_bound(regions.begin(), regions.end(), offset,
        [](std::uint64_t at, const NixlTargetRegion &region) { return at < region.offset; });
    GMEMFS_ASSERT(behind != regions.begin());
    return *std::prev(behind);
}

std::uint64_t left_in(const NixlTargetRegion &region, std::uint64_t offset) {
    return region.offset + region.length - offset;
}

NixlPiece piece_in(const NixlTargetRegion &region, std::uint64_t offset, std::uint64_t length) {
    return {NixlMemory::device, region.address + (offset - region.offset), length, region.device};
}

} // namespace

NixlSource::~NixlSource() { copiers_.drain(); }

void NixlSource::begin(const NixlRequest &request) {
    if (request.kind != NixlRequest::Kind::send || sending_)
        return answer(Error{EPROTO, 0, "send a file", "this helper is a source, and sends one file at a time"});
    sending_ = std::make_unique<Sending>();
    const Result<void> opened = open(request);
    if (!opened) end(opened);
}

Result<void> NixlSource::open(const NixlRequest &request) {
    Sending &sending = *sending_;
    if (own_metadata_.empty()) own_metadata_ = TRY(agent_.metadata()); // before there are slots: a peer needs none
    sending.target = TRY(decode_nixl_target(request.target));
    sending.file = TRY(NixlFile::open(devices_, request.path, NixlFile::Access::read));
    for (const ByteRange &range : request.ranges) {
        const std::uint64_t end = range.offset + range.length;
        if (end > sending.target.size) return Error{EINVAL, 0, "send a file", "a range lies outside the target"};
        if (end > sending.file->size()) return Error{EIO, 0, "send a file", request.path + " is shorter by now"};
        sending.total += range.length;
    }
    sending.memory = TRY(register_memory(*sending.file, sending.memory_says));
    if (sending.memory.empty()) sending.slots = TRY(slots_for(*sending.file));
    if (sending.slots != nullptr) sending.own.emplace(sending.slots->shape().count);
    if (sending.target.regions.empty()) sending.theirs.emplace(sending.target.slot_count);
    sending.to_come.emplace(request.ranges, [this](std::uint64_t offset) { return piece_limit(offset); });
    TRY(meet(sending.target));
    sending.heard = sending.spoken = NixlClock::now();
    NixlNote hello;
    hello.token = sending.target.token;
    hello.kind = NixlNote::Kind::hello;
    hello.total = sending.total;
    hello.metadata = own_metadata_;
    return agent_.send_note(peer_, encode(hello));
}

Result<void> NixlSource::meet(const NixlTargetInfo &target) {
    if (!peer_.empty() && target.metadata == peer_metadata_) return {};
    const std::string known = std::exchange(peer_, {});
    peer_ = TRY(agent_.meet(known, target.metadata));
    peer_metadata_ = target.metadata;
    return {};
}

std::uint64_t NixlSource::piece_limit(std::uint64_t offset) const {
    const Sending &sending = *sending_;
    std::uint64_t limit = kNixlSlotMost;
    if (sending.slots != nullptr) limit = std::min(limit, sending.slots->shape().size);
    for (const NixlRegistered &memory : sending.memory)
        if (offset - memory.region.offset < memory.region.length)
            limit = std::min(limit, left_in(memory.region, offset));
    if (sending.target.regions.empty()) return std::min(limit, sending.target.slot_size);
    return std::min(limit, left_in(region_at(sending.target.regions, offset), offset));
}

NixlPiece NixlSource::memory_of(std::uint64_t offset, std::uint64_t length) const {
    const auto found = std::find_if(sending_->memory.begin(), sending_->memory.end(),
        [&](const NixlRegistered &one) { return offset - one.region.offset < one.region.length; });
    GMEMFS_ASSERT(found != sending_->memory.end());
    return piece_in(found->region, offset, length);
}

bool NixlSource::step() {
    if (!sending_) {
        (void)agent_.take_notes([](const std::string &, std::span<const std::byte>) {});
        return false;
    }
    bool has_moved = take_notes();
    has_moved = take_copies() || has_moved;
    Result<bool> written = write_pieces();
    if (written) has_moved = *written || has_moved;
    Result<bool> finished = written ? finish_pieces() : Result<bool>(false);
    if (finished) has_moved = *finished || has_moved;
    has_moved = start_pieces() || has_moved;
    if (!sending_->error && !written) sending_->error = written.error();
    if (!sending_->error && !finished) sending_->error = finished.error();
    if (!sending_->error)
        if (const Result<void> checked = check_peer(); !checked) sending_->error = checked.error();
    if (sending_->error) {
        end(*sending_->error);
        return true;
    }
    if (sending_->landed == sending_->total && sending_->pieces.empty()) end({});
    return has_moved;
}

bool NixlSource::start_pieces() {
    Sending &sending = *sending_;
    bool has_moved = false;
    while (!sending.to_come->is_done()) {
        Piece piece;
        if (sending.slots == nullptr && sending.pieces.size() >= kPiecesMost) break;
        if (sending.slots != nullptr) {
            const std::optional<std::uint32_t> slot = sending.own->take();
            if (!slot) break;
            piece.own_slot = *slot;
        }
        const ByteRange range = *sending.to_come->next();
        piece.offset = range.offset;
        piece.length = range.length;
        if (sending.slots == nullptr)
            piece.state = Piece::State::ready;
        else
            copiers_.queue({0, sending.file.get(), NixlFile::Access::read, piece.own_slot, piece.offset,
                sending.slots->bytes(piece.own_slot, piece.length)});
        sending.pieces.push_back(std::move(piece));
        has_moved = true;
    }
    return has_moved;
}

bool NixlSource::take_copies() {
    bool has_moved = false;
    while (const std::optional<NixlCopiers::Done> done = copiers_.take()) {
        has_moved = true;
        if (done->error && !sending_->error) sending_->error = done->error;
        for (Piece &piece : sending_->pieces)
            if (piece.offset == done->job.offset && piece.state == Piece::State::reading)
                piece.state = Piece::State::ready;
    }
    return has_moved;
}

Result<bool> NixlSource::write_pieces() {
    bool has_moved = false;
    for (Piece &piece : sending_->pieces) {
        if (piece.state != Piece::State::ready) continue;
        if (sending_->theirs) {
            const std::optional<std::uint32_t> slot = sending_->theirs->take();
            if (!slot) break;
            piece.slot = *slot;
        }
        TRY(write(piece));
        has_moved = true;
    }
    return has_moved;
}

Result<void> NixlSource::write(Piece &piece) {
    const NixlTargetInfo &target = sending_->target;
    const NixlPiece local = sending_->slots != nullptr ? sending_->slots->piece(piece.own_slot, piece.length)
                                                       : memory_of(piece.offset, piece.length);
    const NixlPiece remote =
        piece.slot == kNixlNoSlot
            ? piece_in(region_at(target.regions, piece.offset), piece.offset, piece.length)
            : NixlPiece{NixlMemory::host, target.slots_address + piece.slot * target.slot_size, piece.length, 0};
    NixlNote note;
    note.token = target.token;
    note.kind = NixlNote::Kind::piece;
    note.slot = piece.slot;
    note.offset = piece.offset;
    note.length = piece.length;
    piece.transfer.emplace(TRY(agent_.write(peer_, local, remote, encode(note))));
    piece.state = Piece::State::writing;
    sending_->spoken = NixlClock::now();
    return {};
}

Result<bool> NixlSource::finish_pieces() {
    bool has_moved = false;
    for (auto piece = sending_->pieces.begin(); piece != sending_->pieces.end();) {
        if (piece->state == Piece::State::writing && TRY(piece->transfer->is_done())) {
            piece->transfer.reset();
            piece->state = Piece::State::written;
            if (sending_->own) sending_->own->give(piece->own_slot);
            has_moved = true;
        }
        if (piece->state == Piece::State::written && piece->has_landed)
            piece = sending_->pieces.erase(piece);
        else
            ++piece;
    }
    return has_moved;
}

bool NixlSource::take_notes() {
    const Result<std::size_t> taken = agent_.take_notes([this](const std::string &, std::span<const std::byte> bytes) {
        const Result<void> understood = take_note(bytes);
        if (!understood && !sending_->error) sending_->error = understood.error();
    });
    if (!taken && !sending_->error) sending_->error = taken.error();
    return taken && *taken > 0;
}

// A note of another file, or of nobody that was told the token, is passed over.
Result<void> NixlSource::take_note(std::span<const std::byte> bytes) {
    const Result<NixlNote> note = decode_nixl_note(bytes);
    if (!note || note->token != sending_->target.token) return {};
    sending_->heard = NixlClock::now();
    if (note->kind == NixlNote::Kind::alive) return {};
    if (note->kind == NixlNote::Kind::failed) return Error{ECONNRESET, 0, "send a file", "the target: " + note->text};
    if (note->kind != NixlNote::Kind::landed) return Error{EPROTO, 0, "send a file", "the target speaks as a source"};
    const auto piece = std::find_if(sending_->pieces.begin(), sending_->pieces.end(), [&](const Piece &one) {
        return one.offset == note->offset && one.length == note->length && one.slot == note->slot && !one.has_landed &&
               (one.state == Piece::State::writing || one.state == Piece::State::written);
    });
    if (piece == sending_->pieces.end()) return Error{EPROTO, 0, "send a file", "the target has what wasn't sent"};
    piece->has_landed = true;
    sending_->landed += piece->length;
    if (sending_->theirs) sending_->theirs->give(piece->slot);
    return {};
}

Result<void> NixlSource::check_peer() {
    const NixlClock::time_point now = NixlClock::now();
    if (now - sending_->heard > kNixlSilent) return Error{ECONNRESET, 0, "send a file", "the target's host is silent"};
    if (now - sending_->spoken < kNixlAlive) return {};
    sending_->spoken = now;
    return agent_.send_note(peer_, note(sending_->target.token, NixlNote::Kind::alive));
}

void NixlSource::give_up(const Error &error) {
    if (sending_) end(error);
}

void NixlSource::end(const Result<void> &result) {
    copiers_.drain();
    while (copiers_.take()) {}
    if (!result && !peer_.empty()) {
        NixlNote failed;
        failed.token = sending_->target.token;
        failed.kind = NixlNote::Kind::failed;
        failed.code = result.error().code;
        failed.text = words_of(result.error());
        (void)agent_.send_note(peer_, encode(failed));
        // What is under way to it still reads the slots: it must go with the connection.
        sending_->pieces.clear();
        agent_.forget(std::exchange(peer_, {}));
    }
    NixlAnswer done;
    done.kind = NixlAnswer::Kind::done;
    done.bytes = sending_->landed;
    done.memory = sending_->memory_says;
    answer(result ? Result<NixlAnswer>(done) : Result<NixlAnswer>(result.error()));
    sending_.reset();
}

} // namespace gmemfs
