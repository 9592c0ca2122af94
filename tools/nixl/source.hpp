// NixlSource: sends ranges of a file, piece by piece, several at a time.
//
//     staging    file --copier--> own slot --NIXL writes, with a note--> the target's slot --> its file, a note back
//     device     the file's memory --NIXL writes, with a note--> the target's slot, or its file's memory
//
// Own slots are free again when NIXL has written them, the target's when it says that the piece has landed.
#pragma once

#include "tools/nixl/pieces.hpp"
#include "tools/nixl/side.hpp"

#include <list>

namespace gmemfs {

/// Not thread-safe.
class NixlSource final : public NixlSide {
public:
    using NixlSide::NixlSide;
    ~NixlSource() override;

    void begin(const NixlRequest &request) override;
    bool step() override;
    void give_up(const Error &error) override;
    std::uint64_t moved() const override { return sending_ ? sending_->landed : 0; }
    bool is_busy() const override { return sending_ != nullptr; }

private:
    struct Piece {
        std::uint64_t offset = 0, length = 0;
        std::uint32_t own_slot = kNixlNoSlot, slot = kNixlNoSlot; // slot: the target's
        enum class State { reading, ready, writing, written } state = State::reading;
        std::optional<NixlTransfer> transfer;
        bool has_landed = false;
    };
    struct Sending {
        NixlTargetInfo target;
        std::unique_ptr<NixlFile> file;
        std::vector<NixlRegistered> memory; // empty: by own slots
        NixlSlots *slots = nullptr;         // own; null: straight from the file's memory
        std::string memory_says;
        std::optional<NixlPieces> to_come;
        std::optional<NixlSlotTable> own, theirs;
        std::list<Piece> pieces; // under way, in the order of the file
        std::uint64_t total = 0, landed = 0;
        NixlClock::time_point heard, spoken;
        std::optional<Error> error;
    };

    Result<void> open(const NixlRequest &request);
    Result<void> meet(const NixlTargetInfo &target);
    std::uint64_t piece_limit(std::uint64_t offset) const;
    bool start_pieces();
    bool take_copies();
    Result<bool> write_pieces();
    Result<bool> finish_pieces();
    bool take_notes();
    Result<void> take_note(std::span<const std::byte> bytes);
    Result<void> check_peer();
    Result<void> write(Piece &piece);
    NixlPiece memory_of(std::uint64_t offset, std::uint64_t length) const;
    void end(const Result<void> &result);

    std::unique_ptr<Sending> sending_;
    std::string peer_; // empty: none is known
    std::vector<std::byte> peer_metadata_, own_metadata_;
};

} // namespace gmemfs
