// SHA-256, for both compilers: one lane hashes one message by itself. FIPS 180-4; the names are the standard's.
#pragma once

#include "ecc/parity/kernels/gmul.cuh"

namespace gmemfs::kernels {

/// The first 32 bits of the fractional part of the `index`th prime's square root (power 2) or cube root (power 3):
/// sections 5.3.3 and 4.2.2.
GPU_CONSTANT uint32_t sha256_constant(unsigned index, unsigned power) {
    unsigned prime = 2;
    for (unsigned found = 0;; ++prime) {
        bool is_prime = true;
        for (unsigned divisor = 2; divisor * divisor <= prime; ++divisor) is_prime &= prime % divisor != 0;
        if (is_prime && found++ == index) break;
    }
    // The largest root with root^power <= prime * 2^(32 * power), by its bits; 2^32 times the prime's root.
    const unsigned __int128 wanted = static_cast<unsigned __int128>(prime) << 32 * power;
    unsigned __int128 root = 0;
    for (int bit = 37; bit >= 0; --bit) {
        const unsigned __int128 next = root | static_cast<unsigned __int128>(1) << bit;
        if ((power == 2 ? next * next : next * next * next) <= wanted) root = next;
    }
    return static_cast<uint32_t>(root);
}

struct Sha256State {
    uint32_t h[8];
};

GPU_INLINE Sha256State sha256_begin() {
    Sha256State state;
    unrolled<8>([&](auto i) {
        constexpr uint32_t first = sha256_constant(i, 2);
        state.h[i] = first;
    });
    return state;
}

GPU_INLINE uint32_t rotate_right(uint32_t x, unsigned n) { return x >> n | x << (32 - n); }

/// One block of 16 big-endian words, which are used up: section 6.2.2, with a schedule of 16 words that rolls.
GPU_INLINE void sha256_compress(Sha256State &state, uint32_t (&w)[16]) {
    uint32_t a = state.h[0], b = state.h[1], c = state.h[2], d = state.h[3];
    uint32_t e = state.h[4], f = state.h[5], g = state.h[6], h = state.h[7];
    unrolled<64>([&](auto t) {
        constexpr uint32_t k = sha256_constant(t, 3);
        if constexpr (t >= 16) {
            const uint32_t w15 = w[(t + 1) % 16], w2 = w[(t + 14) % 16];
            const uint32_t sigma0 = rotate_right(w15, 7) ^ rotate_right(w15, 18) ^ w15 >> 3;
            const uint32_t sigma1 = rotate_right(w2, 17) ^ rotate_right(w2, 19) ^ w2 >> 10;
            w[t % 16] += sigma0 + w[(t + 9) % 16] + sigma1;
        }
        const uint32_t sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        const uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + k + w[t % 16];
        const uint32_t sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        const uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    });
    state.h[0] += a, state.h[1] += b, state.h[2] += c, state.h[3] += d;
    state.h[4] += e, state.h[5] += f, state.h[6] += g, state.h[7] += h;
}

GPU_INLINE uint32_t big_endian(uint32_t x) { return x << 24 | (x & 0xff00) << 8 | (x >> 8 & 0xff00) | x >> 24; }

/// The digest of `length` bytes from `message`, which lies at a multiple of 16; 32 bytes to `digest`, at one of 4.
GPU_INLINE void sha256(const uint8_t *message, uint64_t length, uint8_t *digest) {
    Sha256State state = sha256_begin();
    uint32_t w[16];
    uint64_t done = 0;
    GPU_NO_UNROLL
    for (; length - done >= 64; done += 64) {
        unrolled<4>([&](auto part) {
            const Quad quad = load_cached(reinterpret_cast<const Quad *>(message + done) + part);
            unrolled<4>([&](auto word) { w[part * 4 + word] = big_endian(quad.word[word]); });
        });
        sha256_compress(state, w);
    }
    // What is left, a bit 1, zeros, and the length in bits (section 5.1.1): one block, or two.
    const unsigned left = static_cast<unsigned>(length - done);
    const auto byte_at = [&](unsigned at) -> uint32_t {
        return at < left ? message[done + at] : at == left ? 0x80 : 0;
    };
    const bool takes_two = left >= 56;
    GPU_NO_UNROLL
    for (unsigned block = 0; block < (takes_two ? 2u : 1u); ++block) {
        const unsigned from = block * 64;
        unrolled<16>([&](auto i) {
            const unsigned at = from + i * 4;
            w[i] = byte_at(at) << 24 | byte_at(at + 1) << 16 | byte_at(at + 2) << 8 | byte_at(at + 3);
        });
        if (block == (takes_two ? 1u : 0u)) {
            w[14] = static_cast<uint32_t>(length * 8 >> 32);
            w[15] = static_cast<uint32_t>(length * 8);
        }
        sha256_compress(state, w);
    }
    auto *const words = reinterpret_cast<uint32_t *>(digest);
    unrolled<8>([&](auto i) { words[i] = big_endian(state.h[i]); });
}

} // namespace gmemfs::kernels
