#!/usr/bin/env python3
"""Lifetimes: what PyTorch does with a mapping that goes, or that another device uses: lifetimes.py MOUNT

    waiting     the last reference goes in a thread, on another device, under work that is queued: nobody faults
    capture     a tensor goes while a graph is captured, in this thread and in another: the graph is whole
    refusals    torch.multiprocessing says torch's own error, and nothing stays mapped
    devices     with two GPUs: copies both ways, .to(), strided or not, and NCCL's all-reduce in place
    cost        microseconds of a map and an unmap, with and without a context

Each in a process of its own; the first thing that is wrong ends it with exit status 1. `devices` says so where there is
one GPU alone.
"""
import json
import os
import subprocess
import sys
import threading
import time

import gmemfs

SIZE = 256 << 20


def leases(mount):
    return json.loads(os.getxattr(mount, "user.gmemfs.stats"))["leases"]


def same(what, found, wanted):
    if found != wanted:
        sys.exit(f"lifetimes: {what}: {found}, not {wanted}")


def tensor(mount, name, device=None):
    import torch
    made = torch.from_dlpack(gmemfs.tensor(f"{mount}/{name}", (SIZE // 4,), "float32", create=True))
    return made if device is None else made.to(f"cuda:{device}")


def queue_work(shown):
    """On a stream of its own; the stream, and where the sum comes."""
    import torch
    stream = torch.cuda.Stream(shown.device)
    with torch.cuda.stream(stream):
        for _ in range(200):
            total = shown.sum()
    return stream, total


def waiting(mount):
    import torch
    for last in ("thread", "no context", "other device"):
        shown = tensor(mount, "waiting")
        shown.fill_(1)
        torch.cuda.synchronize()
        stream, total = queue_work(shown)
        box = [shown]
        del shown
        if last == "other device" and torch.cuda.device_count() > 1:
            torch.zeros(1, device="cuda:1")
            torch.cuda.set_device(1)
        thread = threading.Thread(target=box.clear)
        thread.start()
        thread.join()
        torch.cuda.set_device(0)
        stream.synchronize()  # an illegal access would be told here
        same(last, total.item(), SIZE / 4)
        same("leases", leases(mount), 0)


def capture(mount):
    import torch
    target = torch.zeros(1 << 20, device="cuda")
    for mode in ("global", "thread_local", "relaxed"):
        here, there = tensor(mount, "here"), [tensor(mount, "there")]
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode=mode):
            target.add_(1)
            thread = threading.Thread(target=there.clear)
            thread.start()
            thread.join()
            del here
            target.add_(1)
        target.zero_()
        graph.replay()
        same(mode, target.sum().item(), 2 * (1 << 20))
        same("leases", leases(mount), 0)


def refusals(mount):
    import torch
    import torch.multiprocessing
    shown = tensor(mount, "refused")
    try:
        queue = torch.multiprocessing.get_context("spawn").SimpleQueue()
        queue.put(shown)
    except SystemError as error:
        sys.exit(f"lifetimes: refusals: {error!r}")
    except RuntimeError as error:
        print(f"torch.multiprocessing: {str(error).splitlines()[0]}")
    del shown
    same("leases", leases(mount), 0)


def devices(mount):
    import torch
    if torch.cuda.device_count() < 2:
        print("devices: one GPU: nothing to show")
        return
    for other in (0, 1):
        shown = tensor(mount, "devices")
        pattern = torch.arange(SIZE // 4, device=f"cuda:{other}", dtype=torch.float32)
        shown.copy_(pattern)
        back = torch.empty_like(pattern)
        back.copy_(shown)
        same("a copy", torch.equal(back, pattern), True)
        same(".to()", torch.equal(shown.to(f"cuda:{other}"), pattern), True)
        square = shown.view(8192, -1)
        same("strided", torch.equal(square.t().to(f"cuda:{other}"), pattern.view(8192, -1).t()), True)
        square[:, ::2].copy_(-pattern.view(8192, -1)[:, ::2])
        same("strided in", torch.equal(shown.to(f"cuda:{other}").view(8192, -1)[:, ::2],
                                       -pattern.view(8192, -1)[:, ::2]), True)
        torch.cuda.synchronize(0)
        torch.cuda.synchronize(1)
    shown = tensor(mount, "reduced")
    shown.fill_(1)
    second = torch.full_like(shown, 2, device="cuda:1" if shown.device.index == 0 else "cuda:0")
    torch.cuda.nccl.all_reduce([shown, second])
    same("all-reduce", (shown.min().item(), shown.max().item(), second.min().item()), (3, 3, 3))


def cost(mount):
    import torch
    for name, size in (("2M", 2 << 20), ("1G", 1 << 30)):
        file = gmemfs.open(f"{mount}/cost", size)
        for context in ("without a context", "with one"):
            if context == "with one":
                torch.zeros(1, device="cuda")
            took = {"map": [], "unmap": []}
            for _ in range(200):
                start = time.perf_counter()
                mapping = file.map()
                middle = time.perf_counter()
                mapping.unmap()
                took["map"].append(middle - start)
                took["unmap"].append(time.perf_counter() - middle)
            print(json.dumps({"size": name, "context": context,
                              **{what: round(sorted(times)[100] * 1e6, 1) for what, times in took.items()}}))


STEPS = {step.__name__: step for step in (cost, waiting, capture, refusals, devices)}

if __name__ == "__main__":
    if len(sys.argv) == 3:
        STEPS[sys.argv[2]](sys.argv[1])
    else:
        for name in STEPS:
            subprocess.run([sys.executable, __file__, sys.argv[1], name], check=True)
            print(f"{name}: ok", flush=True)
