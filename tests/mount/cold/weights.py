#!/usr/bin/env python3
# weights: bytes like a model's, to standard output: 2-byte values whose exponents are those of a normal distribution.
#
#   weights.py SIZE [--seed N] [--mixed]
#
# No two chunks of 128 KiB are the same, so that one in another's place is noticed. --mixed: among them there are chunks
# of zeros, of one word, of 4-byte floats and of random bytes.
import argparse, array, random, sys

CHUNK = 128 << 10


def floats(rng, count):
    return array.array("f", (rng.gauss(0, 0.02) for _ in range(count))).tobytes()


def chunk(rng, pools, kind):
    if kind == "zeros":
        return bytes(CHUNK)
    if kind == "fill":
        return rng.randbytes(4) * (CHUNK // 4)
    if kind == "random":
        return rng.randbytes(CHUNK)
    pool = pools[kind]
    at = rng.randrange(0, len(pool) - CHUNK, 4)
    return pool[at:at + CHUNK - 8] + rng.randbytes(8)  # which no other chunk has


def main():
    parser = argparse.ArgumentParser(description="Bytes like a model's.")
    parser.add_argument("size", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mixed", action="store_true")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    single = floats(rng, CHUNK // 2)
    half = bytearray(CHUNK)
    half[0::2], half[1::2] = single[2::4], single[3::4]  # their upper halves
    pools = {"fp32": single, "bf16": bytes(half) * 2}
    kinds = ["zeros", "bf16", "fill", "fp32", "random", "bf16", "bf16", "fp32"] if arguments.mixed else ["bf16"]
    for made in range(0, arguments.size, CHUNK):
        part = chunk(rng, pools, kinds[made // CHUNK % len(kinds)])
        sys.stdout.buffer.write(part[:arguments.size - made])


if __name__ == "__main__":
    main()
