#!/usr/bin/env python3
"""Pool, kept: a tensor of PyTorch's outlives its program, which is killed: pool_kept.py GMEMFS DIR

A program under `gmemfs run --keep` fills a tensor of 16 GiB, names it, and is killed. This process, which has its
context already, must compute with that tensor within 20 ms from opening it on, and every byte must be right. Prints
JSON, times in milliseconds; exit status 1 where something is wrong.
"""
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

import gmemfs

GIB = 1 << 30
SIZE = 16 * GIB
LIMIT_MS = 20
ROUNDS = 5


def check(what, is_right, detail):
    if not is_right:
        sys.exit(f"pool_kept: {what}: {detail}")


def child():
    """The program: prints where its tensors are, and waits for its end."""
    import torch
    big = torch.arange(SIZE // 8, dtype=torch.int64, device="cuda")
    small = torch.full((1000,), 7.0, device="cuda")
    paths = [gmemfs.name_tensor(big, "kept/big"), gmemfs.name_tensor(small, "kept/small")]
    torch.cuda.synchronize()
    print(json.dumps(paths), flush=True)
    sys.stdin.readline()


def first_use(path):
    """Milliseconds from opening it to the end of the first operation; and what that said."""
    import torch
    began = time.perf_counter()
    tensor = torch.from_dlpack(gmemfs.tensor(path))
    total = tensor[:: 1 << 20].sum().item()
    return (time.perf_counter() - began) * 1000, total, tensor


def main(command, folder):
    import torch
    warm = gmemfs.tensor(os.path.join(os.path.dirname(folder), "warm"), (1 << 22,), "int64", create=True)
    torch.from_dlpack(warm)[:: 1 << 20].sum().item()  # context, libraries and kernels are loaded
    program = subprocess.Popen([command, "run", "--keep", "--pool", folder, sys.executable, __file__, "child"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    said = program.stdout.readline()
    check("the program", said, "it said nothing")
    big, small = json.loads(said)
    blocks = json.loads(os.getxattr(small, "user.gmemfs.pool"))
    check("user.gmemfs.pool", any(block["state"] == "used" for block in blocks), blocks)
    program.send_signal(signal.SIGKILL)
    program.wait()
    count = SIZE // 8
    first, total, tensor = first_use(big)
    check("the first operation's sum", total == sum(range(0, count, 1 << 20)), total)
    times = []
    for _ in range(ROUNDS):
        del tensor
        took, _, tensor = first_use(big)
        times.append(took)
    whole = torch.arange(count // 16, dtype=torch.int64, device="cuda")
    for part in range(16):
        check("bytes", torch.equal(tensor[part * len(whole):(part + 1) * len(whole)], whole + part * len(whole)), part)
    check("the small tensor", (torch.from_dlpack(gmemfs.tensor(small)) == 7).all().item(), small)
    print(json.dumps({"pool_kept": {"bytes": SIZE, "first_ms": round(first, 2),
                                    "again_ms": round(statistics.median(times), 2)}}))
    del tensor, warm
    shutil.rmtree(folder)
    os.unlink(os.path.join(os.path.dirname(folder), "warm"))
    check("time", first <= LIMIT_MS, f"the first use took {first:.1f} ms, {LIMIT_MS} at the most")


if __name__ == "__main__":
    child() if sys.argv[1] == "child" else main(*sys.argv[1:3])
