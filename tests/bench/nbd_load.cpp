// NBD load: how fast an NBD server answers, and whether what it holds is right, also where it is killed meanwhile.
//
//     nbd_load --socket PATH [--direction read|write] [--block 4K] [--depth 16] [--connections 4] [--sequential]
//              [--seconds 2] [--size BYTES] [--singly]
//     nbd_load --socket PATH --verify [--seed 1] ...
//
// A thread for each connection keeps `depth` requests of one block in flight, anywhere on the disk or one after the
// other, and after two seconds prints a line of JSON: rates of all connections together, and latencies. What is ready
// together is sent by one call, and with --singly each request by one of its own, as Linux and libnbd send it.
//
// --verify: each connection has a part of the disk. It writes all of it once, then writes and reads blocks at random,
// also a block whose write is still under way: that may be the old or the new one, and no mix. A connection that ends
// is made again, and what wasn't answered is sent again. At the end, or after SIGTERM, every block is read. What is
// wrong is counted; the exit status is 0 only where nothing is, and everything was answered.
#include "tests/bench/nbd_flow.hpp"
#include "tests/bench/nbd_pattern.hpp"

#include <atomic>
#include <barrier>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <getopt.h>
#include <string_view>
#include <thread>

namespace gmemfs::bench {
namespace {

using block::nbd::Command;

struct Options {
    std::string socket;
    Command direction = Command::read;
    std::uint64_t block = 4 * KiB, depth = 16, connections = 4, size = 0, seed = 1;
    std::int64_t duration_ns = 2'000'000'000;
    Sending sending = Sending::together;
    bool is_sequential = false, is_verifying = false;
};

std::atomic<bool> is_told_to_end = false;

std::uint64_t block_count(const Options &options, std::uint64_t size) {
    return (options.size != 0 ? std::min(options.size, size) : size) / options.block;
}

double percentile(std::vector<std::uint32_t> &values, double part) {
    if (values.empty()) return 0;
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
    std::ranges::nth_element(values, at);
    return *at;
}

// ---- rates ---------------------------------------------------------------------------------------------------------
struct Measured {
    std::vector<std::uint32_t> latencies_ns; // of what was answered in time
    Result<void> result;
};

// Which block a connection asks for next: at random, or the next of its own part.
class Places {
public:
    Places(const Options &options, std::uint64_t blocks, std::uint64_t index)
        : is_sequential_(options.is_sequential), blocks_(blocks), share_(blocks / options.connections),
          first_(share_ * index), random_(options.seed + index) {}
    std::uint64_t next() { return is_sequential_ ? first_ + at_++ % share_ : random_.below(blocks_); }

private:
    const bool is_sequential_;
    const std::uint64_t blocks_, share_, first_;
    std::uint64_t at_ = 0;
    Random random_;
};

Result<void> measure(const Options &options, std::uint64_t index, std::barrier<> &start, Measured &measured) {
    Result<NbdSocket> connected = connect_nbd(options.socket);
    NbdFlow flow(options.depth, options.block, options.sending);
    Random random(options.seed + index);
    for (std::size_t slot = 0; slot < flow.depth(); ++slot)
        std::ranges::generate(flow.slot(slot).bytes, [&] { return static_cast<std::byte>(random.next()); });
    measured.latencies_ns.reserve(1 << 20);
    start.arrive_and_wait(); // the others wait for one that isn't connected, too
    if (!connected) return Error(std::move(connected.error()));
    const std::uint64_t blocks = block_count(options, connected->size);
    if (blocks < options.connections) return Error{ENOSPC, 0, "measure", "the disk is smaller than a block for each"};
    Places places(options, blocks, index);
    flow.attach(std::move(connected->socket));
    std::int64_t now = now_ns();
    const std::int64_t end = now + options.duration_ns;
    for (std::size_t slot = 0; slot < flow.depth(); ++slot)
        flow.queue(slot, options.direction, places.next() * options.block, now);
    int failed = 0;
    while (flow.in_flight() != 0) {
        now = 0; // once for all that has come together
        TRY(flow.exchange([&](std::size_t slot, int code) {
            if (now == 0) now = now_ns();
            if (code != 0) failed = code;
            if (now >= end) return;
            measured.latencies_ns.push_back(
                static_cast<std::uint32_t>(std::min<std::int64_t>(now - flow.slot(slot).started_ns, UINT32_MAX)));
            flow.queue(slot, options.direction, places.next() * options.block, now);
        }));
    }
    return failed == 0 ? Result<void>() : Error{failed, 0, "measure", "the server refuses requests"};
}

int measure_all(const Options &options) {
    std::barrier<> start(static_cast<std::ptrdiff_t>(options.connections));
    std::vector<Measured> measured(options.connections);
    std::vector<std::thread> threads;
    for (std::uint64_t index = 0; index < options.connections; ++index)
        threads.emplace_back([&, index] { measured[index].result = measure(options, index, start, measured[index]); });
    for (std::thread &thread : threads) thread.join();
    std::vector<std::uint32_t> latencies;
    for (const Measured &one : measured) {
        if (!one.result) {
            std::fprintf(stderr, "nbd_load: %s\n", one.result.error().text().c_str());
            return 1;
        }
        latencies.insert(latencies.end(), one.latencies_ns.begin(), one.latencies_ns.end());
    }
    const double rate = static_cast<double>(latencies.size()) * 1e9 / static_cast<double>(options.duration_ns);
    std::printf("{\"bytes_per_second\": %.0f, \"requests_per_second\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
        rate * static_cast<double>(options.block), rate, percentile(latencies, 0.5) / 1e3,
        percentile(latencies, 0.99) / 1e3);
    return 0;
}

// ---- verifying -----------------------------------------------------------------------------------------------------
constexpr std::int64_t kPatienceNs = 60'000'000'000; // without a server

/// What a connection counts.
struct Verified {
    std::uint64_t written = 0, checked = 0, wrong = 0, refused = 0, sent_again = 0, unanswered = 0;
    std::vector<std::int64_t> pauses_ns; // from a connection's end to the next answer
    Result<void> result;
};

class Verifier {
public:
    Verifier(const Options &options, std::uint64_t index, Verified &verified)
        : options_(options), index_(index), verified_(verified), pattern_(options.seed), random_(options.seed + index),
          flow_(options.depth, options.block, options.sending), oldest_(options.depth) {}

    Result<void> run() {
        TRY(connect());
        if (states_.empty()) return Error{ENOSPC, 0, "verify", "the disk is smaller than a block for each"};
        for (Phase phase : {Phase::fill, Phase::mix, Phase::check}) {
            phase_ = phase;
            next_ = 0;
            end_ns_ = now_ns() + options_.duration_ns;
            for (std::size_t slot = 0; slot < flow_.depth(); ++slot) queue(slot);
            while (flow_.in_flight() != 0) {
                const Result<void> exchanged = flow_.exchange([&](std::size_t slot, int code) {
                    take(slot, code);
                    queue(slot);
                });
                if (!exchanged) TRY(connect_again(exchanged.error()));
            }
        }
        return {};
    }

private:
    enum class Phase { fill, mix, check };
    struct State {                            // of a block
        std::uint32_t answered = 0, sent = 0; // generations; at most one write is under way
    };

    Result<void> connect() {
        NbdSocket connected = TRY(connect_nbd(options_.socket));
        if (states_.empty()) states_.resize(block_count(options_, connected.size) / options_.connections);
        verified_.sent_again += flow_.attach(std::move(connected.socket));
        return {};
    }

    Result<void> connect_again(const Error &lost) {
        if (lost.code == EPROTO) return lost;
        if (lost_ns_ == 0) lost_ns_ = now_ns();
        while (!connect()) {
            if (now_ns() - lost_ns_ > kPatienceNs) {
                verified_.unanswered = flow_.in_flight();
                return lost;
            }
            (void)::poll(nullptr, 0, 1);
        }
        return {};
    }

    std::uint64_t offset_of(std::uint64_t block) const { return (states_.size() * index_ + block) * options_.block; }
    State &state_at(std::uint64_t offset) { return states_[offset / options_.block - states_.size() * index_]; }

    // The phase's next request, if it has one.
    void queue(std::size_t slot) {
        const bool is_over = phase_ == Phase::mix ? is_told_to_end || now_ns() >= end_ns_ : next_ == states_.size();
        if (is_over) return;
        const std::uint64_t block = phase_ == Phase::mix ? random_.below(states_.size()) : next_++;
        const std::uint64_t offset = offset_of(block);
        State &state = states_[block];
        const bool wants_write = phase_ == Phase::fill || (phase_ == Phase::mix && random_.below(2) == 0);
        if (wants_write && state.sent == state.answered) {
            pattern_.fill(flow_.slot(slot).bytes, offset, ++state.sent);
            return flow_.queue(slot, Command::write, offset, 0);
        }
        oldest_[slot] = state.answered;
        flow_.queue(slot, Command::read, offset, 0);
    }

    void take(std::size_t slot, int code) {
        if (lost_ns_ != 0) verified_.pauses_ns.push_back(now_ns() - lost_ns_);
        lost_ns_ = 0;
        const NbdFlow::Slot &answered = flow_.slot(slot);
        State &state = state_at(answered.offset);
        if (code != 0) {
            ++verified_.refused;
        } else if (answered.command == Command::write) {
            state.answered = state.sent;
            ++verified_.written;
        } else {
            ++verified_.checked;
            if (!pattern_.is_right(answered.bytes, answered.offset, oldest_[slot], state.sent)) ++verified_.wrong;
        }
    }

    const Options &options_;
    const std::uint64_t index_;
    Verified &verified_;
    const BlockPattern pattern_;
    Random random_;
    NbdFlow flow_;
    std::vector<State> states_;         // index: block of this connection's part
    std::vector<std::uint32_t> oldest_; // index: slot; the generation that a read must see at least
    Phase phase_ = Phase::fill;
    std::uint64_t next_ = 0;
    std::int64_t end_ns_ = 0, lost_ns_ = 0;
};

int verify_all(const Options &options) {
    std::vector<Verified> verified(options.connections);
    std::vector<std::thread> threads;
    for (std::uint64_t index = 0; index < options.connections; ++index)
        threads.emplace_back([&, index] { verified[index].result = Verifier(options, index, verified[index]).run(); });
    for (std::thread &thread : threads) thread.join();
    Verified all;
    std::vector<std::uint32_t> pauses_us;
    for (const Verified &one : verified) {
        if (!one.result) std::fprintf(stderr, "nbd_load: %s\n", one.result.error().text().c_str());
        if (!one.result) all.result = one.result.error();
        all.written += one.written, all.checked += one.checked, all.wrong += one.wrong, all.refused += one.refused;
        all.sent_again += one.sent_again, all.unanswered += one.unanswered;
        for (const std::int64_t pause : one.pauses_ns) pauses_us.push_back(static_cast<std::uint32_t>(pause / 1000));
    }
    std::printf("{\"blocks_written\": %zu, \"blocks_checked\": %zu, \"wrong_blocks\": %zu, \"refused\": %zu, "
                "\"unanswered\": %zu, \"sent_again\": %zu, \"reconnects\": %zu, \"pause_p50_ms\": %.2f, "
                "\"pause_max_ms\": %.2f}\n",
        all.written, all.checked, all.wrong, all.refused, all.unanswered, all.sent_again, pauses_us.size(),
        percentile(pauses_us, 0.5) / 1e3, percentile(pauses_us, 1) / 1e3);
    return all.result && all.wrong == 0 && all.refused == 0 && all.checked != 0 ? 0 : 1;
}

// ---- command line --------------------------------------------------------------------------------------------------
int usage_error() {
    std::fputs("usage: nbd_load --socket PATH [--direction read|write] [--block BYTES] [--depth N] [--connections N]\n"
               "                [--sequential] [--singly] [--seconds N] [--size BYTES] [--seed N] [--verify]\n",
        stderr);
    return 2;
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {{"socket", required_argument, nullptr, 'S'},
        {"direction", required_argument, nullptr, 'D'}, {"block", required_argument, nullptr, 'b'},
        {"depth", required_argument, nullptr, 'd'}, {"connections", required_argument, nullptr, 'c'},
        {"seconds", required_argument, nullptr, 't'}, {"size", required_argument, nullptr, 's'},
        {"seed", required_argument, nullptr, 'r'}, {"sequential", no_argument, nullptr, 'q'},
        {"singly", no_argument, nullptr, 'o'}, {"verify", no_argument, nullptr, 'v'}, {}};
    Options options;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == 'o') options.sending = Sending::singly;
        if (key == 't') options.duration_ns = static_cast<std::int64_t>(std::strtod(optarg, nullptr) * 1e9);
        if (key == 'q') options.is_sequential = true;
        if (key == 'v') options.is_verifying = true;
        if (key == 'S') options.socket = optarg;
        if (key == 'D' && std::string_view("write,read").find(optarg) == std::string_view::npos) return usage_error();
        if (key == 'D') options.direction = std::string_view(optarg) == "write" ? Command::write : Command::read;
        if (key == 'D' && std::string_view(optarg) != "write" && std::string_view(optarg) != "read")
            return usage_error();
        if (key == '?') return usage_error();
        if (std::string_view("oqtvSD").find(static_cast<char>(key)) != std::string_view::npos) continue;
        const Result<std::uint64_t> number = parse_size(optarg);
        if (!number || *number == 0) return usage_error();
        (key == 'b'      ? options.block
            : key == 'd' ? options.depth
            : key == 'c' ? options.connections
            : key == 's' ? options.size
                         : options.seed) = *number;
    }
    const bool is_sound = options.depth <= 1024 && options.connections <= 64 && options.block <= 32 * MiB &&
                          options.block % 512 == 0 && options.duration_ns > 0;
    if (options.socket.empty() || optind != argc || !is_sound) return usage_error();
    std::signal(SIGTERM, [](int) { is_told_to_end = true; });
    return options.is_verifying ? verify_all(options) : measure_all(options);
}

} // namespace
} // namespace gmemfs::bench

int main(int argc, char **argv) { return gmemfs::bench::run(argc, argv); }
