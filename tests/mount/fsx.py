#!/usr/bin/env python3
# fsx: random operations on one file, compared with a model in memory after each read; the idea is NeXT's fsx's.
#
#   fsx.py [--seed N] [--seconds N] [--operations N] [--size BYTES] FILE
#
# Reads, writes, appends, truncates, reopens, allocates, punches holes, copies ranges; where the file lies in gmemfs,
# packs and unpacks it. A failure prints the seed and the last operations, and exits with 1; the same seed does the same
# again.
import argparse
import ctypes
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "cold"))
from control import is_known, pack, wake

FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE = 1, 2, 16
FEW = bytes((0x3B, 0x3C, 0xBB, 0xBC)[byte % 4] for byte in range(256))
libc = ctypes.CDLL(None, use_errno=True)


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), f"fallocate mode {mode}")


class Run:
    def __init__(self, path, seed, largest):
        self.path, self.largest = path, largest
        self.random = random.Random(seed)
        self.model = bytearray()
        self.trace = []
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        self.weights = [30, 30, 8, 10, 4, 4, 6, 6, *([8, 3] if is_known(path) else [0, 0])]
        self.packed = 0

    def note(self, *what):
        self.trace.append(" ".join(map(str, what)))

    def offset(self):
        """Near the start, the end, or a boundary of 2 MiB or of a page, where mistakes are."""
        near = self.random.randrange(-9, 10)
        place = self.random.choice([0, len(self.model), self.random.randrange(self.largest + 1),
                                    self.random.randrange(1, 5) << 21, self.random.randrange(0, 2048) << 12])
        return max(0, min(self.largest, place + near))

    def length(self, offset):
        most = self.random.choice([1, 16, 4096, 65536, 1 << 20, 3 << 20])
        return min(self.random.randrange(1, most + 1), self.largest - offset)

    def data(self, size):
        """Bytes that can't be packed, or such as can: of two each is one of a few."""
        data = bytearray(self.random.randbytes(size))
        if self.random.random() < 0.7:
            data[1::2] = data[1::2].translate(FEW)
        return bytes(data)

    def extend(self, end):
        if end > len(self.model):
            self.model.extend(bytes(end - len(self.model)))

    def write(self):
        offset = self.offset()
        data = self.data(self.length(offset))
        self.note("write", len(data), "at", offset)
        done = 0
        while done < len(data):
            done += os.pwrite(self.fd, data[done:], offset + done)
        if data:
            self.extend(offset + len(data))
            self.model[offset:offset + len(data)] = data

    def append(self):
        if len(self.model) >= self.largest:
            return
        data = self.data(self.length(len(self.model)))
        self.note("append", len(data))
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        assert os.write(fd, data) == len(data)
        os.close(fd)
        self.model.extend(data)

    def read(self):
        offset = self.offset()
        length = self.random.choice([1, 100, 4096, 1 << 20, self.largest])
        self.note("read", length, "at", offset)
        self.check(os.pread(self.fd, length, offset), offset, length)

    def check(self, found, offset, length):
        expected = bytes(self.model[offset:offset + length])
        if found == expected:
            return
        if len(found) != len(expected):
            raise AssertionError(f"read {len(found)} bytes at {offset}, expected {len(expected)}")
        wrong = next(i for i, (a, b) in enumerate(zip(found, expected)) if a != b)
        raise AssertionError(f"byte {offset + wrong} is {found[wrong]:#x}, expected {expected[wrong]:#x}")

    def truncate(self):
        size = self.offset()
        self.note("truncate to", size)
        os.ftruncate(self.fd, size)
        del self.model[size:]
        self.extend(size)

    def reopen(self):
        self.note("reopen")
        os.close(self.fd)
        self.fd = os.open(self.path, os.O_RDWR)

    def allocate(self):
        offset = self.offset()
        length = self.length(offset)
        if length == 0:
            return
        mode = self.random.choice([0, FALLOC_KEEP_SIZE])
        self.note("allocate", length, "at", offset, "mode", mode)
        fallocate(self.fd, mode, offset, length)
        if mode == 0:
            self.extend(offset + length)

    def clear(self):
        offset = self.offset()
        length = self.length(offset)
        if length == 0:
            return
        mode = self.random.choice([FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, FALLOC_ZERO_RANGE])
        self.note("clear", length, "at", offset, "mode", mode)
        fallocate(self.fd, mode, offset, length)
        if mode == FALLOC_ZERO_RANGE:
            self.extend(offset + length)
        end = min(offset + length, len(self.model))
        if offset < end:
            self.model[offset:end] = bytes(end - offset)

    def copy(self):
        source, target = self.offset(), self.offset()
        length = min(self.length(source), self.length(target), abs(source - target))
        if length == 0:
            return
        self.note("copy", length, "from", source, "to", target)
        count = os.copy_file_range(self.fd, self.fd, length, source, target)
        expected = max(0, min(length, len(self.model) - source))
        assert 0 <= count <= expected and (count > 0 or expected == 0), f"copied {count}, expected {expected}"
        data = bytes(self.model[source:source + count])
        if data:
            self.extend(target + count)
            self.model[target:target + count] = data

    def pack(self):
        self.note("pack")
        plain, held, is_packed = pack(self.path)
        if is_packed:
            assert held < plain, f"packed, and {held} bytes are held of {plain}"
            self.packed += 1

    def unpack(self):
        self.note("unpack")
        plain, held, is_packed = wake(self.path)
        assert not is_packed and held <= plain, (plain, held, is_packed)

    def step(self):
        operations = [self.write, self.read, self.append, self.truncate, self.reopen, self.allocate, self.clear,
                      self.copy, self.pack, self.unpack]
        operation = self.random.choices(operations, self.weights)[0]
        operation()
        size = os.stat(self.path).st_size
        if size != len(self.model):
            raise AssertionError(f"the size is {size}, expected {len(self.model)}")

    def finish(self):
        self.note("read all")
        at = 0
        while at <= len(self.model):
            self.check(os.pread(self.fd, 1 << 20, at), at, 1 << 20)
            at += 1 << 20


def main():
    parser = argparse.ArgumentParser(description="Random operations on one file, against a model.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--operations", type=int, default=1 << 60)
    parser.add_argument("--size", type=int, default=9 << 20)
    parser.add_argument("file")
    arguments = parser.parse_args()
    run = Run(arguments.file, arguments.seed, arguments.size)
    end = time.monotonic() + arguments.seconds
    count = 0
    try:
        while count < arguments.operations and time.monotonic() < end:
            run.step()
            count += 1
        run.finish()
    except (AssertionError, OSError) as failure:
        print("\n".join(run.trace[-40:]))
        print(f"fsx: seed {arguments.seed}, operation {count}: {failure}")
        sys.exit(1)
    print(f"fsx: seed {arguments.seed}: {count} operations, {run.packed} times packed")


if __name__ == "__main__":
    main()
