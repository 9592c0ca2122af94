// Bytes: puts numbers and texts one behind the other, and takes them out again; for formats and messages.
//
// Numbers are in the machine's byte order, which is little-endian on all machines with such GPUs. A text has its size
// before it, in 4 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gmemfs {

/// Not thread-safe.
class ByteWriter {
public:
    ByteWriter() = default;
    /// Behind `head` bytes of zeros, which are filled in later.
    explicit ByteWriter(std::size_t head) : bytes_(head) {}

    template <typename T>
    void put(T value) {
        static_assert(std::is_trivially_copyable_v<T>);
        put(std::as_bytes(std::span(&value, 1)));
    }
    void put(std::span<const std::byte> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
    void put(const std::string &text) {
        put(static_cast<std::uint32_t>(text.size()));
        put(std::as_bytes(std::span(text)));
    }
    void put(const timespec &time) {
        put<std::int64_t>(time.tv_sec);
        put<std::uint32_t>(static_cast<std::uint32_t>(time.tv_nsec));
    }
    std::vector<std::byte> &bytes() { return bytes_; }
    std::vector<std::byte> finish() { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

/// Takes what isn't there as zeros, and is bad from then on. So a decoder asks once, at its end. A view; not
/// thread-safe.
class ByteReader {
public:
    explicit ByteReader(std::span<const std::byte> bytes) : left_(bytes) {}

    template <typename T>
    T take() {
        static_assert(std::is_trivially_copyable_v<T>);
        T value = {};
        if (left_.size() < sizeof value) return is_good_ = false, value;
        std::memcpy(&value, left_.data(), sizeof value);
        left_ = left_.subspan(sizeof value);
        return value;
    }
    std::span<const std::byte> take_bytes(std::size_t size) {
        if (size > left_.size()) return is_good_ = false, std::span<const std::byte>();
        const std::span<const std::byte> taken = left_.first(size);
        left_ = left_.subspan(size);
        return taken;
    }
    /// Of `most` bytes at the most.
    std::string take_text(std::size_t most) {
        const auto size = take<std::uint32_t>();
        if (size > most) return is_good_ = false, std::string();
        const std::span<const std::byte> taken = take_bytes(size);
        return {reinterpret_cast<const char *>(taken.data()), taken.size()};
    }
    timespec take_time() {
        timespec time = {};
        time.tv_sec = take<std::int64_t>();
        time.tv_nsec = take<std::uint32_t>();
        if (time.tv_nsec >= 1000000000) is_good_ = false;
        return time;
    }
    std::span<const std::byte> take_rest() { return take_bytes(left_.size()); }
    bool is_good() const { return is_good_; }
    bool is_done() const { return is_good_ && left_.empty(); } ///< and nothing is left

private:
    std::span<const std::byte> left_;
    bool is_good_ = true;
};

} // namespace gmemfs
