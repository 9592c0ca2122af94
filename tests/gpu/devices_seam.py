#!/usr/bin/env python3
"""Seams: kernels of either GPU over a file that lies on both: what they write is right, and how fast they read.

    tests/gpu/devices_seam.py MOUNT [--mib N]

A file of N MiB (1024) that is spread over the first two devices, and one whose units of 64 MiB lie there in turn, are
written and read throughout by kernels of each GPU: x = 0, 1, 2, ...; x = x * 3 + 1; their sum. The digest that the
mount makes is to be that of a file on one device with the same values. Then all is read by one GPU, and by both at
once, beside as much memory of a GPU's own. MOUNT has --device all; needs torch. Prints a line a figure; exit status 1
where a value is wrong.
"""
import argparse
import json
import os
import shutil
import statistics
import sys

import gmemfs
import numpy
import torch
from shown import INT, Shown, place

ROUNDS = 5
READS = 10


def expected_of(folder, count):
    """The digest of a file on one device with the values that kernels are to write, and their sum."""
    values = numpy.arange(count, dtype="<i4") * numpy.int32(3) + numpy.int32(1)
    with open(f"{folder}/expected", "wb") as file:
        file.write(values.tobytes())
    return os.getxattr(f"{folder}/expected", "user.gmemfs.digest"), int(values.sum(dtype="i8"))


def check_kernels(name, file, tensors, expected, total):
    for ordinal, tensor in enumerate(tensors):
        with torch.cuda.device(ordinal):
            tensor.copy_(torch.arange(tensor.numel(), dtype=torch.int32, device=f"cuda:{ordinal}"))
            tensor.mul_(3).add_(1)
            found = int(tensor.sum(dtype=torch.int64).item())
        torch.cuda.synchronize(ordinal)
        file.seal()
        if found != total:
            sys.exit(f"devices: {name}: GPU {ordinal} reads a sum of {found}, and it is {total}")
        if os.getxattr(file.path, "user.gmemfs.digest") != expected:
            sys.exit(f"devices: {name}: what GPU {ordinal} has written are other bytes")
        tensor.zero_()
        torch.cuda.synchronize(ordinal)


def read_rate(tensors):
    """Bytes a second that the GPUs of these tensors read together, READS times all of them, medians."""
    rates = []
    for _ in range(ROUNDS + 1):  # the first one loads kernels
        events = []
        for tensor in tensors:
            with torch.cuda.device(tensor.device):
                torch.cuda.synchronize()
                events.append([torch.cuda.Event(enable_timing=True) for _ in range(2)])
        for turn in range(READS + 2):
            for tensor, (start, end) in zip(tensors, events):
                with torch.cuda.device(tensor.device):
                    if turn == 0:
                        start.record()
                    elif turn <= READS:
                        torch.sum(tensor, dtype=torch.int64)
                    else:
                        end.record()
        took = []
        for tensor, (start, end) in zip(tensors, events):
            with torch.cuda.device(tensor.device):
                end.synchronize()
                took.append(start.elapsed_time(end) / 1e3)
        rates.append(sum(READS * 4 * tensor.numel() / seconds for tensor, seconds in zip(tensors, took)))
    return statistics.median(rates[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount")
    parser.add_argument("--mib", type=int, default=1024)
    arguments = parser.parse_args()
    count = arguments.mib << 18
    devices = json.loads(os.getxattr(arguments.mount, "user.gmemfs.stats"))["devices"]
    if len(devices) < 2 or torch.cuda.device_count() < 2:
        print("devices: one device alone has no seams")
        return 0
    folder = f"{arguments.mount}/seams"
    place(f"{folder}/one", devices[0]["uuid"])
    expected, total = expected_of(f"{folder}/one", count)
    own = [torch.ones(count, dtype=torch.int32, device=f"cuda:{ordinal}") for ordinal in (0, 1)]
    print(f"FIGURE devices: seams: own memory read by GPU 0 {read_rate(own[:1]) / 1e9:.0f} GB/s, "
          f"by GPU 1 {read_rate(own[1:]) / 1e9:.0f}, by both {read_rate(own) / 1e9:.0f}")
    del own
    for index, where in enumerate(("spread:0-1", "interleave:64M:0-1")):
        place(f"{folder}/{index}", where)
        with gmemfs.open(f"{folder}/{index}/values", 4 * count) as file:
            mapping = file.map()
            tensors = [torch.from_dlpack(Shown(mapping, 0, count, INT, ordinal)) for ordinal in (0, 1)]
            for ordinal, tensor in enumerate(tensors):
                if tensor.device != torch.device("cuda", ordinal) or tensor.data_ptr() != mapping.address:
                    sys.exit(f"devices: {where}: torch has copied the memory")
            check_kernels(where, file, tensors, expected, total)
            print(f"FIGURE devices: seams: {where} read by GPU 0 {read_rate(tensors[:1]) / 1e9:.0f} GB/s, "
                  f"by GPU 1 {read_rate(tensors[1:]) / 1e9:.0f}, by both {read_rate(tensors) / 1e9:.0f}")
            del tensors, tensor
            mapping.unmap()
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
