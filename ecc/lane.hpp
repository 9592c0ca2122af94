// Lane: what kernels need of CUDA, for both compilers that read them: nvcc, and the host's (tests, simulator).
//
// One warp of 32 lanes works on one block. What a lane does by itself is an ordinary function of its number. Where
// lanes meet, they meet through a Warp: on a device each lane runs the body once, on the host one thread runs it for
// all 32 in turn. So nothing outside this file is written twice, and nothing else knows a warp-wide instruction.
#pragma once

#include <stdint.h>
#include <utility>

#if defined(__CUDACC__)
#define GPU_INLINE __device__ __forceinline__
#define GPU_RARE __device__ __noinline__
#define GPU_CONSTANT __host__ __device__ constexpr // also worked out while the compiler runs
#define GPU_TABLE static __device__ constexpr      // indexed by lanes, each by a number of its own
#define GPU_UNROLL _Pragma("unroll")
#define GPU_NO_UNROLL _Pragma("unroll 1")
#else
#define GPU_INLINE inline
#define GPU_RARE inline
#define GPU_CONSTANT constexpr
#define GPU_TABLE inline constexpr
#define GPU_UNROLL
#define GPU_NO_UNROLL
#endif

namespace gmemfs::kernels {

/// 16 bytes that a lane loads or stores at once.
struct alignas(16) Quad {
    uint32_t word[4];
};
/// The same of 8 bytes.
struct alignas(8) Pair {
    uint32_t word[2];
};

/// std::integral_constant, readable on a device.
template <unsigned kIndex>
struct Index {
    GPU_CONSTANT operator unsigned() const { return kIndex; } // NOLINT(google-explicit-constructor)
};
template <typename Body, unsigned... kIndexes>
GPU_INLINE void for_each_index(std::integer_sequence<unsigned, kIndexes...>, const Body &body) {
    (body(Index<kIndexes>{}), ...);
}
/// body(0), body(1), ..., each with an index that is a constant of the compiler: arrays indexed by it stay in
/// registers.
template <unsigned kCount, typename Body>
GPU_INLINE void unrolled(const Body &body) {
    for_each_index(std::make_integer_sequence<unsigned, kCount>{}, body);
}

#if defined(__CUDACC__)

/// Loads and stores of what is touched once: they don't push out of the caches what others use again.
GPU_INLINE Quad load_once(const Quad *from) {
    const uint4 value = __ldcs(reinterpret_cast<const uint4 *>(from));
    return {{value.x, value.y, value.z, value.w}};
}
/// An ordinary load. A kernel that also stores results is faster with this one: encoding by 3 % (H200). Verifying
/// isn't.
GPU_INLINE Quad load_cached(const Quad *from) {
    const uint4 value = __ldcg(reinterpret_cast<const uint4 *>(from));
    return {{value.x, value.y, value.z, value.w}};
}
/// Words that are read once: 4 bytes a lane.
GPU_INLINE uint32_t load_word_once(const uint32_t *from) { return __ldcs(from); }
GPU_INLINE Pair load_pair_once(const Pair *from) {
    const uint2 value = __ldcs(reinterpret_cast<const uint2 *>(from));
    return {{value.x, value.y}};
}
GPU_INLINE void store_pair_once(Pair *to, const Pair &pair) {
    __stcs(reinterpret_cast<uint2 *>(to), make_uint2(pair.word[0], pair.word[1]));
}
GPU_INLINE void store_once(Quad *to, const Quad &quad) {
    __stcs(reinterpret_cast<uint4 *>(to), make_uint4(quad.word[0], quad.word[1], quad.word[2], quad.word[3]));
}
/// One instruction, said in assembly: the compiler would regroup XORs that are shared, and need 15 % more of them.
GPU_INLINE uint32_t xor3(uint32_t one, uint32_t two, uint32_t three) {
    uint32_t result;
    asm("lop3.b32 %0, %1, %2, %3, 0x96;" : "=r"(result) : "r"(one), "r"(two), "r"(three));
    return result;
}
GPU_INLINE unsigned count_bits(uint32_t word) { return static_cast<unsigned>(__popc(word)); }
/// The lowest bit that is set, of a word that is not 0.
GPU_INLINE unsigned first_bit(uint32_t word) { return static_cast<unsigned>(__ffs(static_cast<int>(word))) - 1; }
/// Four of the eight bytes of `low` and `high`, by the four lowest nibbles of `selector`, whose bit 3 is 0.
GPU_INLINE uint32_t byte_perm(uint32_t low, uint32_t high, uint32_t selector) {
    return __byte_perm(low, high, selector);
}
GPU_INLINE void atomic_or(uint32_t *word, uint32_t bits) { atomicOr(word, bits); }
GPU_INLINE void atomic_and(uint32_t *word, uint32_t bits) { atomicAnd(word, bits); }
GPU_INLINE void atomic_xor(uint32_t *word, uint32_t bits) { atomicXor(word, bits); }
GPU_INLINE void atomic_add(uint32_t *word, uint32_t addend) { atomicAdd(word, addend); }
GPU_INLINE void atomic_min(uint64_t *word, uint64_t value) {
    atomicMin(reinterpret_cast<unsigned long long *>(word), static_cast<unsigned long long>(value));
}
/// Returns what was there before.
GPU_INLINE uint64_t atomic_add(uint64_t *word, uint64_t addend) {
    return atomicAdd(reinterpret_cast<unsigned long long *>(word), static_cast<unsigned long long>(addend));
}

/// The 32 lanes that run together. Every lane of the warp calls each function, with a body that does the same.
class Warp {
public:
    GPU_INLINE uint64_t index() const { return (uint64_t(blockIdx.x) * blockDim.x + threadIdx.x) / 32; }
    GPU_INLINE uint64_t count() const { return uint64_t(gridDim.x) * blockDim.x / 32; }

    /// Runs body(lane) on every lane. What the lanes wrote is there for all of them afterwards.
    template <typename Body>
    GPU_INLINE void each_lane(const Body &body) const {
        body(threadIdx.x % 32);
        __syncwarp();
    }
    /// Runs body() on one lane.
    template <typename Body>
    GPU_INLINE void once(const Body &body) const {
        if (threadIdx.x % 32 == 0) body();
        __syncwarp();
    }
    /// The sum of body(lane) over the lanes, known to all of them. A sum has an array `word` of uint64_t.
    template <typename Sum, typename Body>
    GPU_INLINE Sum sum(const Body &body) const {
        Sum sum = body(threadIdx.x % 32);
        GPU_UNROLL
        for (unsigned word = 0; word < sizeof(Sum) / sizeof(uint64_t); ++word) GPU_UNROLL
        for (unsigned distance = 16; distance > 0; distance /= 2)
            sum.word[word] += __shfl_xor_sync(0xffffffff, sum.word[word], distance);
        __syncwarp();
        return sum;
    }
    /// The largest body(lane), known to all of them.
    template <typename Body>
    GPU_INLINE uint32_t largest(const Body &body) const {
        uint32_t value = body(threadIdx.x % 32);
        GPU_UNROLL
        for (unsigned distance = 16; distance > 0; distance /= 2)
            value = max(value, __shfl_xor_sync(0xffffffff, value, distance));
        __syncwarp();
        return value;
    }
    /// The XOR of body(lane) over the lanes, known to all of them.
    template <typename Body>
    GPU_INLINE uint32_t xor_sum(const Body &body) const {
        uint32_t value = body(threadIdx.x % 32);
        GPU_UNROLL
        for (unsigned distance = 16; distance > 0; distance /= 2) value ^= __shfl_xor_sync(0xffffffff, value, distance);
        __syncwarp();
        return value;
    }
    /// First count = produce(lane, kept) on every lane; then consume(lane, kept, before, total), where `before` is the
    /// sum of the counts of lower lanes, `total` that of all; returns the total. `kept` is a Kept of each lane's own,
    /// in registers on a device. A count may be two numbers of 16 bits.
    template <typename Kept, typename Produce, typename Consume>
    GPU_INLINE uint32_t scan(const Produce &produce, const Consume &consume) const {
        const unsigned lane = threadIdx.x % 32;
        Kept kept;
        const uint32_t count = produce(lane, kept);
        uint32_t sum = count;
        GPU_UNROLL
        for (unsigned distance = 1; distance < 32; distance *= 2) {
            const uint32_t below = __shfl_up_sync(0xffffffff, sum, distance);
            if (lane >= distance) sum += below;
        }
        const uint32_t total = __shfl_sync(0xffffffff, sum, 31);
        consume(lane, kept, sum - count, total);
        __syncwarp();
        return total;
    }
};

#else

inline Quad load_once(const Quad *from) { return *from; }
inline Quad load_cached(const Quad *from) { return *from; }
inline void store_once(Quad *to, const Quad &quad) { *to = quad; }
inline uint32_t load_word_once(const uint32_t *from) { return *from; }
inline Pair load_pair_once(const Pair *from) { return *from; }
inline void store_pair_once(Pair *to, const Pair &pair) { *to = pair; }
inline unsigned first_bit(uint32_t word) { return static_cast<unsigned>(__builtin_ctz(word)); }
inline uint32_t byte_perm(uint32_t low, uint32_t high, uint32_t selector) {
    const uint64_t both = uint64_t(high) << 32 | low;
    uint32_t result = 0;
    for (unsigned byte = 0; byte < 4; ++byte)
        result |= static_cast<uint32_t>(both >> 8 * (selector >> 4 * byte & 7) & 0xff) << 8 * byte;
    return result;
}
inline uint32_t xor3(uint32_t one, uint32_t two, uint32_t three) { return one ^ two ^ three; }
inline unsigned count_bits(uint32_t word) { return static_cast<unsigned>(__builtin_popcount(word)); }
inline void atomic_or(uint32_t *word, uint32_t bits) { __atomic_fetch_or(word, bits, __ATOMIC_RELAXED); }
inline void atomic_and(uint32_t *word, uint32_t bits) { __atomic_fetch_and(word, bits, __ATOMIC_RELAXED); }
inline void atomic_xor(uint32_t *word, uint32_t bits) { __atomic_fetch_xor(word, bits, __ATOMIC_RELAXED); }
inline void atomic_add(uint32_t *word, uint32_t addend) { __atomic_fetch_add(word, addend, __ATOMIC_RELAXED); }
inline void atomic_min(uint64_t *word, uint64_t value) {
    uint64_t there = __atomic_load_n(word, __ATOMIC_RELAXED);
    while (
        value < there && !__atomic_compare_exchange_n(word, &there, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}
inline uint64_t atomic_add(uint64_t *word, uint64_t addend) {
    return __atomic_fetch_add(word, addend, __ATOMIC_RELAXED);
}

class Warp {
public:
    Warp(uint64_t index, uint64_t count) : index_(index), count_(count) {}
    uint64_t index() const { return index_; }
    uint64_t count() const { return count_; }

    template <typename Body>
    void each_lane(const Body &body) const {
        for (unsigned lane = 0; lane < 32; ++lane) body(lane);
    }
    template <typename Body>
    void once(const Body &body) const {
        body();
    }
    template <typename Sum, typename Body>
    Sum sum(const Body &body) const {
        Sum total{};
        for (unsigned lane = 0; lane < 32; ++lane) {
            const Sum part = body(lane);
            for (unsigned word = 0; word < sizeof(Sum) / sizeof(uint64_t); ++word) total.word[word] += part.word[word];
        }
        return total;
    }
    template <typename Body>
    uint32_t largest(const Body &body) const {
        uint32_t value = 0;
        for (unsigned lane = 0; lane < 32; ++lane) {
            const uint32_t own = body(lane);
            if (own > value) value = own;
        }
        return value;
    }
    template <typename Body>
    uint32_t xor_sum(const Body &body) const {
        uint32_t value = 0;
        for (unsigned lane = 0; lane < 32; ++lane) value ^= body(lane);
        return value;
    }
    template <typename Kept, typename Produce, typename Consume>
    uint32_t scan(const Produce &produce, const Consume &consume) const {
        Kept kept[32];
        uint32_t counts[32], total = 0, before = 0;
        for (unsigned lane = 0; lane < 32; ++lane) total += counts[lane] = produce(lane, kept[lane]);
        for (unsigned lane = 0; lane < 32; before += counts[lane], ++lane) consume(lane, kept[lane], before, total);
        return total;
    }

private:
    uint64_t index_, count_;
};

#endif

} // namespace gmemfs::kernels
