#include "tools/snapshot/writer.hpp"

#include "tools/host/interruption.hpp"
#include "vmm/base/all_bytes.hpp"

#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

bool is_zeros(std::span<const std::byte> bytes) {
    return bytes[0] == std::byte(0) && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

} // namespace

Result<std::unique_ptr<SnapshotWriter>> SnapshotWriter::create(const std::string &path) {
    const auto into = [&](int fd) -> Result<std::unique_ptr<SnapshotWriter>> {
        if (fd < 0) return Error{errno, 0, "write snapshot", path};
        return std::unique_ptr<SnapshotWriter>(new SnapshotWriter(path, nullptr, Fd(fd)));
    };
    if (path == "-" && ::isatty(STDOUT_FILENO) != 0)
        return Error{ENOTTY, 0, "write snapshot", "standard output is a terminal: name a file, or pipe it on"};
    if (path == "-") return into(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    std::string whole = path;
    struct stat status = {};
    if (::stat(path.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) return Error{EISDIR, 0, "save snapshot", path + ": name a file in it"};
        if (!S_ISREG(status.st_mode)) return into(::open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
        std::error_code error;
        whole = std::filesystem::canonical(path, error);
        if (error) return Error{error.value(), 0, "save snapshot", path};
    } else if (errno == ENOENT && ::lstat(path.c_str(), &status) == 0) {
        return Error{ENOENT, 0, "save snapshot", path + ": it is a symbolic link to nothing; remove it first"};
    }
    std::unique_ptr<NewFile> file = TRY(NewFile::create(whole, 0600));
    return std::unique_ptr<SnapshotWriter>(new SnapshotWriter(std::move(whole), std::move(file), Fd()));
}

// Into a pipe or a device at its end: who calls it then holds the mutex, or is alone.
Result<void> SnapshotWriter::write_at(std::span<const std::byte> bytes, std::uint64_t offset) {
    const Result<void> written = stream_ ? write_all(stream_.get(), bytes, is_interrupted)
                                         : write_all(file_->fd(), bytes, offset, is_interrupted);
    if (!written) return Error{written.error().code, 0, "write snapshot", path_};
    return {};
}

void SnapshotWriter::note(std::span<const std::byte> record) {
    std::uint32_t crc = 0;
    std::memcpy(&crc, record.data() + sizeof crc, sizeof crc);
    end_.checksum = checksum_of_checksums(end_.checksum, crc);
}

Result<void> SnapshotWriter::put_index(const std::vector<SnapshotEntry> &entries, Images images) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    SnapshotTotals totals = {entries.size(), 0, std::chrono::duration_cast<std::chrono::seconds>(now).count(),
        images == Images::some ? kSnapshotVersion : kSnapshotVersionPlain};
    for (const SnapshotEntry &entry : entries) totals.data_bytes += entry.size;
    const auto magic = std::as_bytes(std::span(kSnapshotMagic, kSnapshotMagicSize));
    std::vector<std::byte> waiting(magic.begin(), magic.end());
    const auto put = [&](const std::vector<std::byte> &record) {
        note(record);
        waiting.insert(waiting.end(), record.begin(), record.end());
    };
    const auto flush = [&]() -> Result<void> {
        TRY(write_at(waiting, position_));
        position_ += waiting.size();
        waiting.clear();
        return {};
    };
    put(encode(totals));
    for (const SnapshotEntry &entry : entries) {
        if (is_interrupted()) return Error{EINTR, 0, "interrupted", "nothing was left"};
        put(encode(entry));
        if (waiting.size() > MiB) TRY(flush());
    }
    return flush();
}

Result<void> SnapshotWriter::put_image(const SnapshotImage &image) {
    const std::vector<std::byte> record = encode(image);
    const std::lock_guard<std::mutex> hold(mutex_);
    TRY(write_at(record, position_));
    position_ += record.size();
    note(record);
    return {};
}

Result<void> SnapshotWriter::put_chunk(SnapshotChunk chunk, std::span<std::byte> buffer) {
    static_assert(kChunkDataAt >= kChunkRecordSize);
    GMEMFS_ASSERT(buffer.size() >= kChunkDataAt + chunk.size && chunk.size != 0);
    const std::span<std::byte> data = buffer.subspan(kChunkDataAt, chunk.size);
    chunk.crc = checksum(data);
    chunk.stored = is_zeros(data) ? 0 : chunk.size;
    const std::vector<std::byte> record = encode(chunk);
    GMEMFS_ASSERT(record.size() == kChunkRecordSize);
    const std::span<std::byte> whole = buffer.subspan(kChunkDataAt - kChunkRecordSize, kChunkRecordSize + chunk.stored);
    std::memcpy(whole.data(), record.data(), record.size());
    std::unique_lock<std::mutex> hold(mutex_);
    const std::uint64_t offset = position_;
    position_ += whole.size();
    note(record);
    ++end_.chunks;
    end_.stored_bytes += chunk.stored;
    if (!stream_) hold.unlock();
    TRY(write_at(whole, offset));
    start_writing(offset, whole.size());
    return {};
}

// Has the kernel write to the disk now what is whole pages: else it begins when a tenth of all memory waits to be
// written, and finish() waits for most of the snapshot. Pages that chunks share go with finish().
void SnapshotWriter::start_writing(std::uint64_t offset, std::uint64_t size) const {
    constexpr std::uint64_t kPage = 4 * KiB;
    const std::uint64_t from = round_up(offset, kPage), to = round_down(offset + size, kPage);
    // sync_file_range(2) does nothing for a file of overlayfs.
    if (file_ && from < to)
        (void)::posix_fadvise(
            file_->fd(), static_cast<off_t>(from), static_cast<off_t>(to - from), POSIX_FADV_DONTNEED);
}

Result<void> SnapshotWriter::finish(const std::vector<SnapshotCut> &cuts) {
    std::vector<std::byte> bytes;
    for (const SnapshotCut &cut : cuts) {
        const std::vector<std::byte> record = encode(cut);
        note(record);
        bytes.insert(bytes.end(), record.begin(), record.end());
    }
    const std::vector<std::byte> record = encode(end_);
    GMEMFS_ASSERT(record.size() == kEndRecordSize);
    bytes.insert(bytes.end(), record.begin(), record.end());
    TRY(write_at(bytes, position_));
    position_ += bytes.size();
    // A pipe has no disk to wait for.
    if (::fsync(stream_ ? stream_.get() : file_->fd()) != 0 && (!stream_ || (errno != EINVAL && errno != EROFS)))
        return Error{errno, 0, "write snapshot", path_};
    return {};
}

Result<void> SnapshotWriter::publish() {
    if (stream_) return {};
    TRY(file_->publish(path_));
    // The name is on the disk when its folder is.
    const Fd opened(::open(file_->folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened || (::fsync(opened.get()) != 0 && errno != EINVAL))
        return Error{errno, 0, "write folder", file_->folder()};
    return {};
}

} // namespace gmemfs
