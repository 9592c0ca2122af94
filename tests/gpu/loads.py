#!/usr/bin/env python3
"""Loads: a file from memory into one device, into the other one, and into both at once, beside what the buses can do.

    tests/gpu/loads.py MOUNT FOLDER [--mib N] [--rounds N]

A file of N MiB (16384) is made in FOLDER, which lies in memory, and `gmemfs cp` copies it to the first device, to the
second one, to a spread file on both (its first half there, its second half here), and as a tree of two files, one for
each device: in turn, medians. Then two processes, a rank each, load their slices of it by load_safetensors. Beside them
stand copies from pinned memory by each bus alone and by both at once, and what as many threads read from FOLDER, so
that a miss is explained. MOUNT has --device all, GMEMFS is the command. Prints a line a figure; exit status 1 where a
byte is wrong. With one device alone it says so, and 0.
"""
import argparse
import concurrent.futures
import errno
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

from cuda.bindings import driver as cuda

ASKED = 0.85
MIB = 1 << 20
CHUNK = 2 * MIB  # that a lane of gmemfs cp reads at once
THREADS = 12  # of gmemfs cp, a device, where there are as many cores


def ok(answer):
    if answer[0] != cuda.CUresult.CUDA_SUCCESS:
        sys.exit(f"loads: {answer[0]}")
    return answer[1] if len(answer) == 2 else answer[1:]


def near(ordinal):
    """The processors on the device's NUMA node; all where there is none."""
    node = ok(cuda.cuDeviceGetAttribute(cuda.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, ordinal))
    everywhere = os.sched_getaffinity(0)
    try:
        with open(f"/sys/devices/system/node/node{node}/cpulist", encoding="ascii") as told:
            parts = [part.split("-") for part in told.read().strip().split(",") if part]
    except FileNotFoundError:
        return everywhere
    return {one for part in parts for one in range(int(part[0]), int(part[-1]) + 1)} & everywhere or everywhere


class Bus:
    """Pinned memory on a device's node, and memory on the device."""

    def __init__(self, ordinal, size):
        self.size = size
        self.context = ok(cuda.cuDevicePrimaryCtxRetain(ordinal))
        ok((cuda.cuCtxSetCurrent(self.context)[0], None))
        everywhere = os.sched_getaffinity(0)
        os.sched_setaffinity(0, near(ordinal))
        self.pinned = ok(cuda.cuMemHostAlloc(size, cuda.CU_MEMHOSTALLOC_PORTABLE))
        os.sched_setaffinity(0, everywhere)
        self.memory = ok(cuda.cuMemAlloc(size))
        self.stream = ok(cuda.cuStreamCreate(cuda.CUstream_flags.CU_STREAM_NON_BLOCKING))

    def queue(self):
        ok((cuda.cuCtxSetCurrent(self.context)[0], None))
        ok((cuda.cuMemcpyHtoDAsync(self.memory, self.pinned, self.size, self.stream)[0], None))

    def wait(self):
        ok((cuda.cuCtxSetCurrent(self.context)[0], None))
        ok((cuda.cuStreamSynchronize(self.stream)[0], None))

    def end(self):
        ok((cuda.cuCtxSetCurrent(self.context)[0], None))
        ok((cuda.cuMemFree(self.memory)[0], None))
        ok((cuda.cuMemFreeHost(self.pinned)[0], None))


def pinned_rate(buses, times):
    """Bytes a second of all these buses together."""
    start = time.perf_counter()
    for _ in range(times):
        for bus in buses:
            bus.queue()
    for bus in buses:
        bus.wait()
    return times * sum(bus.size for bus in buses) / (time.perf_counter() - start)


def in_threads(count, size, work):
    """Calls work(offset, bytes) for each 16 MiB of `size`, on so many threads; the seconds that it took."""
    step = 8 * CHUNK
    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(lambda first: [work(offset, min(step, size - offset))
                                                for offset in range(first * step, size, count * step)], index)
                     for index in range(count)]:
            done.result()
    return time.perf_counter() - start


def make_source(path, size):
    """A .safetensors file of matrices of 32 MiB, whose rows are 16 KiB."""
    names = {f"layer.{index}": {"dtype": "F16", "shape": [2048, 8192],
                                "data_offsets": [index * 32 * MIB, (index + 1) * 32 * MIB]}
             for index in range(size // (32 * MIB))}
    header = json.dumps(names).encode()
    header += b" " * (-(8 + len(header)) % 4096)
    start = len(header).to_bytes(8, "little") + header
    piece = os.urandom(8 * CHUNK)
    with open(path, "wb") as file:
        file.write(start)
        file.truncate(len(start) + size)
        file.flush()
        # Each piece says where it lies, so that no two are the same.
        in_threads(8, size, lambda offset, length: os.pwritev(
            file.fileno(), [offset.to_bytes(8, "little"), memoryview(piece)[8:length]], len(start) + offset))


def read_rate(path, size, threads):
    """Of what is in memory, read as gmemfs cp reads it: again and again into the same 2 MiB of a thread."""
    buffers = [bytearray(CHUNK) for _ in range(threads)]
    with open(path, "rb") as file:
        def read(offset, length):
            buffer = buffers[offset // (8 * CHUNK) % threads]
            os.preadv(file.fileno(), [buffer] * (length // CHUNK), offset)
        in_threads(threads, size, read)
        return size / in_threads(threads, size, read)


def place(folder, where):
    os.makedirs(folder)
    os.setxattr(folder, "user.gmemfs.device", where.encode())


def make_targets(mount, uuids, source, folder):
    """What is copied, and where to, by name."""
    targets = {}
    for index, uuid in enumerate(uuids):
        place(f"{mount}/loads/device{index}", uuid)
        targets[f"device {index}"] = (source, f"{mount}/loads/device{index}/model")
    try:
        place(f"{mount}/loads/spread", "spread:0-1")
        targets["spread:0-1"] = (source, f"{mount}/loads/spread/model")
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        print("loads: this mount spreads no files")
    for index in (0, 1):
        os.makedirs(f"{folder}/tree/{index}")
        os.link(source, f"{folder}/tree/{index}/model")
    targets["tree"] = (f"{folder}/tree", f"{mount}/loads/tree")
    return targets


def load(gmemfs, uuids, source, target, *options):
    """The seconds of moving bytes, and of all."""
    if os.path.isdir(source):
        for index, uuid in enumerate(uuids):
            place(f"{target}/{index}", uuid)
        said = subprocess.run([gmemfs, "cp", "-r", "--json", *options, f"{source}/0", f"{source}/1", target],
                              stdout=subprocess.PIPE, check=True).stdout
    else:
        said = subprocess.run([gmemfs, "cp", "--json", *options, source, target], stdout=subprocess.PIPE,
                              check=True).stdout
    told = json.loads(said)
    return told["seconds"], told["all_seconds"]


def files_of(target):
    return [f"{target}/{index}/model" for index in (0, 1)] if os.path.isdir(target) else [target]


def remove(target):
    shutil.rmtree(target) if os.path.isdir(target) else os.unlink(target)


def measure(gmemfs, uuids, targets, rounds):
    """Of each target the medians of its seconds, of moving and of all, beside the first load, which is verified."""
    times = {name: [] for name in targets}
    digests = set()
    for last in range(rounds + 1):
        for name, (source, target) in targets.items():
            took = load(gmemfs, uuids, source, target, *(() if last else ("--verify",)))
            if last:
                times[name].append(took)
            if last in (0, rounds):
                digests |= {os.getxattr(file, "user.gmemfs.digest") for file in files_of(target)}
            remove(target)
        if len(digests) > 1:
            sys.exit("loads: a copy has other bytes")
    return {name: [statistics.median(values) for values in zip(*took)] for name, took in times.items()}


RANK = """
import os, sys, time
import gmemfs
rank, dimension, source, into = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
made = gmemfs.Shard(rank, 2, into).path_of(source)
if os.path.exists(made):
    os.unlink(made)
from cuda.bindings import driver as cuda
cuda.cuInit(0)
cuda.cuCtxSetCurrent(cuda.cuDevicePrimaryCtxRetain(rank)[1])
print("ready", flush=True)
sys.stdin.readline()
start = time.perf_counter()
gmemfs.load_safetensors(source, shard=gmemfs.Shard(rank, 2, into, {"*": dimension}))
print(time.perf_counter() - start)
"""


def shard_rate(source, into, dimension):
    """Bytes of both ranks a second, each in a process of its own, from the moment that both are ready."""
    ranks = [subprocess.Popen([sys.executable, "-c", RANK, str(rank), str(dimension), source, into],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for rank in (0, 1)]
    if [rank.stdout.readline() for rank in ranks] != ["ready\n"] * 2:
        sys.exit("loads: a rank didn't start")
    for rank in ranks:
        rank.stdin.write("\n")
        rank.stdin.flush()
    seconds = [float(rank.communicate()[0]) for rank in ranks]
    return os.path.getsize(source) / max(seconds)


def ceilings(source, size, small):
    buses = [Bus(ordinal, min(size, 256 * MIB)) for ordinal in (0, 1)]
    times = 1 if small else 16
    pinned_rate(buses, 1)
    alone = [pinned_rate([bus], times) for bus in buses]
    both = pinned_rate(buses, times)
    for bus in buses:
        bus.end()
    print(f"FIGURE loads: pinned memory: {alone[0] / 1e9:.1f} and {alone[1] / 1e9:.1f} GB/s alone, "
          f"{both / 1e9:.1f} both at once ({both / sum(alone):.2f})")
    cores = len(os.sched_getaffinity(0))
    for threads in (min(THREADS, cores), min(2 * THREADS, cores)):
        print(f"FIGURE loads: {threads} threads read {read_rate(source, size, threads) / 1e9:.1f} GB/s from memory")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount")
    parser.add_argument("folder")
    parser.add_argument("--mib", type=int, default=16384)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    gmemfs, size = os.environ["GMEMFS"], arguments.mib * MIB
    said = subprocess.run([gmemfs, "stat", "--json", arguments.mount], capture_output=True, check=True).stdout
    uuids = [device["uuid"] for device in json.loads(said)["devices"]][:2]
    if len(uuids) < 2:
        print("loads: the mount has one device alone")
        return 0
    ok((cuda.cuInit(0)[0], None))
    os.makedirs(f"{arguments.folder}/loads")
    source = f"{arguments.folder}/loads/model.safetensors"
    make_source(source, size)
    targets = make_targets(arguments.mount, uuids, source, f"{arguments.folder}/loads")
    ceilings(source, size, arguments.mib < 1024)
    medians = measure(gmemfs, uuids, targets, arguments.rounds)
    size = os.path.getsize(source)
    rates = {name: (2 if name == "tree" else 1) * size / moving / 1e9 for name, (moving, _) in medians.items()}
    alone = rates["device 0"] + rates["device 1"]
    for name, (moving, everything) in medians.items():
        line = f"FIGURE loads: {name:10} {rates[name]:6.1f} GB/s, {moving:.3f} s of {everything:.3f}"
        if name in ("spread:0-1", "tree"):
            share = rates[name] / alone
            line += f"; {share:.2f} of both alone together, asked {ASKED}: {'PASS' if share >= ASKED else 'MISS'}"
        print(line)
    os.makedirs(f"{arguments.mount}/loads/ranks")
    for dimension in (0, 1):
        rate = statistics.median(shard_rate(source, f"{arguments.mount}/loads/ranks", dimension)
                                 for _ in range(min(3, arguments.rounds)))
        print(f"FIGURE loads: load_safetensors of two ranks, dimension {dimension} split: {rate / 1e9:.1f} GB/s")
    shutil.rmtree(f"{arguments.folder}/loads")
    shutil.rmtree(f"{arguments.mount}/loads")
    return 0


if __name__ == "__main__":
    sys.exit(main())
