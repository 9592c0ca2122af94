#!/usr/bin/env python3
"""All-reduce: NCCL in place on gmemfs' memory, beside torch's own: two processes, a GPU each.

    tests/gpu/devices_nccl.py MOUNT [--rounds N]

In turn, of 256 MiB and of 1 GiB of float32: 20 all-reduces in torch's own memory; over a mapped file on the rank's own
device, that both devices reach; the same, that its own device alone reaches; the same 4 KiB behind the extent's start;
and over the rank's half of one spread file that both map. Then once more with torch's own memory in expandable
segments, which the driver makes as it makes gmemfs' (PYTORCH_CUDA_ALLOC_CONF). Every result is checked. MOUNT has
--device all; needs torch, and two GPUs. Prints medians (bus bandwidth: size * 2 * (n - 1) / n / time), their ratio to
torch's own of the same processes, and each round's values; exit status 1 where a value is wrong.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile

import gmemfs
import torch
import torch.distributed
import torch.multiprocessing
from shown import FLOAT, Shown, place

RANKS = 2
TIMES = 20
SIZES = {"256 MiB": 256 << 20, "1 GiB": 1 << 30}
PAGE = 4096


class Memory:
    """The kinds of memory of one rank, by name; keeps files and mappings."""

    def __init__(self, folder, rank, label, size):
        self.rank, self.kept = rank, []
        count = size // 4
        own = f"{folder}/{rank}/{label}-{size}"
        self.tensors = {
            label: torch.empty(count, dtype=torch.float32, device=f"cuda:{rank}"),
            "file, both devices": self.show(own, size + PAGE, 0, count),
            "file, its own device": self.show(own, size + PAGE, 0, count, devices=[]),
            "file, 4 KiB into it": self.show(own, size + PAGE, PAGE, count),
            "half of a spread file": self.show(f"{folder}/spread/{label}-{size}", RANKS * size, rank * size, count)}

    def show(self, path, size, offset, count, **options):
        with gmemfs.open(path, size) as file:
            mapping = file.map(**options)
        self.kept.append(mapping)
        tensor = torch.from_dlpack(Shown(mapping, offset, count, FLOAT, self.rank))
        if tensor.data_ptr() != mapping.address + offset:
            sys.exit("devices: torch has copied the memory")
        return tensor

    def end(self):
        self.tensors.clear()
        for mapping in self.kept:
            mapping.unmap()


def rate_of(tensor, pattern, rank):
    """Bus bandwidth in bytes a second of TIMES all-reduces of known values, which are checked: whole numbers, doubled
    TIMES - 1 times, are exact."""
    torch.add(pattern, rank + 1, out=tensor)
    torch.cuda.synchronize()
    torch.distributed.barrier()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(TIMES):
        torch.distributed.all_reduce(tensor)
    end.record()
    end.synchronize()
    wanted = (pattern * RANKS + sum(range(1, RANKS + 1))) * RANKS ** (TIMES - 1)
    if not torch.equal(tensor, wanted):
        sys.exit("devices: an all-reduce has other values")
    seconds = start.elapsed_time(end) / 1e3 / TIMES
    return tensor.numel() * 4 * 2 * (RANKS - 1) / RANKS / seconds


def work(rank, folder, meeting, label, rounds):
    torch.cuda.set_device(rank)
    torch.distributed.init_process_group("nccl", init_method=f"file://{meeting}", rank=rank, world_size=RANKS,
                                         device_id=torch.device("cuda", rank))
    for name, size in SIZES.items():
        memory = Memory(folder, rank, label, size)
        pattern = (torch.arange(size // 4, device=f"cuda:{rank}") % 7).float()
        rates = {kind: [] for kind in memory.tensors}
        for turn in range(rounds + 1):  # the first one connects
            for kind, tensor in memory.tensors.items():
                rate = rate_of(tensor, pattern, rank)
                if turn:
                    rates[kind].append(rate / 1e9)
        if rank == 0:
            medians = {kind: statistics.median(values) for kind, values in rates.items()}
            for kind, median in medians.items():
                each = " ".join(f"{value:.0f}" for value in rates[kind])
                print(f"FIGURE devices: all-reduce of {name}, {kind}: {median:.1f} GB/s, "
                      f"{median / medians[label]:.3f} of torch's own ({each})", flush=True)
        torch.distributed.barrier()
        memory.end()
    torch.distributed.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    devices = json.loads(os.getxattr(arguments.mount, "user.gmemfs.stats"))["devices"]
    if len(devices) < RANKS or torch.cuda.device_count() < RANKS:
        print("devices: one device alone reduces nothing")
        return 0
    os.environ["NCCL_NVLS_ENABLE"] = "0"
    for label, setting in (("torch's own", ""), ("torch's own in expandable segments", "expandable_segments:True")):
        if setting:
            os.environ["PYTORCH_CUDA_ALLOC_CONF"] = setting
        folder = f"{arguments.mount}/reduced"
        for rank in range(RANKS):
            place(f"{folder}/{rank}", devices[rank]["uuid"])
        place(f"{folder}/spread", f"spread:0-{RANKS - 1}")
        for size in SIZES.values():  # of the right size at once, before both ranks open it
            with gmemfs.open(f"{folder}/spread/{label}-{size}", RANKS * size):
                pass
        with tempfile.TemporaryDirectory() as meeting:
            torch.multiprocessing.spawn(work, (folder, f"{meeting}/point", label, arguments.rounds), nprocs=RANKS)
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
