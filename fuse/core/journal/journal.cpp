#include "fuse/core/journal/journal.hpp"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>

namespace gmemfs {
namespace {

constexpr char kMagic[8] = {'G', 'M', 'E', 'M', 'J', 'N', 'L', '1'};
constexpr std::size_t kRecordMax = 4 * MiB; // no operation changes so much, so a greater length is a torn one
constexpr std::uint64_t kCompactLeast = 16 * MiB;

// All zeros where there is no record yet.
struct Frame {
    std::uint32_t length; // bytes of the record
    std::uint32_t crc;    // of the record, as zlib's crc32 has it
};

std::uint32_t crc_of(std::span<const std::byte> bytes) {
    return static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef *>(bytes.data()), static_cast<uInt>(bytes.size())));
}

// What the user can do something about keeps its name; whatever else a filesystem may say of itself is EIO of this one.
int errno_to_tell(int code) {
    constexpr int kTold[] = {ENOENT, ENOSPC, EDQUOT, EMFILE, ENFILE, EACCES, EPERM, EROFS};
    if (code == EFBIG) return ENOSPC; // RLIMIT_FSIZE; the user would take EFBIG for a limit of their own file
    return std::find(std::begin(kTold), std::end(kTold), code) != std::end(kTold) ? code : EIO;
}

Error cannot(const char *doing, const std::string &path, int code) {
    return Error{errno_to_tell(code), 0, doing, path + ": " + std::strerror(code)};
}

Frame frame_of(std::span<const std::byte> record) {
    return {static_cast<std::uint32_t>(record.size()), crc_of(record)};
}

void frame(std::vector<std::byte> &to, std::span<const std::byte> record) {
    const Frame head = frame_of(record);
    const auto *const first = reinterpret_cast<const std::byte *>(&head);
    to.insert(to.end(), first, first + sizeof head);
    to.insert(to.end(), record.begin(), record.end());
}

// The whole state as bytes of a file: a record an inode.
std::vector<std::byte> snapshot_of(const VolumeState &state) {
    std::vector<std::byte> bytes(sizeof kMagic);
    std::memcpy(bytes.data(), kMagic, sizeof kMagic);
    RecordWriter writer;
    writer.keeper(state.keeper_nonce);
    frame(bytes, writer.bytes());
    for (const auto &[id, node] : state.nodes) {
        writer.clear();
        writer.inode(id, node);
        if (S_ISREG(node.mode)) {
            writer.layout(id, node.size, node.kept, node.placement, node.pieces);
            if (node.residence != Residence::plain || node.named_handle != NamedHandle::none)
                writer.residence(id, node.residence, node.nvcomp, node.named_handle);
            writer.generation(id, node.generation);
        }
        frame(bytes, writer.bytes());
        for (const auto &[name, value] : node.xattrs) {
            writer.clear();
            writer.xattr(id, name, value);
            frame(bytes, writer.bytes());
        }
    }
    for (const auto &[id, names] : state.directories)
        for (const auto &[name, entry] : names) {
            writer.clear();
            writer.entry(id, name, entry.inode, entry.cookie);
            frame(bytes, writer.bytes());
        }
    for (const auto &[id, holder] : state.holders) {
        writer.clear();
        writer.holder(id, holder);
        frame(bytes, writer.bytes());
    }
    for (const auto &[id, lease] : state.leases) {
        writer.clear();
        writer.lease(id, lease);
        frame(bytes, writer.bytes());
    }
    writer.clear();
    if (state.ticket_secret != Secret{}) writer.ticket_secret(state.ticket_secret);
    if (state.next_lease != 0) writer.next_lease(state.next_lease);
    for (const std::uint64_t request : state.done) writer.done(request);
    writer.next_inode(state.next_inode);
    frame(bytes, writer.bytes());
    return bytes;
}

} // namespace

std::uint64_t replay_journal(std::span<const std::byte> bytes, VolumeState &state) {
    if (bytes.size() < sizeof kMagic || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) return 0;
    std::size_t at = sizeof kMagic;
    while (bytes.size() - at >= sizeof(Frame)) {
        Frame head;
        std::memcpy(&head, bytes.data() + at, sizeof head);
        if (head.length == 0 || head.length > kRecordMax || head.length > bytes.size() - at - sizeof head) break;
        const auto record = bytes.subspan(at + sizeof head, head.length);
        if (crc_of(record) != head.crc || !apply_record(record, state)) break;
        at += sizeof head + head.length;
    }
    return at;
}

namespace {

// Whether `bytes` begin with a whole record.
bool has_record(std::span<const std::byte> bytes) {
    Frame head;
    if (bytes.size() < sizeof head) return false;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.length == 0 || head.length > kRecordMax || head.length > bytes.size() - sizeof head) return false;
    return crc_of(bytes.subspan(sizeof head, head.length)) == head.crc;
}

// Whether what follows the last good record is what a death leaves, a body without a head or the beginning of a record,
// and no damage. Nothing that was acknowledged comes after a torn record.
bool is_torn(std::span<const std::byte> bytes, std::uint64_t good) {
    if (good == 0) return bytes.size() < sizeof kMagic;
    const std::span<const std::byte> rest = bytes.subspan(good);
    Frame head;
    if (rest.size() >= sizeof head) {
        std::memcpy(&head, rest.data(), sizeof head);
        const bool is_begun = head.length != 0 || head.crc != 0;
        if (is_begun && (head.length > kRecordMax || head.length <= rest.size() - sizeof head)) return false;
    }
    for (std::size_t at = 1; at < rest.size(); ++at)
        if (has_record(rest.subspan(at))) return false;
    return true;
}

} // namespace

Result<Journal::Opened> Journal::open(const std::string &path, const RecordFiles &files) {
    Opened opened;
    Result<std::unique_ptr<RecordFile>> file = files.open(path);
    std::uint64_t good = 0;
    if (!file && file.error().code != ENOENT) return cannot("open journal", path, file.error().code);
    if (file) {
        const Result<std::vector<std::byte>> read = (*file)->read();
        if (!read) return cannot("read journal", path, read.error().code);
        const std::vector<std::byte> &bytes = *read;
        good = replay_journal(bytes, opened.state);
        opened.dropped = bytes.size() - good;
        while (opened.dropped > 0 && bytes[good + opened.dropped - 1] == std::byte{0}) --opened.dropped;
        if (opened.dropped > 0 && !is_torn(bytes, good))
            return Error{EBADMSG, 0, "read journal",
                path + ": it is damaged at byte " + std::to_string(good) + " of " + std::to_string(bytes.size()) +
                    (good == 0 ? ", so nothing says which memory is whose: put it back, or unmount to give all up"
                               : ": put it back; or go on with what was recorded before that: truncate -s " +
                                     std::to_string(good) + " " + path)};
    }
    if (good == 0) { // none, or something else
        opened.state = {};
        opened.journal = TRY(create(path, opened.state, files));
        return opened;
    }
    if (const Result<void> cut = (*file)->cut(good); !cut) return cannot("cut journal", path, cut.error().code);
    opened.journal.reset(new Journal(path, files, std::move(*file)));
    return opened;
}

Result<std::unique_ptr<Journal>> Journal::create(
    const std::string &path, const VolumeState &state, const RecordFiles &files) {
    const std::string aside = path + ".new";
    Result<std::unique_ptr<RecordFile>> file = files.create(aside);
    if (!file) return cannot("make journal", aside, file.error().code);
    const char *doing = "write journal";
    Result<void> written = (*file)->write(snapshot_of(state));
    if (written) {
        doing = "rename journal";
        written = files.rename(aside, path);
    }
    if (!written) { // half of it would only take the room that the old one needs
        files.remove(aside);
        return cannot(doing, aside, written.error().code);
    }
    return std::unique_ptr<Journal>(new Journal(path, files, std::move(*file)));
}

Journal::Journal(std::string path, const RecordFiles &files, std::unique_ptr<RecordFile> file)
    : path_(std::move(path)), files_(files), file_(std::move(file)),
      compact_at_(std::max(kCompactLeast, 2 * file_->end())) {}

Result<void> Journal::append(std::uint64_t request, FunctionView<void(RecordWriter &)> fill) {
    const Hold hold(mutex_);
    writer_.clear();
    fill(writer_);
    if (request != 0) writer_.done(request);
    const std::span<const std::byte> record = writer_.bytes();
    if (record.empty() && pending_.empty()) return {};
    // A record that found no room goes before the next one.
    if (const Result<void> reserved = file_->reserve(pending_.size() + sizeof(Frame) + record.size()); !reserved) {
        if (!record.empty()) frame(pending_, record);
        unwritten_ = errno_to_tell(reserved.error().code);
        return cannot("write journal", path_, reserved.error().code);
    }
    append_pending();
    if (!record.empty()) file_->append(std::bit_cast<std::uint64_t>(frame_of(record)), record);
    // Reading it all again takes about 0.1 s for 100,000 files; nobody's change is acknowledged meanwhile.
    if (file_->end() >= compact_at_) (void)compact(); // where that fails the old file goes on
    return {};
}

void Journal::append_pending() {
    for (std::span<const std::byte> left = pending_; !left.empty();) {
        std::uint64_t head = 0;
        std::memcpy(&head, left.data(), sizeof head);
        const std::size_t length = std::bit_cast<Frame>(head).length;
        file_->append(head, left.subspan(sizeof head, length));
        left = left.subspan(sizeof head + length);
    }
    pending_.clear();
}

Result<void> Journal::check() const {
    const Hold hold(mutex_);
    if (pending_.empty()) return {};
    return Error{unwritten_, 0, "write journal",
        path_ + ": a record couldn't be written (" + std::strerror(unwritten_) +
            "): make room in the runtime folder, and the next change writes both"};
}

Result<void> Journal::compact() {
    // Also after a failure not again before the file has doubled.
    compact_at_ = std::max(kCompactLeast, 2 * file_->end());
    const Result<std::vector<std::byte>> read = file_->read();
    if (!read) return cannot("read journal", path_, read.error().code);
    VolumeState state;
    const std::uint64_t good = replay_journal(*read, state);
    if (good != file_->end()) return Error{EBADMSG, 0, "compact journal", path_};
    std::unique_ptr<Journal> made = TRY(create(path_, state, files_));
    const Hold hold(made->mutex_);
    file_ = std::move(made->file_);
    compact_at_ = std::max(kCompactLeast, 2 * file_->end());
    return {};
}

Result<void> Journal::write_anew() {
    const Hold hold(mutex_);
    return compact();
}

std::uint64_t Journal::size() const {
    const Hold hold(mutex_);
    return file_->end();
}

} // namespace gmemfs
