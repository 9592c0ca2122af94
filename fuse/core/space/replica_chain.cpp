#include "fuse/core/space/replica_chain.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

namespace gmemfs {
namespace {

// 16 GiB are 64 pieces: a second device further is 1/64 of the time more, and a wait for each costs nothing.
constexpr std::uint64_t kPiece = 256 * MiB;

// The digest of bytes that come piece by piece, by a thread of its own.
class Follower {
public:
    Follower(Digester &digester, ExtentList bytes, std::uint64_t length)
        : digester_(digester), bytes_(std::move(bytes)), length_(length), thread_([this] { result_ = run(); }) {}
    ~Follower() { stop(); }
    Follower(const Follower &) = delete;
    Follower &operator=(const Follower &) = delete;

    /// The bytes before `end` are there.
    void arrived(std::uint64_t end) {
        arrived_.store(end, std::memory_order_release);
        arrived_.notify_one();
    }
    Result<Digest> finish() {
        if (thread_.joinable()) thread_.join();
        return std::move(result_);
    }

private:
    static constexpr std::uint64_t kStopped = UINT64_MAX;
    void stop() {
        if (!thread_.joinable()) return;
        arrived(kStopped);
        thread_.join();
    }
    Result<Digest> run() {
        DigestLane lane = TRY(DigestLane::create(digester_));
        DigestLevel level;
        for (std::uint64_t done = 0; done < length_;) {
            arrived_.wait(done, std::memory_order_acquire);
            const std::uint64_t end = arrived_.load(std::memory_order_acquire);
            if (end == kStopped) return Error{ECANCELED, 0, "digest copy"};
            TRY(bytes_.for_each(done, end - done,
                [&](Slice slice, std::uint64_t) { return lane.add(slice, DigestLevel::depth_of(length_), level); }));
            done = end;
        }
        return DigestLevel::finish(std::span(&level, 1), length_);
    }

    Digester &digester_;
    const ExtentList bytes_;
    const std::uint64_t length_;
    std::atomic<std::uint64_t> arrived_ = 0;
    Result<Digest> result_ = Error{ECANCELED, 0, "digest copy"};
    std::thread thread_; // last: it uses all others
};

} // namespace

Result<Digest> copy_in_chain(Storage &storage, Copiers &copiers, const ExtentList &source, std::uint64_t length,
    const std::vector<Replica> &targets, const std::optional<Digest> &known) {
    std::vector<ExtentList> stations = {source};
    for (const Replica &target : targets) stations.push_back(ExtentList({Piece(target.extent)}));
    std::vector<std::unique_ptr<Follower>> followers(stations.size());
    for (std::size_t index = known ? 1 : 0; index < stations.size(); ++index) {
        Digester *const digester = TRY(storage.digester_of(stations[index].pieces().front().extent->device()));
        followers[index] = std::make_unique<Follower>(*digester, stations[index], length);
    }
    if (followers.front()) followers.front()->arrived(length);
    const std::uint64_t pieces = (length + kPiece - 1) / kPiece, links = targets.size();
    for (std::uint64_t step = 0; step < pieces + links - 1; ++step) {
        Result<void> queued;
        for (std::uint64_t link = 0; link < links && queued; ++link) {
            if (step < link || step - link >= pieces) continue;
            const std::uint64_t start = (step - link) * kPiece, part = std::min(kPiece, length - start);
            queued = stations[link].for_each(start, part, [&](Slice from, std::uint64_t done) {
                return copiers.queue_copy(from, {targets[link].extent.get(), start + done, from.length});
            });
        }
        TRY(copiers.wait_after(queued));
        for (std::uint64_t link = 0; link < links; ++link)
            if (step >= link && step - link < pieces)
                followers[link + 1]->arrived(std::min(length, (step - link + 1) * kPiece));
    }
    const Digest expected = known ? *known : TRY(followers.front()->finish());
    for (std::size_t index = 1; index < followers.size(); ++index)
        if (TRY(followers[index]->finish()) != expected)
            return Error{EIO, 0, "copy file to other devices",
                "the copy on " + targets[index - 1].device().info().uuid_text() + " has another digest than the file"};
    return expected;
}

} // namespace gmemfs
