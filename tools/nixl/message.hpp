// NixlMessage: what two helpers say to each other, as values; and their bytes.
//
//     TargetInfo    by the callers' own channel: how the target's helper is reached, and where bytes may be put
//     Note          by NIXL's notifications, which carry no proof of where they come from: so each begins with the
//                   file's token, 16 random bytes that only TargetInfo tells
//
// Whatever a decoder is given, it returns a value whose every field is within its limits, or EPROTO. What a note's
// fields mean for a file (an offset within it, a slot that is free) is checked by whoever takes it. Pure functions:
// thread-safe.
#pragma once

#include "tools/host/byte_range.hpp"
#include "tools/nixl/settings.hpp"
#include "vmm/base/result.hpp"
#include "vmm/base/units.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gmemfs {

using NixlToken = std::array<std::byte, 16>;

inline constexpr std::uint64_t kNixlFileMost = std::uint64_t(1) << 62; ///< bytes of a file
inline constexpr std::uint64_t kNixlSlotMost = 64 * MiB;
inline constexpr std::uint32_t kNixlSlotsMost = 256;
inline constexpr std::size_t kNixlRegionsMost = 512;
inline constexpr std::uint32_t kNixlNoSlot = 0xffffffff; ///< of a piece that went straight into the file's memory

/// Memory of the target's device that bytes [offset, offset + length) of the file lie in: one registration.
struct NixlTargetRegion {
    std::uint64_t offset = 0, length = 0, address = 0, device = 0;
    bool operator==(const NixlTargetRegion &) const = default;
};

/// What expect() says. Either slots or regions are there: regions follow each other from byte 0 to `size`.
struct NixlTargetInfo {
    NixlToken token{};
    std::uint64_t size = 0; ///< of the file
    std::uint64_t slots_address = 0, slot_size = 0;
    std::uint32_t slot_count = 0;
    std::vector<NixlTargetRegion> regions;
    std::vector<std::byte> metadata; ///< NIXL's, of the target's agent
    bool operator==(const NixlTargetInfo &) const = default;
};

/// S: the source says it, T: the target does.
struct NixlNote {
    enum class Kind : std::uint8_t {
        hello = 1,  ///< S, first: `total` bytes will come; how the source's agent is reached
        piece = 2,  ///< S, with a write: bytes of the file, and the slot that they are in
        landed = 3, ///< T: these bytes are in the file, and the slot is free
        alive = 4,  ///< both, now and then, so that each notices when the other one has gone
        failed = 5, ///< both, last: why this ends
    };
    NixlToken token{};
    Kind kind = Kind::alive;
    std::uint64_t total = 0;                           // of hello
    std::vector<std::byte> metadata;                   // of hello
    std::uint32_t slot = kNixlNoSlot;                  // of piece and landed
    std::uint64_t offset = 0, length = 0;              // of piece and landed
    std::int32_t code = 0;                             // of failed: an errno
    std::string text;                                  // of failed
    bool operator==(const NixlNote &) const = default; ///< field by field
};

std::vector<std::byte> encode(const NixlTargetInfo &info);
std::vector<std::byte> encode(const NixlNote &note);
Result<NixlTargetInfo> decode_nixl_target(std::span<const std::byte> bytes);
Result<NixlNote> decode_nixl_note(std::span<const std::byte> bytes);

/// What a caller tells its helper, and what it answers.
struct NixlRequest {
    enum class Kind : std::uint8_t { expect = 1, finish = 2, send = 3, close = 4, cancel = 5 };
    Kind kind = Kind::cancel;
    std::uint32_t file = 0;
    std::string path;              // of expect and send
    std::uint64_t size = 0;        // of expect
    std::vector<ByteRange> ranges; // of send
    std::vector<std::byte> target; // of send: what expect() said
    bool operator==(const NixlRequest &) const = default;
};

struct NixlAnswer {
    enum class Kind : std::uint8_t { ready = 1, moved = 2, done = 3, failed = 4 };
    Kind kind = Kind::ready;
    std::uint64_t bytes = 0;     // of moved: so far
    std::string memory;          // of done: how the bytes go, for people
    std::vector<std::byte> says; // of done: to expect()
    std::int32_t code = 0;       // of failed
    std::string text;            // of failed: what was being done, and on what
    bool operator==(const NixlAnswer &) const = default;
};

inline constexpr std::size_t kNixlRangesMost = 32768;

std::vector<std::byte> encode(const NixlRequest &request);
std::vector<std::byte> encode(const NixlAnswer &answer);
Result<NixlRequest> decode_nixl_request(std::span<const std::byte> bytes);
Result<NixlAnswer> decode_nixl_answer(std::span<const std::byte> bytes);

/// The answer's words for an error, and an error made of them.
NixlAnswer failure_of(const Error &error);
/// "write to device: model: out of memory", without what the errno means.
std::string words_of(const Error &error);

} // namespace gmemfs
