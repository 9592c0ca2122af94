#!/usr/bin/env python3
"""Session: PyTorch computes in the tensors of a planned arena as in its own: session.py MOUNT

The forward pass of a stack of layers (matmul, ReLU, matmul, sum) goes into tensors that share an arena, and must give
what it gives in PyTorch's own memory, bit by bit. The arena's bytes are what mount and device say, and they go again.
A kept session has the last layer's output for another process. Prints JSON: bytes, and times in milliseconds or
microseconds; exit status 1 where something is wrong.
"""
import json
import os
import subprocess
import sys
import time

import gmemfs

LAYERS, TOKENS, WIDTH = 24, 4096, 2048
MIB = 1 << 20


def same(what, found, wanted):
    if found != wanted:
        sys.exit(f"session: {what}: {found}, not {wanted}")


def make_plan():
    """A layer is four steps; what it reads and writes lives while a step uses it."""
    specs = [gmemfs.TensorSpec("layer0.input", (TOKENS, WIDTH), "bfloat16", (0, 3))]
    for layer in range(LAYERS):
        step = 4 * layer
        specs += [gmemfs.TensorSpec(f"layer{layer}.hidden", (TOKENS, 4 * WIDTH), "bfloat16", (step, step + 1)),
                  gmemfs.TensorSpec(f"layer{layer}.active", (TOKENS, 4 * WIDTH), "bfloat16", (step + 1, step + 2)),
                  gmemfs.TensorSpec(f"layer{layer}.mixed", (TOKENS, WIDTH), "bfloat16", (step + 2, step + 3)),
                  gmemfs.TensorSpec(f"layer{layer + 1}.input", (TOKENS, WIDTH), "bfloat16", (step + 3, step + 7))]
    return gmemfs.plan(specs)


def forward(tensors, weights, first):
    import torch
    tensors["layer0.input"].copy_(first)
    for layer in range(LAYERS):
        hidden, active, mixed = (tensors[f"layer{layer}.{name}"] for name in ("hidden", "active", "mixed"))
        torch.matmul(tensors[f"layer{layer}.input"], weights[0], out=hidden)
        torch.clamp(hidden, min=0, out=active)
        torch.matmul(active, weights[1], out=mixed)
        torch.add(tensors[f"layer{layer}.input"], mixed, out=tensors[f"layer{layer + 1}.input"])
    torch.cuda.synchronize()
    return tensors[f"layer{LAYERS}.input"]


def used(mount):
    found = os.statvfs(mount)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def main(mount):
    import torch
    torch.manual_seed(1)
    plan, path = make_plan(), f"{mount}/session"
    print(plan)
    first = torch.randn(TOKENS, WIDTH, device="cuda", dtype=torch.bfloat16)
    weights = [torch.randn(shape, device="cuda", dtype=torch.bfloat16) / 64 for shape in ((WIDTH, 4 * WIDTH),
                                                                                          (4 * WIDTH, WIDTH))]
    own = {spec.name: torch.empty(spec.shape, device="cuda", dtype=torch.bfloat16) for spec in plan.tensors}
    wanted = forward(own, weights, first).clone()
    own.clear()
    torch.cuda.empty_cache()
    before, free = used(mount), torch.cuda.mem_get_info()[0]
    with gmemfs.Session(path, plan, keep=True) as session:
        arena = -(-plan.peak // (2 * MIB)) * 2 * MIB
        same("bytes by df", used(mount) - before, arena)
        taken = free - torch.cuda.mem_get_info()[0]
        if not arena <= taken <= arena + 64 * MIB:
            sys.exit(f"session: the device gave {taken} bytes for {arena}")
        tensors = {name: torch.from_dlpack(array) for name, array in session.tensors().items()}
        same("the output, bit by bit", torch.equal(forward(tensors, weights, first), wanted), True)
        stats = session.stats
        tensors.clear()
    digest = int(wanted.view(torch.int16).sum(dtype=torch.int64))
    done = subprocess.run([sys.executable, __file__, mount, "--reopen"], check=True, stdout=subprocess.PIPE)
    told = json.loads(done.stdout)
    same("what another process finds", told["sum"], digest)
    os.unlink(path)
    same("bytes by df after it", used(mount), before)
    print(json.dumps({"tensors": len(plan.tensors), "sum": plan.total, "peak": plan.peak, "bound": plan.lower_bound,
                      "allocation_ms": round(stats.allocation_ns / 1e6, 2), "call_us": round(stats.call_ns / 1e3, 1),
                      "open_ms": told["open_ms"]}))


def reopen(mount):
    import torch
    torch.zeros(1, device="cuda")
    start = time.perf_counter()
    with gmemfs.Session.open(f"{mount}/session", make_plan()) as session:
        took_ms = 1000 * (time.perf_counter() - start)
        output = torch.from_dlpack(session.tensor(f"layer{LAYERS}.input"))
        print(json.dumps({"sum": int(output.view(torch.int16).sum(dtype=torch.int64)), "open_ms": round(took_ms, 2)}))
        del output


if __name__ == "__main__":
    (reopen if "--reopen" in sys.argv else main)(sys.argv[1])
