#include "tools/snapshot/reader.hpp"

#include "tools/host/interruption.hpp"
#include "vmm/base/all_bytes.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// So much a pipe may claim to hold before any of it has come: 32 MiB for the set of chunks.
constexpr std::uint64_t kStreamChunksMost = std::uint64_t(1) << 28;

} // namespace

Error SnapshotReader::damaged(const std::string &how) const {
    return Error{EBADMSG, 0, "read snapshot", name_ + ": " + how + "; use another copy of it"};
}

Error SnapshotReader::at_record(const Error &error) const {
    return Error{error.code, 0, error.doing, name_ + ": at byte " + std::to_string(position_) + ": " + error.detail};
}

Result<std::unique_ptr<SnapshotReader>> SnapshotReader::open(const std::string &path) {
    Fd file(path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return Error{errno, 0, "open snapshot", path};
    return create(std::move(file), path);
}

Result<std::unique_ptr<SnapshotReader>> SnapshotReader::create(Fd file, const std::string &name) {
    std::unique_ptr<SnapshotReader> made(new SnapshotReader(std::move(file), name));
    const Result<void> read = made->read_index();
    if (!read) return Error(read.error());
    return made;
}

// Of a pipe: the next bytes, which is what is asked for then.
Result<void> SnapshotReader::read_at(std::span<std::byte> bytes, std::uint64_t offset) {
    const Result<std::size_t> read = is_stream_ ? read_until_end(file_.get(), bytes, is_interrupted)
                                                : read_until_end(file_.get(), bytes, offset, is_interrupted);
    if (!read) return Error{read.error().code, 0, "read snapshot", name_};
    return *read == bytes.size() ? Result<void>() : damaged("it was cut short");
}

// The body of the record at position_, which moves behind it.
Result<std::vector<std::byte>> SnapshotReader::read_body() {
    std::byte bytes[kRecordHead];
    TRY(read_at(bytes, position_));
    const Result<RecordHead> head = decode_head(bytes);
    if (!head) return at_record(head.error());
    if (head->length > size_ - position_ - kRecordHead) return damaged("it was cut short");
    std::vector<std::byte> body(head->length);
    const Result<void> read = read_at(body, position_ + kRecordHead);
    if (!read) return Error(read.error());
    if (checksum(body) != head->crc) return damaged("a wrong checksum at byte " + std::to_string(position_));
    position_ += kRecordHead + head->length;
    checksum_ = checksum_of_checksums(checksum_, head->crc);
    return body;
}

Result<void> SnapshotReader::read_totals() {
    struct stat status = {};
    if (::fstat(file_.get(), &status) != 0) return Error{errno, 0, "read snapshot", name_};
    if (S_ISDIR(status.st_mode)) return Error{EISDIR, 0, "read snapshot", name_};
    is_stream_ = !S_ISREG(status.st_mode);
    is_endless_ = S_ISBLK(status.st_mode);
    size_ = is_stream_ ? INT64_MAX : static_cast<std::uint64_t>(status.st_size);
    std::byte magic[kSnapshotMagicSize] = {};
    if (size_ < sizeof magic) return Error{EBADMSG, 0, "read snapshot", name_ + ": it is none"};
    TRY(read_at(magic, 0));
    if (std::memcmp(magic, kSnapshotMagic, sizeof magic) != 0)
        return Error{EBADMSG, 0, "read snapshot", name_ + ": it is none"};
    position_ = sizeof magic;
    const Result<std::vector<std::byte>> body = read_body();
    if (!body) return Error(body.error());
    const Result<SnapshotTotals> totals = decode_totals(*body);
    if (!totals) return at_record(totals.error());
    totals_ = *totals;
    // So much memory at the most do an index and a set of chunks take as fits the file.
    if (totals_.entries > size_ / kEntryRecordLeast) return damaged("it was cut short");
    return {};
}

Result<void> SnapshotReader::read_index() {
    TRY(read_totals());
    while (entries().size() < totals_.entries) {
        if (is_interrupted()) return Error{EINTR, 0, "interrupted", name_};
        const Result<std::vector<std::byte>> body = read_body();
        if (!body) return Error(body.error());
        Result<SnapshotEntry> entry = decode_entry(*body);
        if (!entry) return at_record(entry.error());
        const Result<void> added = index_.add(*std::move(entry));
        if (!added) return damaged(added.error().detail);
    }
    if (!entries()[0].is_folder() && entries().size() != 1) return damaged("names in what is no folder");
    TRY(count_sizes());
    return is_stream_ ? Result<void>() : check_tail();
}

Result<void> SnapshotReader::count_sizes() {
    std::uint64_t bytes = 0, chunks = 0;
    first_chunks_.reserve(entries().size());
    for (const SnapshotEntry &entry : entries()) {
        first_chunks_.push_back(chunks);
        if (__builtin_add_overflow(bytes, entry.size, &bytes)) return damaged("sizes that can't be");
        chunks += count_chunks(entry.size);
        if (chunks > (is_stream_ ? kStreamChunksMost : size_ / kChunkRecordSize)) return damaged("it was cut short");
    }
    if (bytes != totals_.data_bytes) return damaged("its totals are wrong");
    seen_.resize(chunks);
    chunks_expected_ = chunks;
    return {};
}

// The end alone: a snapshot that was cut short is refused before anything is made of it.
Result<void> SnapshotReader::check_tail() {
    std::byte bytes[kEndRecordSize];
    if (size_ - position_ < sizeof bytes) return damaged("it was cut short");
    TRY(read_at(bytes, size_ - sizeof bytes));
    const Result<RecordHead> head = decode_head(std::span(bytes).first(kRecordHead));
    const std::span<const std::byte> body = std::span(bytes).subspan(kRecordHead);
    if (!head || head->length != body.size() || checksum(body) != head->crc) return damaged("it was cut short");
    const Result<SnapshotEnd> end = decode_end(body);
    const bool has_images = totals_.version > kSnapshotVersionPlain; // they aren't known yet, and have fewer chunks
    if (!end || end->chunks > seen_.size() || (end->chunks != seen_.size() && !has_images))
        return damaged("it was cut short");
    return {};
}

Result<void> SnapshotReader::check_end(const SnapshotEnd &end) {
    char more = 0;
    const bool has_more = is_stream_ ? !is_endless_ && ::read(file_.get(), &more, 1) > 0 : position_ != size_;
    if (has_more) return damaged("something follows its end");
    if (chunks_ != chunks_expected_ || end.chunks != chunks_) return damaged("chunks are missing");
    if (end.stored_bytes != stored_bytes_) return damaged("its totals are wrong");
    return {};
}

Result<void> SnapshotReader::check_chunk(const SnapshotChunk &chunk) {
    if (chunk.entry >= entries().size()) return damaged("a chunk of no file");
    const std::uint64_t size = data_size(chunk.entry);
    if (chunk.offset >= size || chunk.size != std::min(kSnapshotChunk, size - chunk.offset))
        return damaged("a chunk out of place");
    std::vector<bool>::reference seen = seen_[first_chunks_[chunk.entry] + chunk.offset / kSnapshotChunk];
    if (seen) return damaged("a chunk twice");
    seen = true;
    return {};
}

std::uint64_t SnapshotReader::data_size(std::uint32_t entry) const {
    const auto image = images_.find(entry);
    return image == images_.end() ? entries()[entry].size : image->second.size;
}

Result<void> SnapshotReader::take_image(std::span<const std::byte> body) {
    const Result<SnapshotImage> image = decode_image(body);
    if (!image) return at_record(image.error());
    if (totals_.version <= kSnapshotVersionPlain) return damaged("an image in a version that has none");
    if (image->entry >= entries().size() || image->size >= entries()[image->entry].size)
        return damaged("an image of what has none");
    const std::uint64_t count = count_chunks(entries()[image->entry].size);
    const auto seen = seen_.begin() + static_cast<std::ptrdiff_t>(first_chunks_[image->entry]);
    if (std::find(seen, seen + static_cast<std::ptrdiff_t>(count), true) != seen + static_cast<std::ptrdiff_t>(count))
        return damaged("an image behind chunks of its file");
    if (!images_.emplace(image->entry, *image).second) return damaged("two images of a file");
    chunks_expected_ -= count - count_chunks(image->size);
    return {};
}

Result<void> SnapshotReader::take_cut(std::span<const std::byte> body) {
    const Result<SnapshotCut> cut = decode_cut(body);
    if (!cut) return at_record(cut.error());
    if (chunks_ != chunks_expected_) return damaged("chunks are missing");
    const bool is_file = cut->entry < entries().size() && S_ISREG(entries()[cut->entry].mode);
    if (!is_file || entries()[cut->entry].is_other_name() || (cut->entry == 0 && cut->is_gone) ||
        (!cut->is_gone && cut->size >= entries()[cut->entry].size) ||
        (!cuts_.empty() && cuts_.back().entry >= cut->entry))
        return damaged("a cut of what isn't there");
    cuts_.push_back(*cut);
    return {};
}

Result<void> SnapshotReader::take_end(std::span<const std::byte> body, std::uint32_t so_far) {
    const Result<SnapshotEnd> end = decode_end(body);
    if (!end) return at_record(end.error());
    if (end->checksum != so_far) return damaged("a wrong checksum of checksums");
    TRY(check_end(*end));
    is_at_end_ = true;
    return {};
}

Result<std::optional<SnapshotChunk>> SnapshotReader::take_chunk(std::uint64_t &data_at, std::span<std::byte> buffer) {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (failure_) return Error(*failure_);
    Result<std::optional<SnapshotChunk>> taken = take_next(data_at, buffer);
    if (!taken) failure_ = taken.error();
    return taken;
}

// With its data where the buffer has room and it comes from a pipe; else that is at `data_at`.
Result<std::optional<SnapshotChunk>> SnapshotReader::take_next(std::uint64_t &data_at, std::span<std::byte> buffer) {
    while (!is_at_end_) {
        const std::uint32_t so_far = checksum_;
        const Result<std::vector<std::byte>> body = read_body();
        if (!body) return Error(body.error());
        const auto kind = static_cast<SnapshotKind>(std::to_integer<std::uint8_t>(body->front()));
        if (kind == SnapshotKind::cut || kind == SnapshotKind::end || kind == SnapshotKind::image) {
            const Result<void> taken = kind == SnapshotKind::cut     ? take_cut(*body)
                                       : kind == SnapshotKind::image ? take_image(*body)
                                                                     : take_end(*body, so_far);
            if (!taken) return Error(taken.error());
            continue;
        }
        const Result<SnapshotChunk> chunk = decode_chunk(*body);
        if (!chunk) return at_record(chunk.error());
        Result<void> checked = check_chunk(*chunk);
        if (checked && chunk->stored > size_ - position_) checked = damaged("it was cut short");
        if (checked && is_stream_) checked = read_at(buffer.first(chunk->stored), 0);
        if (!checked) return Error(checked.error());
        data_at = position_;
        position_ += chunk->stored;
        stored_bytes_ += chunk->stored;
        ++chunks_;
        return std::optional<SnapshotChunk>(*chunk);
    }
    return std::optional<SnapshotChunk>();
}

Result<std::optional<SnapshotChunk>> SnapshotReader::next(std::span<std::byte> buffer) {
    GMEMFS_ASSERT(buffer.size() >= kSnapshotChunk);
    std::uint64_t data_at = 0;
    Result<std::optional<SnapshotChunk>> taken = take_chunk(data_at, buffer);
    if (!taken || !*taken) return taken;
    const SnapshotChunk &chunk = **taken;
    const std::span<std::byte> data = buffer.first(chunk.size);
    if (chunk.stored == 0) {
        std::memset(data.data(), 0, data.size());
    } else if (!is_stream_) {
        const Result<void> read = read_at(data, data_at);
        if (!read) return Error(read.error());
    }
    if (checksum(data) != chunk.crc)
        return damaged(path_of(chunk.entry) + " has a wrong checksum at its byte " + std::to_string(chunk.offset));
    return taken;
}

Result<void> SnapshotReader::read_cuts() {
    std::vector<std::byte> buffer(is_stream_ ? kSnapshotChunk : 0);
    for (std::uint64_t data_at = 0; TRY(take_chunk(data_at, buffer));)
        if (is_interrupted()) return Error{EINTR, 0, "interrupted", name_};
    return {};
}

const SnapshotImage *SnapshotReader::image_of(std::uint32_t entry) const {
    const std::lock_guard<std::mutex> hold(mutex_);
    const auto image = images_.find(entry);
    return image == images_.end() ? nullptr : &image->second;
}

} // namespace gmemfs
