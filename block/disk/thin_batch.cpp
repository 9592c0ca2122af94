#include "block/disk/thin_batch.hpp"

#include <algorithm>
#include <cstring>

namespace gmemfs::block {
namespace {

using Piece = Parts::Piece;

Piece::Use use_of(Request::Kind kind) {
    switch (kind) {
    case Request::Kind::read: return Piece::Use::read;
    case Request::Kind::write:
    case Request::Kind::zero: return Piece::Use::write;
    case Request::Kind::discard: break;
    }
    return Piece::Use::discard;
}

// Of a request, from its byte `done` to where it or the part ends.
Piece piece_of(const Request &request, std::uint64_t done) {
    const std::uint64_t at = request.offset + done, begin = at % kPartSize;
    const std::uint64_t end = std::min(begin + request.length - done, kPartSize);
    return {use_of(request.kind), static_cast<std::uint32_t>(at / kPartSize), begin, end};
}

} // namespace

void ThinBatch::run(std::span<Request> batch) {
    unfinished_ = batch.first(0);
    for (Request &request : batch) {
        unfinished_ = {unfinished_.data(), &request + 1};
        if (request.code == 0) run(request);
    }
    finish();
}

void ThinBatch::run(Request &request) {
    for (std::uint64_t done = 0; request.code == 0 && done < request.length;) {
        const Piece piece = piece_of(request, done);
        const std::uint64_t length = piece.end - piece.begin;
        std::byte *const bytes = has_bytes(request.kind) ? request.bytes + done : nullptr;
        const Parts::Taken taken = take(piece, request);
        if (request.code != 0) return;
        if (taken.state == Parts::Taken::State::mapped)
            request.code = queue_({request.kind, request.offset + done, length, bytes, 0}, taken.address + piece.begin);
        else if (request.kind == Request::Kind::read)
            std::memset(request.bytes + done, 0, length);
        done += length;
    }
}

// Sets the request's code where there is no memory for it, or what was queued before has failed.
Parts::Taken ThinBatch::take(const Piece &piece, Request &request) {
    const auto is_shared = [&](const Parts::Use &use) {
        return use.piece.index == piece.index && use.piece.use != Piece::Use::discard;
    };
    const auto found = std::find_if(taken_.rbegin(), taken_.rend(), is_shared);
    if (piece.use != Piece::Use::discard && found != taken_.rend()) {
        if (piece.use == Piece::Use::write) parts_.mark_written(piece);
        return {Parts::Taken::State::mapped, 0, found->address};
    }
    Parts::Taken taken = parts_.take(piece);
    if (taken.state == Parts::Taken::State::busy) {
        finish();
        if (request.code != 0) return taken;
        unfinished_ = {&request, 1};
        taken = parts_.take_waiting(piece);
    }
    request.code = taken.code;
    if (taken.state == Parts::Taken::State::mapped) {
        taken_.push_back({piece, taken.address, Parts::Outcome::done});
        owners_.push_back(&request);
    }
    return taken;
}

void ThinBatch::finish() {
    if (taken_.empty()) return;
    if (!wait_())
        for (Request &request : unfinished_)
            if (request.code == 0) request.code = EIO;
    for (std::size_t index = 0; index < taken_.size(); ++index)
        if (owners_[index]->code != 0) taken_[index].outcome = Parts::Outcome::failed;
    parts_.give(taken_);
    taken_.clear();
    owners_.clear();
    unfinished_ = {};
}

int wait_for_memory(Parts &parts, const Request &request) {
    if (use_of(request.kind) != Piece::Use::write) return 0;
    for (std::uint64_t done = 0; done < request.length;) {
        const Piece piece = piece_of(request, done);
        if (!parts.has(piece.index))
            if (const int code = parts.wait_for_memory(piece.index); code != 0) return code;
        done += piece.end - piece.begin;
    }
    return 0;
}

} // namespace gmemfs::block
