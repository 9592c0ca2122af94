#include "tools/host/side_by_side.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

constexpr std::size_t kRequest = 1 * MiB; // what a FUSE request holds at the most

} // namespace

Result<unsigned> parse_threads(const char *text, unsigned otherwise) {
    if (text == nullptr) return otherwise;
    const std::string_view digits = text;
    unsigned count = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), count);
    if (error == std::errc::result_out_of_range) return kThreadsMost;
    if (error != std::errc() || end != digits.end() || count == 0)
        return Error{EINVAL, 0, "--threads", std::string(digits) + ": it is a number from 1"};
    return std::min(kThreadsMost, count);
}

Result<void> run_side_by_side(unsigned threads, const SideWork &work) {
    std::atomic<bool> has_failed = false;
    std::mutex mutex; // of first
    std::optional<Error> first;
    const auto must_end = [&] { return has_failed.load() || is_interrupted(); };
    const auto run = [&] {
        const Result<void> done = work(must_end);
        if (done) return;
        const std::lock_guard<std::mutex> hold(mutex);
        if (!has_failed.exchange(true)) first = done.error();
    };
    {
        std::vector<std::jthread> others;
        for (unsigned index = 1; index < threads; ++index) others.emplace_back(run);
        run();
    }
    if (is_interrupted()) return Error{EINTR, 0, "interrupted", "nothing was left"};
    if (first) return *std::move(first);
    return {};
}

Result<std::size_t> read_until_end(int fd, std::span<std::byte> bytes, std::uint64_t offset, const std::string &name) {
    std::size_t have = 0;
    while (have < bytes.size()) {
        const std::size_t part = std::min(bytes.size() - have, kRequest);
        const ssize_t got = ::pread(fd, &bytes[have], part, static_cast<off_t>(offset + have));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error{errno, 0, "read", name};
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
    }
    return have;
}

Result<void> read_all(int fd, std::span<std::byte> bytes, std::uint64_t offset, const std::string &name) {
    if (TRY(read_until_end(fd, bytes, offset, name)) == bytes.size()) return {};
    return Error{EIO, 0, "read", name + ": it became shorter meanwhile; try again"};
}

Result<void> write_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset, const std::string &name) {
    while (!bytes.empty()) {
        const ssize_t put = ::pwrite(fd, bytes.data(), std::min(bytes.size(), kRequest), static_cast<off_t>(offset));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return Error{errno, 0, "write", name};
        bytes = bytes.subspan(static_cast<std::size_t>(put));
        offset += static_cast<std::uint64_t>(put);
    }
    return {};
}

} // namespace gmemfs
