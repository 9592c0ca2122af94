#!/usr/bin/env python3
"""Devices: copies between two devices of a mount, beside the driver's own.

    tests/gpu/devices.py MOUNT [--mib N] [--rounds N]

A file of N MiB (8192) of random bytes on the first device is copied to the second one and back: by copy_file_range(2),
by cp and by `gmemfs cp`, in turn with cuMemcpyPeerAsync of as much memory; digests are compared. MOUNT has --device
all, GMEMFS is the command. Prints a line a figure; exit status 1 where a byte is wrong. With one device alone it says
so, and 0.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from cuda.bindings import driver as cuda

ASKED = 0.9


def ok(answer):
    if answer[0] != cuda.CUresult.CUDA_SUCCESS:
        sys.exit(f"devices: {answer[0]}")
    return answer[1] if len(answer) == 2 else answer[1:]


class Driver:
    """cuMemcpyPeer between memory of two devices, whose contexts have peer access where the machine has it."""

    def __init__(self, size):
        ok(cuda.cuInit(0))
        self.size = size
        self.contexts = [ok(cuda.cuDevicePrimaryCtxRetain(device)) for device in (0, 1)]
        self.memory = []
        for context in self.contexts:
            ok(cuda.cuCtxSetCurrent(context))
            self.memory.append(ok(cuda.cuMemAlloc(size)))
        for mine, other in (self.contexts, self.contexts[::-1]):
            ok(cuda.cuCtxSetCurrent(mine))
            cuda.cuCtxEnablePeerAccess(other, 0)
        self.stream = ok(cuda.cuStreamCreate(cuda.CUstream_flags.CU_STREAM_NON_BLOCKING))

    def copy(self):
        ok((cuda.cuMemcpyPeerAsync(self.memory[1], self.contexts[1], self.memory[0], self.contexts[0], self.size,
                                   self.stream)[0], None))
        ok((cuda.cuStreamSynchronize(self.stream)[0], None))


def by_call(source, target):
    with open(source, "rb") as read, open(target, "wb") as written:
        left = os.fstat(read.fileno()).st_size
        while left:
            left -= os.copy_file_range(read.fileno(), written.fileno(), left)


def by_command(*command):
    def run(source, target):
        subprocess.run([*command, source, target], check=True)
    return run


def seconds(work, *arguments):
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def digest(path):
    return os.getxattr(path, "user.gmemfs.digest")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount")
    parser.add_argument("--mib", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    gmemfs = os.environ["GMEMFS"]
    said = subprocess.run([gmemfs, "stat", "--json", arguments.mount], capture_output=True, check=True).stdout
    uuids = [device["uuid"] for device in json.loads(said)["devices"]]
    if len(uuids) < 2:
        print("devices: the mount has one device alone")
        return 0
    folders = [os.path.join(arguments.mount, f"device{index}") for index in (0, 1)]
    for folder, uuid in zip(folders, uuids):
        os.mkdir(folder)
        os.setxattr(folder, "user.gmemfs.device", uuid.encode())
    size = arguments.mib << 20
    source = os.path.join(folders[0], "source")
    piece = os.urandom(64 << 20)
    with open(source, "wb") as file:
        file.truncate(size)
        for place in range(0, size, len(piece)):
            file.write(place.to_bytes(8, "little") + piece[8:min(len(piece), size - place)])
    expected = digest(source)
    small = os.path.join(folders[0], "small")
    with open(small, "wb") as file:
        file.write(piece[:4096])
    driver = Driver(size)
    ways = {"copy_file_range": by_call, "cp": by_command("cp"), "gmemfs cp": by_command(gmemfs, "cp", "--force")}
    times = {way: [] for way in ("cuMemcpyPeer", *ways)}
    driver.copy()
    for _ in range(arguments.rounds):
        times["cuMemcpyPeer"].append(seconds(driver.copy))
        for way, copy in ways.items():
            target = os.path.join(folders[1], "target")
            times[way].append(seconds(copy, source, target))
            if digest(target) != expected:
                sys.exit(f"devices: {way}: the copy has other bytes")
            back = os.path.join(folders[0], "back")
            copy(target, back)
            if digest(back) != expected:
                sys.exit(f"devices: {way}, back: the copy has other bytes")
            os.unlink(target)
            os.unlink(back)
    for way, copy in ways.items():
        starts = []
        for _ in range(arguments.rounds):
            starts.append(seconds(copy, small, os.path.join(folders[1], "small")))
            os.unlink(os.path.join(folders[1], "small"))
        print(f"FIGURE devices: {way} of 4 KiB {1e3 * statistics.median(starts):.1f} ms")
    rates = {way: size / statistics.median(values) / 1e9 for way, values in times.items()}
    limit = rates["cuMemcpyPeer"]
    for way, rate in rates.items():
        share = rate / limit
        asked = "" if way in ("cuMemcpyPeer", "cp") else f"  asked {ASKED}: {'PASS' if share >= ASKED else 'MISS'}"
        print(f"FIGURE devices: {way:16} {rate:8.1f} GB/s, {share:.2f} of cuMemcpyPeer{asked}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
