// Message: what frames say, as values; and their bytes.
//
// Whatever a decoder is given, it returns a value whose every field is within its limits, or EPROTO. What only holds
// between messages (an entry that was listed, bytes within the file) the receiver and the source check. Pure functions:
// thread-safe.
#pragma once

#include "ecc/digest/digest.hpp"
#include "tools/host/byte_range.hpp"
#include "tools/remote/frame.hpp"
#include "tools/snapshot/format.hpp"

#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

inline constexpr std::uint32_t kRemoteVersion = 1;
/// What a file is resumed by: so many bytes are there, or come again.
inline constexpr std::uint64_t kPiece = 16 * MiB;
inline constexpr std::size_t kPiecesMost = 16384;        ///< that one Fetch can name: 256 GiB of a file
inline constexpr std::uint64_t kDataMost = 1 * MiB;      ///< bytes of a file in one frame
inline constexpr std::size_t kTransportMost = 256 * KiB; ///< bytes of what a transport says

/// The ways for a file's bytes, best first.
enum class RemoteTransport : std::uint8_t { fabric = 1, nixl = 2, ssh = 3 };
const char *name_of(RemoteTransport transport);

struct Hello {
    std::uint32_t version = kRemoteVersion;
    std::string program; ///< "gmemfs 0.1.0"
};

struct List {
    bool recursive = false;
    std::string path; ///< at the source; not empty
};

struct Listed {
    std::uint64_t entries = 0;
};

struct Fetch {
    std::uint32_t entry = 0;
    std::uint64_t size = 0; ///< for which the receiver is ready
    RemoteTransport transport = RemoteTransport::ssh;
    std::vector<Digest> have;              ///< of the receiver's first pieces; those that differ are to come
    std::vector<std::byte> transport_says; ///< what the receiver's end of the transport has for the source's
    bool takes_image = false;              ///< in place of the bytes, where the source's file is packed (docs/cold.md)
};

struct Coming {
    std::uint32_t entry = 0;
    std::uint64_t size = 0;             ///< as it is now
    std::vector<std::uint32_t> missing; ///< the pieces that come; all, where is_whole
    bool is_whole = true;
    std::vector<std::byte> transport_says;
    RemoteTransport transport = RemoteTransport::ssh; ///< by which they come: the one that was asked for, or ssh
    std::uint64_t image_size = 0; ///< what comes is the image of the packed file; 0: the file's bytes

    /// The bytes that come, in order; of the image, where that comes.
    std::vector<ByteRange> ranges() const;
};

struct Data {
    std::uint32_t entry = 0;
    std::uint64_t offset = 0;
    std::span<const std::byte> bytes; ///< a view of the frame
};

struct Taken {
    std::uint32_t entry = 0;
};

struct Sent {
    enum class State : std::uint8_t { whole = 0, changed = 1, failed = 2, unusable = 3 };
    std::uint32_t entry = 0;
    State state = State::whole; ///< changed: somebody wrote to it meanwhile; unusable: not by this transport
    std::int32_t code = 0;      ///< errno, of failed and unusable
    std::string text;           ///< the digest of a file that is whole; else why it isn't
};

struct Failed {
    std::int32_t code = 0; ///< errno
    std::string text;
};

/// What a receiver is to do with what it fetches.
struct Land {
    std::string path;
    std::uint8_t flags = 0;     ///< kLand...
    std::uint8_t transport = 0; ///< a RemoteTransport, or 0: the best that works
};
/// What a receiver calls the one path that a push has.
inline constexpr const char *kPushedName = "pushed";
inline constexpr std::uint8_t kLandRecursive = 1, kLandPreserve = 2, kLandResume = 4, kLandTrusted = 8, kLandAll = 15;

/// What came of a pull or a push.
struct Done {
    std::uint64_t files = 0, bytes = 0; ///< that came
    std::uint64_t files_there = 0;      ///< that were there already, whole and right (resume)
    std::uint64_t failures = 0;         ///< names that were complained about, on standard error
    std::uint64_t attributes_left_out = 0;
    RemoteTransport transport = RemoteTransport::ssh; ///< of the last file
    double moving_seconds = 0; ///< in which bytes came, apart from names, digests, opening and mapping
};

/// Error::doing of what the other side has said and so has no need to hear.
inline constexpr const char *kOtherHost = "the other host";

std::vector<std::byte> encode(const Hello &message);
std::vector<std::byte> encode(const List &message);
std::vector<std::byte> encode(const Listed &message);
std::vector<std::byte> encode(const Fetch &message);
std::vector<std::byte> encode(const Coming &message);
std::vector<std::byte> encode_head(const Data &message); ///< its bytes follow
std::vector<std::byte> encode(const Taken &message);
std::vector<std::byte> encode(const Sent &message);
std::vector<std::byte> encode(const Failed &message);
std::vector<std::byte> encode(const Land &message);
std::vector<std::byte> encode(const Done &message);
/// What an error says, without what its errno means: that the other side adds.
std::string told(const Error &error);
std::vector<std::byte> encode_text(const std::string &text); ///< of a warning

/// Each takes the frame, also of another kind, for which it returns EPROTO; of FrameKind::failed it returns what the
/// other side says.
Result<Hello> decode_hello(const Frame &frame);
Result<List> decode_list(const Frame &frame);
Result<SnapshotEntry> decode_listed_entry(const Frame &frame);
Result<std::string> decode_warning(const Frame &frame); ///< printable, so that it commands no terminal
Result<Listed> decode_listed(const Frame &frame);
Result<Fetch> decode_fetch(const Frame &frame);
Result<Coming> decode_coming(const Frame &frame);
Result<Data> decode_data(const Frame &frame);
Result<Taken> decode_taken(const Frame &frame);
Result<Sent> decode_sent(const Frame &frame);
Result<Land> decode_land(const Frame &frame);
Result<Done> decode_done(const Frame &frame);
/// Of a kind without a body.
Result<void> decode_empty(const Frame &frame, FrameKind kind);

} // namespace gmemfs
