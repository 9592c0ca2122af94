// Lane: what kernels need of CUDA, for both compilers that read them: nvcc, and the host's (tests, simulator).
//
// One warp of 32 lanes works on one block. What a lane does by itself is an ordinary function of its number. Where
// lanes meet, they meet through a Warp: on a device each lane runs the body once, on the host one thread runs it for
// all 32 in turn. So nothing outside this file is written twice, and nothing else knows a warp-wide instruction.
#pragma once

#include <stdint.h>

#if defined(__CUDACC__)
#define GPU_INLINE __device__ __forceinline__
#define GPU_RARE __device__ __noinline__
#define GPU_CONSTANT __host__ __device__ constexpr // also worked out while the compiler runs
#define GPU_UNROLL _Pragma("unroll")
#define GPU_NO_UNROLL _Pragma("unroll 1")
#else
#define GPU_INLINE inline
#define GPU_RARE inline
#define GPU_CONSTANT constexpr
#define GPU_UNROLL
#define GPU_NO_UNROLL
#endif

namespace gmemfs::kernels {

/// 16 bytes that a lane loads or stores at once.
struct alignas(16) Quad {
    uint32_t word[4];
};

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
GPU_INLINE void atomic_or(uint32_t *word, uint32_t bits) { atomicOr(word, bits); }
GPU_INLINE void atomic_and(uint32_t *word, uint32_t bits) { atomicAnd(word, bits); }
GPU_INLINE void atomic_xor(uint32_t *word, uint32_t bits) { atomicXor(word, bits); }
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
};

#else

inline Quad load_once(const Quad *from) { return *from; }
inline Quad load_cached(const Quad *from) { return *from; }
inline void store_once(Quad *to, const Quad &quad) { *to = quad; }
inline uint32_t xor3(uint32_t one, uint32_t two, uint32_t three) { return one ^ two ^ three; }
inline unsigned count_bits(uint32_t word) { return static_cast<unsigned>(__builtin_popcount(word)); }
inline void atomic_or(uint32_t *word, uint32_t bits) { __atomic_fetch_or(word, bits, __ATOMIC_RELAXED); }
inline void atomic_and(uint32_t *word, uint32_t bits) { __atomic_fetch_and(word, bits, __ATOMIC_RELAXED); }
inline void atomic_xor(uint32_t *word, uint32_t bits) { __atomic_fetch_xor(word, bits, __ATOMIC_RELAXED); }
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

private:
    uint64_t index_, count_;
};

#endif

} // namespace gmemfs::kernels
