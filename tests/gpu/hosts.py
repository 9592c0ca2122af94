#!/usr/bin/env python3
"""Hosts: gmemfs pull between two mounts of one machine: by fabric handles beside a copy on the device, by ssh's pipe
beside cat, by NIXL; and how soon a pulled model's first tensor is there.

    tests/gpu/hosts.py MOUNT OTHER_MOUNT GMEMFS WORK [--mib N] [--rounds N]

OTHER_MOUNT plays the other host: what pull starts there is started here. Prints a line a figure; exit status 1 where a
byte is wrong.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from filling import fill


def digest(path):
    return os.getxattr(path, "user.gmemfs.digest")


def copy_rate(size, rounds):
    """GB/s of cuMemcpyDtoD between two allocations of the first device: bytes copied, so read and written."""
    from cuda.bindings import driver as cuda

    def ok(answer):
        if answer[0] != cuda.CUresult.CUDA_SUCCESS:
            sys.exit(f"hosts: {answer[0]}")
        return answer[1] if len(answer) == 2 else None

    ok(cuda.cuInit(0))
    ok(cuda.cuCtxSetCurrent(ok(cuda.cuDevicePrimaryCtxRetain(ok(cuda.cuDeviceGet(0))))))
    source, target = ok(cuda.cuMemAlloc(size)), ok(cuda.cuMemAlloc(size))
    stream = ok(cuda.cuStreamCreate(cuda.CUstream_flags.CU_STREAM_NON_BLOCKING))
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        ok(cuda.cuMemcpyDtoDAsync(target, source, size, stream))
        ok(cuda.cuStreamSynchronize(stream))
        times.append(time.perf_counter() - start)
    ok(cuda.cuMemFree(source))
    ok(cuda.cuMemFree(target))
    return size / statistics.median(times[1:]) / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount")
    parser.add_argument("other")
    parser.add_argument("gmemfs")
    parser.add_argument("work")
    parser.add_argument("--mib", type=int, default=16384)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--simulate", action="store_true")
    arguments = parser.parse_args()
    size = arguments.mib << 20
    shell = os.path.join(arguments.work, "rsh")
    with open(shell, "w") as file:
        file.write('#!/bin/sh\nshift\nexec "$@"\n')
    os.chmod(shell, 0o755)

    def pull(via, source, target, *options):
        command = [arguments.gmemfs, "pull", "--json", "--via", via, "-e", shell, "--remote-program", arguments.gmemfs]
        start = time.perf_counter()
        done = subprocess.run([*command, *options, "host:" + source, target], capture_output=True, text=True)
        if done.returncode != 0:
            return done.stderr.strip()
        return {**json.loads(done.stdout), "whole": time.perf_counter() - start}

    def median(told, key):
        return statistics.median(one[key] for one in told)

    there, here = os.path.join(arguments.other, "large"), os.path.join(arguments.mount, "large")
    fill(there, size)
    digest(there)
    rate = None if arguments.simulate else copy_rate(size, arguments.rounds)
    told = [pull("fabric", there, here) for _ in range(arguments.rounds)]
    if any(isinstance(one, str) for one in told):
        print(f"FIGURE hosts: fabric: {told[0]}")
    else:
        if digest(there) != digest(here):
            sys.exit("hosts: fabric: another digest")
        moved = median(told, "gb_per_second")
        beside = "" if rate is None else f", beside cuMemcpyDtoD {rate:.0f}: {moved / rate:.2f} of it"
        print(f"FIGURE hosts: fabric, {arguments.mib} MiB: {moved:.0f} GB/s{beside}; "
              f"the command takes {1e3 * median(told, 'whole'):.0f} ms")
    os.unlink(here)

    # Beside cat, in turn; a smaller file.
    small = min(size, 4 << 30)
    there = os.path.join(arguments.other, "smaller")
    fill(there, small)
    digest(there)
    pulls, cats = [], []
    for _ in range(arguments.rounds):
        pulls.append(pull("ssh", there, here))
        if isinstance(pulls[-1], str):
            sys.exit(f"hosts: ssh: {pulls[-1]}")
        os.unlink(here)
        start = time.perf_counter()
        subprocess.run(f"{shell} host cat {there} | cat > {here}", shell=True, check=True)
        cats.append(time.perf_counter() - start)
        if digest(there) != digest(here):
            sys.exit("hosts: cat: another digest")
        os.unlink(here)
    cat = statistics.median(cats)
    whole, moving = median(pulls, "whole"), median(pulls, "seconds")
    print(f"FIGURE hosts: ssh, {small >> 20} MiB: {small / moving / 1e9:.2f} GB/s, {small / whole / 1e9:.2f} the "
          f"command; cat {small / cat / 1e9:.2f}: {cat / moving:.2f} and {cat / whole:.2f} of it")
    told = pull("nixl", there, here)
    if isinstance(told, str):
        print(f"FIGURE hosts: nixl: {told}")
    else:
        if digest(there) != digest(here):
            sys.exit("hosts: nixl: another digest")
        print(f"FIGURE hosts: nixl, {small >> 20} MiB: {told['gb_per_second']:.2f} GB/s, the command takes "
              f"{1e3 * told['whole']:.0f} ms")
        os.unlink(here)
    os.unlink(there)

    # A model: from the start of pull to its first tensor.
    try:
        import torch
        from safetensors.torch import save_file
        import gmemfs
    except ImportError as missing:
        print(f"FIGURE hosts: first tensor: skipped, {missing}")
        return
    name = "model.safetensors"
    source, model, host = (os.path.join(place, name) for place in (arguments.other, arguments.mount, arguments.work))
    layers = max(1, arguments.mib // 512)
    rows = 8192 if arguments.mib >= 512 else 256
    save_file({f"layer{index}": torch.full((rows, 32768), float(index % 7), dtype=torch.bfloat16)
               for index in range(layers)}, host)
    subprocess.run([arguments.gmemfs, "cp", host, source], check=True)
    os.unlink(host)
    digest(source)
    gmemfs.load_safetensors(source, framework="torch", read_only=True)  # imports, and a context, are there
    start = time.perf_counter()
    told = pull("auto", source, model)
    pulled = time.perf_counter() - start
    if isinstance(told, str):
        sys.exit(f"hosts: model: {told}")
    tensors = gmemfs.load_safetensors(model, framework="torch", read_only=True)
    value = tensors[f"layer{layers - 1}"][-1, -1].float().item()
    print(f"FIGURE hosts: a model of {os.path.getsize(model) / (1 << 30):.1f} GiB by {told['transport']}: pulled in "
          f"{pulled:.2f} s, its first tensor after {time.perf_counter() - start:.2f} s")
    if value != float((layers - 1) % 7):
        sys.exit("hosts: the model's last tensor is wrong")


main()
