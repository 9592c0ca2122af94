#!/usr/bin/env python3
"""Replicas: how long a copy of a file on another device takes, checked, and that a kernel there reads it at full speed.

    tests/gpu/devices_replicas.py MOUNT [--mib N] [--rounds N]

A file of N MiB (16384) on the first device gets a copy on each other one and loses it again, in turn; each copy is
checked by its digest. Then the copy is mapped, and copied within its device, beside the file itself, read from there.
MOUNT has --device all. Prints a line a figure; exit status 1 where a byte is wrong.
"""
import argparse
import ctypes
import os
import statistics
import sys
import time

import gmemfs
from cuda.bindings import driver as cuda

from filling import fill

ASKED_MS = 60


def ok(answer):
    if answer[0] != cuda.CUresult.CUDA_SUCCESS:
        sys.exit(f"replicas: {answer[0]}")
    return answer[1] if len(answer) == 2 else answer[1:]


def rate_of_reading(address, size):
    """GB/s of a copy by the second device from `address` to its own memory."""
    context = ok(cuda.cuDevicePrimaryCtxRetain(1))
    ok(cuda.cuCtxSetCurrent(context))
    own = ok(cuda.cuMemAlloc(size))
    stream = ok(cuda.cuStreamCreate(cuda.CUstream_flags.CU_STREAM_NON_BLOCKING))
    times = []
    for _ in range(6):
        start = time.perf_counter()
        ok((cuda.cuMemcpyDtoDAsync(own, cuda.CUdeviceptr(address), size, stream)[0], None))
        ok((cuda.cuStreamSynchronize(stream)[0], None))
        times.append(time.perf_counter() - start)
    last = ctypes.create_string_buffer(8)
    ok((cuda.cuMemcpyDtoH(last, int(own) + size - 8, 8)[0], None))
    ok((cuda.cuMemFree(own)[0], None))
    return size / statistics.median(times[1:]) / 1e9, last.raw


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount")
    parser.add_argument("--mib", type=int, default=16384)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    size = arguments.mib << 20
    folder = os.path.join(arguments.mount, "replicas")
    os.mkdir(folder)
    os.setxattr(folder, "user.gmemfs.device", b"0")
    path = os.path.join(folder, "f")
    fill(path, size)
    start = time.perf_counter()
    os.getxattr(path, "user.gmemfs.digest")
    print(f"FIGURE devices: replica: the digest alone takes {1e3 * (time.perf_counter() - start):.1f} ms")
    times = []
    for _ in range(arguments.rounds):
        start = time.perf_counter()
        os.setxattr(path, "user.gmemfs.replicas", b"1")
        times.append(1e3 * (time.perf_counter() - start))
        if os.getxattr(path, "user.gmemfs.replicas") != b"1":
            sys.exit("replicas: none was made")
        os.setxattr(path, "user.gmemfs.replicas", b"none")
    median = statistics.median(times)
    print(f"FIGURE devices: replica of {arguments.mib} MiB, digest known: {median:.1f} ms (first {times[0]:.1f}), "
          f"{size / median / 1e6:.0f} GB/s  asked {ASKED_MS} ms: {'PASS' if median <= ASKED_MS else 'MISS'}")
    with open(path, "r+b") as file:  # forgets the digest
        file.write(b"again")
    start = time.perf_counter()
    os.setxattr(path, "user.gmemfs.replicas", b"1")
    print(f"FIGURE devices: replica, digest not known: {1e3 * (time.perf_counter() - start):.1f} ms")
    ok(cuda.cuInit(0))
    found = []
    with gmemfs.open(path) as file:
        for what, device in (("copy", 1), ("file", None)):
            with file.map(device=device, read_only=True) as mapping:
                if mapping.device != (device or 0):
                    sys.exit(f"replicas: the {what} is on device {mapping.device}")
                rate, last = rate_of_reading(mapping.address, min(size, 8 << 30))
                found.append(last)
                print(f"FIGURE devices: device 1 copies the {what} to memory of its own at {rate:.0f} GB/s")
    if found[0] != found[1]:
        sys.exit("replicas: the copy has other bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
