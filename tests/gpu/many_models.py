#!/usr/bin/env python3
"""Many models: more than the device holds, opened, read, written and mapped at random.

    tests/gpu/many_models.py MOUNT [--models N] [--gib G] [--minutes M] [--seed S]

MOUNT was mounted with --make-room=host. N files (200) of G GiB (1) of bfloat16 weights are made by PyTorch, each with
numbers of its own. Then, for M minutes (5), one file after the other, at random, is mapped, and the sum of all its
words is that which is known; or 4 MiB anywhere are read and have the sum that they had on the device; or 64 KiB are
written; or its digest is asked for. At the end every file has its sum. Prints JSON; exit status 1 where a sum is wrong.
"""
import argparse
import json
import os
import random
import statistics
import sys
import time

import gmemfs
import torch

GIB = 1 << 30
PART = 4 << 20


def map_words(path, read_only=True):
    """The file as 32-bit words on the GPU; its mapping ends with the last reference."""
    size = os.stat(path).st_size
    return torch.from_dlpack(gmemfs.tensor(path, (size // 4,), "int32", read_only=read_only))


def sum_of(words):
    return int(words.sum(dtype=torch.int64))


class Models:
    def __init__(self, mount, count, size, seed):
        self.paths = [os.path.join(mount, f"model{index}.bin") for index in range(count)]
        self.size, self.random = size, random.Random(seed)
        self.sums, self.digests = {}, {}
        self.seconds = {kind: [] for kind in ("make", "map", "read", "write", "digest")}

    def make(self, path, number):
        began = time.perf_counter()
        with open(path, "wb") as file:
            file.truncate(self.size)
        words = map_words(path, read_only=False)
        torch.manual_seed(number)
        half = self.size // 4 // 2
        for part in (words[:half], words[half:]):
            made = torch.randn(part.numel() * 2, dtype=torch.bfloat16, device="cuda") * 0.02
            part.copy_(made.view(torch.int32))
        self.sums[path] = sum_of(words)
        torch.cuda.synchronize()
        del words, part, made
        self.seconds["make"].append(time.perf_counter() - began)

    def map(self, path):
        return sum_of(map_words(path)) == self.sums[path]

    def read(self, path):
        at = self.random.randrange(self.size // 4096 - PART // 4096) * 4096
        with open(path, "rb") as file:
            parts = os.pread(file.fileno(), PART, at)
        if len(parts) != PART:
            return False
        read = int(torch.frombuffer(bytearray(parts), dtype=torch.int32).sum(dtype=torch.int64))
        if self.random.random() < 0.25:  # it stays cold otherwise
            return read == sum_of(map_words(path)[at // 4:(at + PART) // 4])
        return True

    def write(self, path):
        at = self.random.randrange(self.size // 65536) * 65536
        new = self.random.randbytes(65536)
        with open(path, "r+b", buffering=0) as file:
            old = os.pread(file.fileno(), 65536, at)
            os.pwrite(file.fileno(), new, at)
        total = lambda each: int(torch.frombuffer(bytearray(each), dtype=torch.int32).sum(dtype=torch.int64))
        self.sums[path] += total(new) - total(old)
        self.digests.pop(path, None)
        return True

    def digest(self, path):
        told = os.getxattr(path, "user.gmemfs.digest")
        return self.digests.setdefault(path, told) == told

    def run(self, minutes):
        kinds = ["map", "map", "map", "read", "read", "read", "write", "digest"]
        end, wrong = time.monotonic() + 60 * minutes, []
        while time.monotonic() < end:
            kind, path = self.random.choice(kinds), self.random.choice(self.paths)
            began = time.perf_counter()
            if not getattr(self, kind)(path):
                wrong.append((kind, path))
            self.seconds[kind].append(time.perf_counter() - began)
        return wrong


def residences(models):
    seen = {}
    for path in models.paths:
        where = json.loads(os.getxattr(path, "user.gmemfs.residence"))["where"]
        seen[where] = seen.get(where, 0) + 1
    return seen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount")
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--gib", type=float, default=1)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=20261130)
    arguments = parser.parse_args()
    torch.cuda.init()
    models = Models(arguments.mount, arguments.models, int(arguments.gib * GIB), arguments.seed)
    began = time.monotonic()
    for number, path in enumerate(models.paths):
        models.make(path, number)
    made = time.monotonic() - began
    after_making = residences(models)
    wrong = models.run(arguments.minutes)
    wrong += [("last", path) for path in models.paths if not models.map(path)]
    told = {kind: {"count": len(times), "median_s": round(statistics.median(times), 4), "max_s": round(max(times), 3)}
            for kind, times in models.seconds.items() if times}
    print(json.dumps({"models": arguments.models, "gib": arguments.gib, "minutes": arguments.minutes,
                      "made_s": round(made, 1), "after_making": after_making, "at_the_end": residences(models),
                      "wrong": wrong, **told}), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
