#!/usr/bin/env python3
"""Torch modules: gmemfs.torch on a GPU: a MemPool whose memory is files, a model that lives in a file: MOUNT

pool: what is computed in the pool's memory is what PyTorch's own gives, graphs included; its files are PyTorch's
statistics, and go. keep: a model of 217 million parameters computes the same when it was moved into a file, learns
there, and another process computes with it what this one does. pause: a pool's bytes go to host memory and come
back, under a captured graph. Prints figures; exit status 1 where something is wrong.
"""
import json
import os
import subprocess
import sys
import time

import gmemfs
import pool_model
from pool_runs import figure, last_json

MIB = 1 << 20


def same(what, found, wanted):
    if found != wanted:
        sys.exit(f"torch_modules: {what}: {found}, not {wanted}")


def files_of(folder):
    return sum(entry.stat().st_size for entry in os.scandir(folder))


def compute(torch):
    """Sums of what some operations give."""
    torch.manual_seed(2)
    first = torch.randint(-3, 4, (2048, 4096), device="cuda").float()
    second = torch.randint(-3, 4, (4096, 2048), device="cuda").float()
    sums = [int((first @ second).long().sum()), int(torch.cat([first.flatten(), second.flatten()]).long().abs().sum())]
    return [*sums, int(first.sort().values[:, ::7].long().sum())]


def replay(torch, pool_id=None):
    """The same of a graph, whose memory is of that pool; without cuBLAS, whose workspace would stay there."""
    first = torch.ones(1024, 1024, device="cuda")
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool_id):
        product = first.cumsum(0) + first
    graph.replay()
    return int(product.long().sum())


def check_pool(mount):
    import torch
    wanted, wanted_of_graph = compute(torch), replay(torch)
    torch.cuda.empty_cache()
    folder, before = os.path.join(mount, "torch-pool"), torch.cuda.memory_reserved()
    pool = gmemfs.torch.pool(folder)
    began = time.perf_counter()
    with torch.cuda.use_mem_pool(pool):
        large = torch.zeros(1 << 30, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    figure("pool: 1 GiB in a file, from asking to zeros, ms", 1000 * (time.perf_counter() - began), "ms")
    with torch.cuda.use_mem_pool(pool):
        small = [torch.full((1000,), float(number), device="cuda") for number in range(1000)]
        same("sums in the pool", compute(torch), wanted)
        sums = [float(each.sum()) for each in small]
    same("sums of small tensors", sums, [1000.0 * number for number in range(1000)])
    same("bytes in files, by PyTorch's statistics", files_of(folder), torch.cuda.memory_reserved() - before)
    same("a graph's sum in the pool", replay(torch, pool.id), wanted_of_graph)
    path = max((entry.path for entry in os.scandir(folder)), key=lambda path: os.stat(path).st_size)
    large.fill_(7)
    torch.cuda.synchronize()
    with open(path, "rb") as file:
        same("what others read there", file.read(MIB), bytes([7]) * MIB)
    del large, small
    del pool
    torch.cuda.empty_cache()
    same("the directory is gone", os.path.exists(folder), False)
    same("bytes PyTorch has reserved", torch.cuda.memory_reserved(), before)
    outside = torch.zeros(MIB, device="cuda")
    same("memory outside of a pool is no file", os.listdir(mount), [])
    del outside


def check_pause(mount):
    """4 GiB of a pool go to host memory and come back, and a graph that was captured over them goes on."""
    import torch
    pool = gmemfs.torch.pool(os.path.join(mount, "torch-pause"))
    with torch.cuda.use_mem_pool(pool):
        weights = [torch.randn(256 * MIB, dtype=torch.bfloat16, device="cuda") * 0.02 for _ in range(8)]
    first = torch.ones(256 * MIB, dtype=torch.bfloat16, device="cuda")
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        total = sum(each * first for each in weights)
    graph.replay()
    wanted = [int(each.view(torch.int16).long().sum()) for each in (total, *weights)]
    for kept in (True, True, False):
        torch.cuda.synchronize()
        free, began = torch.cuda.mem_get_info()[0], time.perf_counter()
        gmemfs.torch.pause(pool, keep=kept)
        paused, more = time.perf_counter(), torch.cuda.mem_get_info()[0] - free
        gmemfs.torch.resume(pool)
        resumed = time.perf_counter()
        graph.replay()
        found = [int(each.view(torch.int16).long().sum()) for each in (total, *weights)]
        same("after a pause", found, wanted if kept else [0] * len(wanted))
        if more < 4 << 30:
            sys.exit(f"torch_modules: a pause gave back {more} bytes")
        how = "kept" if kept else "dropped"
        figure(f"pause: 4 GiB {how}, ms", 1000 * (paused - began), "ms")
        figure(f"pause: 4 GiB {how}, to have them again, ms", 1000 * (resumed - paused), "ms")
    del graph, weights, total, first, pool
    torch.cuda.empty_cache()
    same("nothing is left of it", os.listdir(mount), [])


def said_by(torch, model):
    """The logits of a batch, as a number, bit by bit."""
    tokens = torch.arange(256, device="cuda").view(2, 128)
    with torch.no_grad():
        return int(model(tokens).view(torch.int16).long().sum())


def check_keep(mount):
    import torch
    path = os.path.join(mount, "model.safetensors")
    model = pool_model.make_model(torch)
    model.head.weight = model.words.weight
    model.last.bias.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    wanted, parameters = said_by(torch, model), [id(each) for each in model.parameters()]
    torch.cuda.synchronize()
    began = time.perf_counter()
    gmemfs.torch.keep(model, path)
    figure("keep: a module moved into a file, ms", 1000 * (time.perf_counter() - began), "ms")
    same("what it says in the file", said_by(torch, model), wanted)
    same("its parameters", [id(each) for each in model.parameters()], parameters)
    same("its ties", (model.head.weight is model.words.weight, model.last.bias.requires_grad), (True, False))
    pool_model.train(torch, model, optimizer, torch.randint(0, 1000, (2, 257), device="cuda"))
    learnt = said_by(torch, model)
    same("it has learnt", learnt != wanted, True)
    torch.cuda.synchronize()
    told = last_json(subprocess.run([sys.executable, __file__, mount, "--load"], check=True, stdout=subprocess.PIPE,
                                    text=True).stdout)
    same("what another process says with it", told["said"], learnt)
    figure("keep: another process has the module, ms", told["load_ms"], "ms")
    figure("keep: bytes that it took beside the file", told["own_mib"], "MiB")
    os.unlink(path)


def load(mount):
    import torch
    torch.zeros(1, device="cuda")
    with torch.device("meta"):
        model = pool_model.make_model(torch, "meta")
    torch.cuda.synchronize()
    began = time.perf_counter()
    gmemfs.torch.load(model, os.path.join(mount, "model.safetensors"))
    took_ms, own = 1000 * (time.perf_counter() - began), torch.cuda.memory_reserved()
    same("tied", model.head.weight.data_ptr(), model.words.weight.data_ptr())
    print(json.dumps({"said": said_by(torch, model), "load_ms": took_ms, "own_mib": own / MIB}))


def main():
    if sys.argv[2:] == ["--load"]:
        return load(sys.argv[1])
    check_pool(sys.argv[1])
    check_pause(sys.argv[1])
    check_keep(sys.argv[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
