// BlockTable, its format: blocks of a process's pool, in a memory file that the process writes and the server reads.
//
//     0          BlockHeader
//     4096       Row[kRowsMax]      one a file of the pool
//     behind     Slot[kSlotsMax]    one a block of an arena, in no order
//
// A hole for what was never used, so that the file takes as much memory as there are blocks. All words are atomic, and
// a slot is changed while others read: its first two words belong together where their tags agree.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gmemfs::block_table {

inline constexpr std::uint64_t kMagic = 0x31534b4c42464d47; ///< "GMFBLKS1"
inline constexpr std::uint64_t kUnit = 512;                 ///< bytes: blocks begin at multiples of it
inline constexpr std::uint64_t kRowsMax = (1 << 16) - 1, kSlotsMax = 1 << 22;

struct BlockHeader {
    std::uint64_t magic;
    std::uint64_t row_end, slot_end; ///< none from here on was ever used
};

enum class State : std::uint64_t { none = 0, used = 1, waiting = 2 }; ///< waiting: freed, and not yet fenced

struct Slot {
    std::uint64_t place; ///< bits 0-23: units, in the file; 24-39: index of its row; 40, 41: State; 48-63: a tag
    std::uint64_t asked; ///< bits 0-47: bytes that were asked for; 48-63: the tag
    std::uint64_t serial, context; ///< the process's own, here because it uses them together: one line of cache a block
};
static_assert(sizeof(Slot) == 32);

struct Row {
    std::uint64_t lease; ///< the broker's number for the file; 0: the row is unused. Written last
    Slot whole;          ///< of a file that is one block: that block, at unit 0. An arena's has no state
};

inline constexpr std::uint64_t kRowsAt = 4096;
inline constexpr std::uint64_t kSlotsAt = kRowsAt + kRowsMax * sizeof(Row);
inline constexpr std::uint64_t kSize = kSlotsAt + kSlotsMax * sizeof(Slot);

inline constexpr unsigned kRowShift = 24;
inline constexpr std::uint64_t kUnitMask = (std::uint64_t(1) << kRowShift) - 1;
inline constexpr std::uint64_t kNoRow = kRowsMax << kRowShift;            ///< the place of what is in no file
inline constexpr std::uint64_t kPlaceMask = (std::uint64_t(1) << 40) - 1; ///< row and unit
inline constexpr std::uint64_t kAskedMask = (std::uint64_t(1) << 48) - 1;

constexpr std::uint64_t place_of(std::uint64_t row_and_unit, State state, std::uint64_t tag) {
    return (row_and_unit & kPlaceMask) | static_cast<std::uint64_t>(state) << 40 | tag << 48;
}
constexpr State state_of(const Slot &slot) { return static_cast<State>(slot.place >> 40 & 3); }
constexpr bool is_whole(const Slot &slot) { return slot.place >> 48 == slot.asked >> 48; }

} // namespace gmemfs::block_table
