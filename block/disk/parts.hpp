// Parts: the parts of a thin disk, 64 MiB each: which have memory, who uses them, and which could give it back.
//
//     hole --a write waits, Order::make--> put(): mapped --no block is written, Order::remove--> hole
//                                     `--> refuse(): hole; the write gets the errno
//
// Batches use a part together. A discard has it alone, so that which blocks are written and what the device holds
// change together, and so that nobody uses a part that goes. Whoever waits here has nothing: a lane gives back what it
// has before (ThinBatch). So nobody waits in a circle.
#pragma once

#include "block/disk/written_blocks.hpp"
#include "client/lib/address_range.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/lock.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace gmemfs::block {

/// Thread-safe.
class Parts {
public:
    /// A run of bytes within one part, and what is about to be done with it.
    struct Piece {
        enum class Use : std::uint8_t { read, write, discard } use;
        std::uint32_t index;      ///< of the part
        std::uint64_t begin, end; ///< bytes of the part
    };
    /// The answer to take(). A user of a mapped part gives it back.
    struct Taken {
        enum class State : std::uint8_t { mapped, hole, busy } state;
        int code;            ///< of a hole that should be written to: why it is one
        CUdeviceptr address; ///< of a mapped part: its first byte
    };
    enum class Outcome : std::uint8_t { done, failed };

    /// What the process that has the disk's directory is to do; `late`: to tell the user that orders aren't answered.
    struct Order {
        enum class Kind : std::uint8_t { make, remove, late } kind;
        std::uint32_t index;
    };

    /// All parts are holes. `written` has the bits of as many parts, and none is set where there will be a hole. A
    /// write waits so long for a part.
    static Result<std::unique_ptr<Parts>> create(
        std::span<std::uint64_t> written, std::chrono::milliseconds patience = std::chrono::seconds(30));

    // Of lanes.
    /// Never waits. `busy`: take_waiting() would.
    Taken take(const Piece &piece) EXCLUDES(mutex_);
    /// By a thread that has taken nothing. The code: what refuse() was told; EIO: nobody has answered in time.
    Taken take_waiting(const Piece &piece) EXCLUDES(mutex_);
    /// Before another write into a part that the caller has already. Takes no lock.
    void mark_written(const Piece &piece) { written_.set(piece.index, piece.begin, piece.end); }
    /// Ends uses of mapped parts, when the device is done with them. `done` discards a piece's blocks.
    struct Use {
        Piece piece;
        CUdeviceptr address; ///< of the part
        Outcome outcome;     ///< of a discard
    };
    void give(std::span<const Use> uses) EXCLUDES(mutex_);
    /// Waits for memory before a write, by a thread that has taken nothing; returns 0 or the code.
    int wait_for_memory(std::uint32_t index) EXCLUDES(mutex_);

    // Of the process's main thread.
    int orders() const { return orders_ready_.get(); } ///< can be read when there are orders
    std::optional<Order> next_order() EXCLUDES(mutex_);
    /// Those that weren't answered come once more: who got them has died.
    void repeat_orders() EXCLUDES(mutex_);
    /// Answers. A part that is there already stays as it is. One that nobody waits for goes again at once, where this
    /// process serves: whoever needed it has died, or has given up.
    void put(std::uint32_t index, std::unique_ptr<client::AddressRange> range) EXCLUDES(mutex_);
    void refuse(std::uint32_t index, int code) EXCLUDES(mutex_);
    /// Of a spare, whose lanes use nothing: another process has given the part back.
    void drop(std::uint32_t index) EXCLUDES(mutex_);
    /// This process serves from now on. Those parts in which nothing is written go: a worker that died may have left
    /// some.
    void begin_serving() EXCLUDES(mutex_);
    /// No thread waits from now on: the process ends.
    void end_waiting() EXCLUDES(mutex_);

    std::size_t count() const { return part_count_; } ///< holes as well
    bool has(std::uint32_t index) const EXCLUDES(mutex_);
    std::size_t mapped_count() const EXCLUDES(mutex_);

private:
    struct Part {
        std::unique_ptr<client::AddressRange> range; // null: a hole
        std::uint32_t users = 0, waiting_discards = 0, waiting_writes = 0;
        bool is_alone = false; // of a discard, or it goes
        bool is_asked = false;
        std::uint32_t refusals = 0;
        int code = 0; // of the last refusal
    };
    Parts(std::span<std::uint64_t> written, std::chrono::milliseconds patience, Fd orders_ready)
        : patience_(patience), part_count_(WrittenBlocks(written).parts()), orders_ready_(std::move(orders_ready)),
          parts_(part_count_), written_(written) {}
    Part &at(std::uint32_t index) REQUIRES(mutex_);
    std::unique_ptr<client::AddressRange> end_use(const Use &use) REQUIRES(mutex_);
    Taken take_free(const Piece &piece, Part &part) REQUIRES(mutex_);
    int await_memory(std::uint32_t index) REQUIRES(mutex_);
    int await_answer(Part &part, std::uint32_t index) REQUIRES(mutex_);
    void order(Order order) REQUIRES(mutex_);
    void remove(std::uint32_t index, std::unique_ptr<client::AddressRange> range) EXCLUDES(mutex_);

    const std::chrono::milliseconds patience_;
    const std::size_t part_count_;
    const Fd orders_ready_; // an eventfd
    mutable Mutex mutex_;
    Condition changed_;
    std::vector<Part> parts_ GUARDED_BY(mutex_);
    WrittenBlocks written_; // of a part: its users set, who has it alone clears
    std::deque<Order> orders_ GUARDED_BY(mutex_);
    bool is_late_ GUARDED_BY(mutex_) = false; // an order wasn't answered in time, and none since
    bool is_serving_ GUARDED_BY(mutex_) = false, is_over_ GUARDED_BY(mutex_) = false;
};

} // namespace gmemfs::block
