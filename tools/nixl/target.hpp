// NixlTarget: receives files, piece by piece: into slots and from there into the file, or straight into its memory.
//
// The source chooses a slot and writes it; so what a note claims is checked: that the slot is free, and the bytes are
// of the file. That the right bytes are in it a digest tells, which is the callers'.
#pragma once

#include "tools/nixl/side.hpp"

#include <map>

namespace gmemfs {

/// Not thread-safe.
class NixlTarget final : public NixlSide {
public:
    using NixlSide::NixlSide;
    ~NixlTarget() override;

    void begin(const NixlRequest &request) override;
    bool step() override;
    void give_up(const Error &error) override;
    std::uint64_t moved() const override;
    bool is_busy() const override { return waited_for_ || !files_.empty(); }

private:
    struct Expected {
        NixlToken token{};
        std::unique_ptr<NixlFile> file;
        std::uint64_t size = 0;
        std::vector<NixlRegistered> memory; // empty: by slots
        NixlSlots *slots = nullptr;
        std::string memory_says;
        bool has_begun = false; // the source has said hello
        std::uint64_t total = 0, landed = 0, announced = 0;
        std::uint32_t copies = 0; // under way
        std::string peer;
        NixlClock::time_point heard, spoken;
        std::optional<Error> error;
        bool is_whole() const { return has_begun && landed == total && copies == 0; }
    };

    Result<NixlAnswer> expect(const NixlRequest &request);
    Result<NixlTargetInfo> info_of(const Expected &expected);
    bool take_notes();
    void take_note(std::span<const std::byte> bytes);
    Result<void> take_hello(Expected &expected, const NixlNote &note);
    Result<void> take_piece(std::uint32_t number, Expected &expected, const NixlNote &note);
    bool take_copies();
    Result<void> landed(Expected &expected, std::uint32_t slot, std::uint64_t offset, std::uint64_t length);
    Result<void> check_peer(Expected &expected);
    void fail(Expected &expected, const Error &error);
    void end_wait();
    void close(std::uint32_t number);

    std::map<std::uint32_t, Expected> files_;
    std::optional<std::uint32_t> waited_for_; // finish() has been asked for
    std::optional<NixlSlotTable> taken_plain_, taken_pinned_;
    std::map<std::string, std::vector<std::byte>> peers_; // by name: the metadata that it was met with
};

} // namespace gmemfs
