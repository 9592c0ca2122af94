#include "tools/snapshot_writer.hpp"

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
    struct stat status = {};
    if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
        return Error{EISDIR, 0, "save snapshot", path + ": name a file in it"};
    std::string part = path + ".part." + std::to_string(::getpid());
    Fd file(::open(part.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return Error{errno, 0, "make snapshot", part};
    return std::unique_ptr<SnapshotWriter>(new SnapshotWriter(path, std::move(part), std::move(file)));
}

SnapshotWriter::~SnapshotWriter() {
    if (!is_published_) (void)::unlink(part_.c_str());
}

Result<void> SnapshotWriter::write_at(std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t written = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return Error{errno, 0, "write snapshot", part_};
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
    return {};
}

void SnapshotWriter::note(std::span<const std::byte> record) {
    std::uint32_t crc = 0;
    std::memcpy(&crc, record.data() + sizeof crc, sizeof crc);
    end_.checksum = checksum_of_checksums(end_.checksum, crc);
}

Result<void> SnapshotWriter::put_index(const std::vector<SnapshotEntry> &entries) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    SnapshotTotals totals = {entries.size(), 0, std::chrono::duration_cast<std::chrono::seconds>(now).count()};
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
        put(encode(entry));
        if (waiting.size() > MiB) TRY(flush());
    }
    return flush();
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
    std::uint64_t offset = 0;
    {
        const std::lock_guard<std::mutex> hold(mutex_);
        offset = position_;
        position_ += whole.size();
        note(record);
        ++end_.chunks;
        end_.stored_bytes += chunk.stored;
    }
    return write_at(whole, offset);
}

Result<void> SnapshotWriter::finish() {
    const std::vector<std::byte> record = encode(end_);
    GMEMFS_ASSERT(record.size() == kEndRecordSize);
    TRY(write_at(record, position_));
    position_ += record.size();
    if (::fsync(file_.get()) != 0) return Error{errno, 0, "write snapshot", part_};
    return {};
}

Result<void> SnapshotWriter::publish() {
    if (::rename(part_.c_str(), path_.c_str()) != 0) return Error{errno, 0, "rename snapshot", part_ + " to " + path_};
    is_published_ = true;
    // The name is on the disk when its folder is.
    const std::string folder = std::filesystem::path(path_).parent_path();
    const Fd opened(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened || (::fsync(opened.get()) != 0 && errno != EINVAL)) return Error{errno, 0, "write folder", folder};
    return {};
}

} // namespace gmemfs
