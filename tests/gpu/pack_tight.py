#!/usr/bin/env python3
"""Pack, tight: a file of 64 GiB is packed where the device has at most 1 GiB beside it.

    tests/gpu/pack_tight.py MOUNT [--gib N]

A file of N GiB (64) of bfloat16 normal random numbers is made in the mount, and other files, until less than 1 GiB of
the device is free. Then it is packed, by way of host memory, and woken after the other files are gone. Its digest is
the same. The mount needs --host-limit of three quarters of the file. Prints JSON, times in seconds; exit status 1 where
something is wrong.
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cold import PACK, PACKED, WAKE, control, digest, make_weights
from frameworks import GIB, tell


def free(mount):
    stat = os.statvfs(mount)
    return stat.f_bavail * stat.f_frsize


def fill(mount):
    """Files that leave the device at most 1 GiB, and at least 900 MiB; their paths."""
    paths = []
    for size in (8 * GIB, GIB, GIB // 16):
        while free(mount) > GIB and free(mount) - size >= 900 << 20:
            paths.append(os.path.join(mount, f"fill.{len(paths)}"))
            with open(paths[-1], "wb") as file:
                file.truncate(size)
    return paths


def samples(path):
    """A MiB at 32 places."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        return [os.pread(file.fileno(), 1 << 20, size // 32 * place) for place in range(32)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount")
    parser.add_argument("--gib", type=int, default=64)
    arguments = parser.parse_args()
    target = os.path.join(arguments.mount, "tight.safetensors")
    make_weights(target, arguments.gib * GIB)
    before, bytes_before = digest(target), samples(target)
    others = fill(arguments.mount)
    beside = free(arguments.mount)
    if beside > GIB:
        sys.exit(f"pack_tight: {beside >> 20} MiB are free, too many")
    seconds, (plain, held, where) = control(target, PACK)
    if where != PACKED:
        sys.exit(f"pack_tight: the file is at {where}, not packed on its device")
    freed = free(arguments.mount) - beside
    if samples(target) != bytes_before:
        sys.exit("pack_tight: what is read of the packed file has changed")
    for path in others:
        os.unlink(path)
    wake = control(target, WAKE)[0]
    if digest(target) != before:
        sys.exit("pack_tight: the digest has changed while it was woken")
    os.unlink(target)
    tell({"tight_gib": arguments.gib, "free_beside_mib": beside >> 20, "pack_s": round(seconds, 3),
          "ratio": round(plain / held, 4), "freed_gib": round(freed / GIB, 2), "wake_s": round(wake, 3)})


if __name__ == "__main__":
    main()
