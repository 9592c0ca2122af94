#include "tools/copy/verify.hpp"

#include "ecc/digest/digest.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <future>
#include <memory>
#include <openssl/evp.h>
#include <optional>
#include <poll.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

constexpr std::size_t kNode = 4 * KiB;
constexpr std::size_t kDigest = 32;
constexpr std::uint64_t kBytesOfNode1 = kNode / kDigest * kNode; // of data, under one node of level 1
static_assert(kCopyChunk % kBytesOfNode1 == 0);                  // so that a chunk has whole nodes of level 1

// SHA-256 of libcrypto: with the processor's own instructions five times as fast as GLib's GChecksum.
class Sha256 {
public:
    static Result<Sha256> create() {
        Sha256 made;
        if (made.kind_ && made.context_) return made;
        return Error{ENOMEM, 0, "make digest", "libcrypto has no SHA-256"};
    }
    Result<void> hash(std::span<const std::byte> bytes, std::byte *to) {
        auto *const out = reinterpret_cast<unsigned char *>(to);
        const bool is_made = ::EVP_DigestInit_ex(context_.get(), kind_.get(), nullptr) == 1 &&
                             ::EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1 &&
                             ::EVP_DigestFinal_ex(context_.get(), out, nullptr) == 1;
        if (is_made) return {};
        return Error{EIO, 0, "make digest", "libcrypto failed"};
    }
    /// The digests of the nodes that `bytes` consist of: the next level.
    Result<std::vector<std::byte>> hash_nodes(std::span<const std::byte> bytes) {
        std::vector<std::byte> digests((bytes.size() + kNode - 1) / kNode * kDigest);
        for (std::size_t at = 0, to = 0; at < bytes.size(); at += kNode, to += kDigest)
            TRY(hash(bytes.subspan(at, std::min(kNode, bytes.size() - at)), &digests[to]));
        return digests;
    }

private:
    Sha256() = default;
    struct Free {
        void operator()(EVP_MD *kind) const { ::EVP_MD_free(kind); }
        void operator()(EVP_MD_CTX *context) const { ::EVP_MD_CTX_free(context); }
    };
    std::unique_ptr<EVP_MD, Free> kind_{::EVP_MD_fetch(nullptr, "SHA256", nullptr)};
    std::unique_ptr<EVP_MD_CTX, Free> context_{::EVP_MD_CTX_new()};
};

// What a process of its own says of an attribute.
struct Answer {
    int code = 0;     // errno
    ssize_t size = 0; // of value
    char value[256] = {};
};
static_assert(sizeof(Answer) <= PIPE_BUF); // so that it comes whole

// The digest of a large file takes a device milliseconds, and the simulator seconds. The kernel doesn't let a process
// go that waits for a server. So a child process waits, and is left behind when the user wants to end. The child makes
// one system call, and uses nothing of the driver.
Result<Answer> ask_for_digest(int fd) {
    int ends[2] = {};
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error{errno, 0, "make a pipe", {}};
    const Fd reader(ends[0]), writer(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return Error{errno, 0, "make a process", {}};
    if (child == 0) {
        Answer answer;
        answer.size = ::fgetxattr(fd, "user.gmemfs.digest", answer.value, sizeof answer.value);
        answer.code = answer.size < 0 ? errno : 0;
        ::_exit(::write(writer.get(), &answer, sizeof answer) == sizeof answer ? 0 : 1);
    }
    constexpr int kTickMs = 50;
    for (bool has_ended = false;;) {
        pollfd answered = {reader.get(), POLLIN, 0};
        if (::poll(&answered, 1, has_ended ? 0 : kTickMs) > 0) break;
        if (is_interrupted()) return ::kill(child, SIGKILL), Error{EINTR, 0, "verify", {}};
        if (has_ended) return Error{EIO, 0, "verify", "the process that asked for the digest was killed"};
        has_ended = ::waitpid(child, nullptr, WNOHANG) == child;
    }
    Answer answer;
    const bool is_whole = ::read(reader.get(), &answer, sizeof answer) == sizeof answer;
    (void)::waitpid(child, nullptr, 0);
    if (!is_whole) return Error{EIO, 0, "verify", "no answer"};
    return answer;
}

} // namespace

Result<std::optional<std::string>> ask_digest(int fd) {
    const Answer answer = TRY(ask_for_digest(fd));
    if (answer.code == 0) return std::optional(std::string(answer.value, static_cast<std::size_t>(answer.size)));
    for (const int code : {ENODATA, ENOTSUP, ENOEXEC, ENOSPC, ENOMEM})
        if (answer.code == code) return std::optional<std::string>();
    return Error{answer.code, 0, "verify", "the filesystem can't make the digest"};
}

Result<Digest> make_digest(std::span<const std::byte> bytes) {
    Sha256 sha = TRY(Sha256::create());
    std::vector<std::byte> level = bytes.empty() ? std::vector<std::byte>() : TRY(sha.hash_nodes(bytes));
    while (level.size() > kDigest) level = TRY(sha.hash_nodes(level));
    return digest_of_root(level, bytes.size());
}

Result<std::string> make_digest(int fd, std::uint64_t size, unsigned lanes) {
    std::vector<std::byte> level(
        (size + kBytesOfNode1 - 1) / kBytesOfNode1 * kDigest); // 1; or 0, where that is the root
    TRY(read_bytes(fd, size, lanes, [&](std::uint64_t offset, std::span<const std::byte> bytes) -> Result<void> {
        Sha256 sha = TRY(Sha256::create());
        std::vector<std::byte> digests = TRY(sha.hash_nodes(bytes));
        if (size > kNode) digests = TRY(sha.hash_nodes(digests));
        std::copy(digests.begin(), digests.end(), &level[offset / kBytesOfNode1 * kDigest]);
        return {};
    }));
    Sha256 sha = TRY(Sha256::create());
    while (level.size() > kDigest) level = TRY(sha.hash_nodes(level));
    return digest_text(digest_of_root(level, size));
}

Result<VerifiedBy> verify_copy(
    Device *device, const VerifiedEnd &source, const VerifiedEnd &target, std::uint64_t size, unsigned lanes) {
    using Found = Result<std::optional<std::string>>;
    const auto digest_of = [&](const VerifiedEnd &side) -> Found {
        if (side.is_in_mount) return ask_digest(side.end.fd);
        return std::optional(TRY(make_digest(side.end.fd, size, lanes)));
    };
    std::optional<std::string> of_source, of_target;
    if (source.is_in_mount || target.is_in_mount) {
        // The device makes one while the host makes the other.
        std::future<Found> later = std::async(std::launch::async, [&] { return digest_of(source); });
        of_target = TRY(digest_of(target));
        of_source = TRY(later.get());
        if (of_source && of_source == of_target) return VerifiedBy::digests;
    }
    TRY(compare_bytes(device, source.end, target.end, size, lanes)); // says where
    if (of_source && of_target)
        return Error{EBADMSG, 0, "verify", "the digests differ: somebody else writes to one of both"};
    return VerifiedBy::bytes;
}

} // namespace gmemfs
