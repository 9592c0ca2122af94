// Gmemfs: the C++17 interface of libgmemfs: owners over the C interface, in this header alone.
//
//     gmemfs::File file("/mnt/gpu/weights");
//     gmemfs::Mapping weights = file.map();
//     kernel<<<...>>>(weights.as<float>(), weights.size() / sizeof(float));
//
// A failure is thrown as gmemfs::Failure, a std::system_error whose code() is the errno. Threads, contexts, sizes and
// fork are as gmemfs.h says.
#pragma once

#include "client/lib/gmemfs.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace gmemfs {

/// What failed, on what, and what to do: what().
class Failure : public std::system_error {
public:
    explicit Failure(int code)
        : std::system_error(code, std::generic_category()), text_(gmemfs_last_error()),
          driver_(gmemfs_last_driver_error()) {}
    Failure(int code, std::string text)
        : std::system_error(code, std::generic_category()), text_(std::move(text)), driver_(0) {}
    const char *what() const noexcept override { return text_.c_str(); }
    int driver() const noexcept { return driver_; } ///< CUresult; 0 where the driver wasn't the cause

private:
    std::string text_;
    int driver_;
};

namespace detail {
inline void check(int code) {
    if (code != 0) throw Failure(code);
}
} // namespace detail

/// Options with their sizes filled in.
struct OpenOptions : gmemfs_open_options {
    OpenOptions() : gmemfs_open_options{} { struct_size = sizeof(gmemfs_open_options); }
};
struct MapOptions : gmemfs_map_options {
    MapOptions() : gmemfs_map_options{} { struct_size = sizeof(gmemfs_map_options); }
};

struct WaitOptions : gmemfs_wait_options {
    WaitOptions() : gmemfs_wait_options{} { struct_size = sizeof(gmemfs_wait_options); }
};

/// Until all work has ended that was queued before, and no capture is disturbed: gmemfs_wait.
inline void wait(const WaitOptions &options = {}) { detail::check(gmemfs_wait(&options)); }

/// A file's memory, mapped, and a lease on it. Owner; move-only. The destructor unmaps: nothing may use the memory
/// then.
class Mapping {
public:
    Mapping(Mapping &&other) noexcept : mapping_(std::exchange(other.mapping_, nullptr)), info_(other.info_) {}
    Mapping &operator=(Mapping &&other) noexcept {
        if (this != &other) {
            gmemfs_unmap(mapping_);
            mapping_ = std::exchange(other.mapping_, nullptr);
            info_ = other.info_;
        }
        return *this;
    }
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;
    ~Mapping() { gmemfs_unmap(mapping_); }

    std::uint64_t address() const { return info_.address; } ///< CUdeviceptr; don't dereference it on the host
    std::uint64_t length() const { return info_.length; }   ///< bytes that are mapped
    std::uint64_t size() const { return info_.size; }       ///< bytes of the file when it was mapped
    int device() const { return info_.device; }             ///< ordinal
    const gmemfs_mapping_info &info() const { return info_; }
    template <typename T>
    T *as() const {
        return reinterpret_cast<T *>(info_.address);
    }

    /// A dma-buf descriptor of a part; the caller's, to be closed.
    int dma_buf(std::uint64_t offset, std::uint64_t length) const {
        int fd = -1;
        detail::check(gmemfs_get_dma_buf(mapping_, offset, length, &fd));
        return fd;
    }
    /// Does what the destructor does, but throws where the broker couldn't be told.
    void unmap() { detail::check(gmemfs_unmap(std::exchange(mapping_, nullptr))); }

private:
    friend class File;
    friend std::map<std::string, Mapping> map_directory(const std::string &, const MapOptions &, const char *);
    explicit Mapping(gmemfs_mapping *mapping) : mapping_(mapping) {
        info_.struct_size = sizeof info_;
        gmemfs_get_info(mapping_, &info_); // can't fail: the size is set
    }

    gmemfs_mapping *mapping_;
    gmemfs_mapping_info info_ = {};
};

/// An open file of a gmemfs mount. Owner; move-only. Mappings outlive it.
class File {
public:
    explicit File(const std::string &path, const OpenOptions &options = {}) {
        detail::check(gmemfs_open(path.c_str(), &options, &file_));
    }
    /// Makes the file where there is none, and gives it `size` bytes of device memory.
    static File create(const std::string &path, std::uint64_t size) {
        OpenOptions options;
        options.flags = GMEMFS_CREATE;
        options.size = size;
        return File(path, options);
    }
    File(File &&other) noexcept : file_(std::exchange(other.file_, nullptr)) {}
    File &operator=(File &&other) noexcept {
        if (this != &other) {
            gmemfs_close(file_);
            file_ = std::exchange(other.file_, nullptr);
        }
        return *this;
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;
    ~File() { gmemfs_close(file_); }

    Mapping map(const MapOptions &options = {}) const {
        gmemfs_mapping *mapping = nullptr;
        detail::check(gmemfs_map(file_, &options, &mapping));
        return Mapping(mapping);
    }
    std::uint64_t size() const {
        std::uint64_t size = 0;
        detail::check(gmemfs_get_size(file_, &size));
        return size;
    }
    void set_size(std::uint64_t size) { detail::check(gmemfs_set_size(file_, size)); }
    int device() const {
        int ordinal = -1;
        detail::check(gmemfs_get_device(file_, &ordinal));
        return ordinal;
    }
    int fd() const { return gmemfs_get_fd(file_); }
    void seal() { detail::check(gmemfs_seal(file_)); }

private:
    gmemfs_file *file_ = nullptr;
};

struct RingOptions : gmemfs_ring_options {
    RingOptions() : gmemfs_ring_options{} { struct_size = sizeof(gmemfs_ring_options); }
};
struct Batch : gmemfs_batch {
    Batch() : gmemfs_batch{} { struct_size = sizeof(gmemfs_batch); }
};
using BatchResult = gmemfs_batch_result;

/// Slots that batches of pages go through: gmemfs_ring. Owner; move-only. The destructor waits for what is under way,
/// whose memory must be there still.
class Ring {
public:
    explicit Ring(const RingOptions &options = {}) { detail::check(gmemfs_open_ring(&options, &ring_)); }
    Ring(Ring &&other) noexcept : ring_(std::exchange(other.ring_, nullptr)) {}
    Ring &operator=(Ring &&other) noexcept {
        if (this != &other) {
            gmemfs_close_ring(ring_);
            ring_ = std::exchange(other.ring_, nullptr);
        }
        return *this;
    }
    Ring(const Ring &) = delete;
    Ring &operator=(const Ring &) = delete;
    ~Ring() { gmemfs_close_ring(ring_); }

    /// A ticket. Throws EAGAIN where every slot is taken.
    std::uint64_t pack(const Batch &batch) { return submit(gmemfs_pack_batch, batch); }
    std::uint64_t unpack(const Batch &batch) { return submit(gmemfs_unpack_batch, batch); }
    /// The batch's result, once; nothing where it hasn't ended. Throws what went wrong with it.
    std::optional<BatchResult> poll(std::uint64_t ticket) { return collect(ticket, 0); }
    BatchResult wait(std::uint64_t ticket) { return *collect(ticket, -1); }

private:
    std::uint64_t submit(int (*call)(gmemfs_ring *, const gmemfs_batch *, std::uint64_t *), const Batch &batch) {
        std::uint64_t ticket = 0;
        detail::check(call(ring_, &batch, &ticket));
        return ticket;
    }
    std::optional<BatchResult> collect(std::uint64_t ticket, int timeout_ms) {
        BatchResult result = {};
        result.struct_size = sizeof result;
        const int code = gmemfs_wait_batch(ring_, ticket, timeout_ms, &result);
        if (code == EINPROGRESS) return {};
        detail::check(code);
        return result;
    }

    gmemfs_ring *ring_ = nullptr;
};

/// A pair of functions whose memory is files of a directory, for libraries that allocate by such a pair. Owner;
/// move-only.
class Allocator {
public:
    explicit Allocator(const std::string &directory, const char *driver = nullptr) {
        detail::check(gmemfs_open_allocator(directory.c_str(), driver, &number_));
    }
    Allocator(Allocator &&other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Allocator &operator=(Allocator &&) = delete;
    Allocator(const Allocator &) = delete;
    Allocator &operator=(const Allocator &) = delete;
    ~Allocator() {
        if (number_ >= 0) gmemfs_close_allocator(number_);
    }

    int number() const { return number_; } ///< N: the pair is gmemfs_allocate_in_N and gmemfs_free_in_N
    void pause(int flags) { detail::check(gmemfs_pause_allocator(number_, flags)); } ///< GMEMFS_PAUSE_KEEP, or 0
    void resume() { detail::check(gmemfs_resume_allocator(number_)); }

private:
    int number_ = -1;
};

/// All files in a directory that have memory, by name, through one request. Throws what gmemfs_map_directory returns,
/// and what the first file has as its code, but for ENODATA (empty), and ESTALE (removed meanwhile).
inline std::map<std::string, Mapping> map_directory(
    const std::string &path, const MapOptions &options = {}, const char *driver = nullptr) {
    gmemfs_directory *directory = nullptr;
    detail::check(gmemfs_map_directory(path.c_str(), &options, driver, &directory));
    const std::unique_ptr<gmemfs_directory, decltype(&gmemfs_free_directory)> owner(directory, gmemfs_free_directory);
    std::map<std::string, Mapping> mappings;
    int failed = 0;
    std::string text;
    for (std::size_t index = 0; index < gmemfs_get_entry_count(directory); ++index) {
        gmemfs_entry entry = {};
        entry.struct_size = sizeof entry;
        detail::check(gmemfs_get_entry(directory, index, &entry));
        if (entry.mapping != nullptr) {
            mappings.emplace(entry.name, Mapping(entry.mapping));
        } else if (failed == 0 && entry.code != ENODATA && entry.code != ESTALE) {
            failed = entry.code;
            text = entry.text;
        }
    }
    if (failed != 0) throw Failure(failed, text);
    return mappings;
}

} // namespace gmemfs
