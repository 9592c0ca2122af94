#!/usr/bin/env python3
"""Peer: wraps a file's device memory as a CuPy array, without a copy; checks it and changes it with CuPy's kernels.

    tests/gpu/peer_cupy.py PATH      PATH: a file of a gmemfs mount whose size is a multiple of 4

What the array holds must be what read(2) gives; and after the array was changed on the device, what read(2) gives
must be the changed bytes. Exit status 1 and one line if not.
"""
import os
import sys

import cupy
import numpy

from peer_bindings import MappedFile

MASK = 0x5A5A5A5A


def read_words(path):
    with open(path, "rb", buffering=0) as file:
        return numpy.fromfile(file, dtype=numpy.uint32)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = sys.argv[1]
    size = os.stat(path).st_size
    before = read_words(path)
    mapped = MappedFile(path)
    with cupy.cuda.Device(int(mapped.device)):
        memory = cupy.cuda.UnownedMemory(int(mapped.address), mapped.size, owner=mapped, device_id=int(mapped.device))
        array = cupy.ndarray((size // 4,), dtype=cupy.uint32, memptr=cupy.cuda.MemoryPointer(memory, 0))
        if not bool((array == cupy.asarray(before)).all()):
            sys.exit(f"peer: {path}: the array's words are not the file's")
        total = int(array.sum(dtype=cupy.uint64))
        if total != int(before.sum(dtype=numpy.uint64)):
            sys.exit(f"peer: {path}: the array's sum is not the file's")
        array ^= numpy.uint32(MASK)
        cupy.cuda.Stream.null.synchronize()
    if not numpy.array_equal(read_words(path), before ^ numpy.uint32(MASK)):
        sys.exit(f"peer: {path}: the file doesn't hold what the array was changed to")
    print(f"cupy {cupy.__version__}: {size} bytes as an array, sum {total}; changed on the device, read back: equal")


if __name__ == "__main__":
    main()
