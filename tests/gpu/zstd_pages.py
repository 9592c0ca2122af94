#!/usr/bin/env python3
"""zstd pages: how long nvCOMP's zstd takes on the GPU for a page of 128 KiB, by what is in it.

    tests/gpu/zstd_pages.py

Prints a line a kind of page: milliseconds of its kernels for 1 page and for 64 pages, medians of 5, and the ratio.
Needs a GPU, and nvCOMP where `gmemfs doctor` finds it, or GMEMFS_NVCOMP.
"""
import random
import statistics
import struct

import gmemfs

PAGE = 128 << 10


def kinds():
    rnd = random.Random(7)
    bf16 = b"".join(struct.pack("<f", rnd.gauss(0, 0.02))[2:] for _ in range(PAGE // 2))
    words = [bytes(rnd.choices(b"abcdefghijklmnopqrstuvwxyz", k=rnd.randint(2, 9))) for _ in range(2000)]
    text = b" ".join(rnd.choice(words) for _ in range(PAGE // 4))[:PAGE]
    return {"random": rnd.randbytes(PAGE), "bf16 weights": bf16, "text": text, "zeros": bytes(PAGE),
            "4 KiB of weights, then zeros": bf16[:4096] + bytes(PAGE - 4096),
            "zeros, but the last half": bytes(PAGE // 2) + bf16[:PAGE // 2],
            "a period of 2 bytes": b"ab" * (PAGE // 2), "a period of 4 KiB": bf16[:4096] * (PAGE // 4096)}


def main():
    with gmemfs.Ring() as ring:
        for name, page in kinds().items():
            times = {}
            for count in (1, 64):
                taken = []
                for _ in range(6):
                    packed = ring.pack(page * count, page_size=PAGE, algorithm="zstd", backend="gpu").result()
                    taken.append(packed.info.compute_ns / 1e6)
                times[count] = statistics.median(taken[1:])
            print(f"{name:32} {times[1]:10.3f} ms {times[64]:10.3f} ms   1/{packed.info.ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
