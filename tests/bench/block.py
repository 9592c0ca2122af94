"""Block: a file as a disk by its socket, beside nbdkit over host memory, our plugin, and a loop device over the mount.

fio is the client of all: its nbd engine, and for the loop device io_uring past the page cache (as root).
"""
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from places import KIB, MIB, find_program, mounted_gmemfs

# name: fio's words; jobs are connections
CASES = {
    "4 KiB, one at a time": ("--bs=4k", "--iodepth=1", "--numjobs=1"),
    "4 KiB, 4 connections of 16": ("--bs=4k", "--iodepth=16", "--numjobs=4"),
    "1 MiB, 4 connections of 4": ("--bs=1m", "--iodepth=4", "--numjobs=4"),
}
SECONDS = 2


def fio(target, words, direction, size):
    """Bytes a second."""
    order = f"rand{direction}" if "--bs=4k" in words else direction
    done = subprocess.run(["fio", "--name=bench", "--thread", "--output-format=json", f"--rw={order}", *target, *words,
                           f"--size={size}", f"--runtime={SECONDS}", "--time_based", "--group_reporting"],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: fio {' '.join(target)}: exit status {done.returncode}")
    return json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0][direction]["bw_bytes"]


def wait_for(path):
    deadline = time.monotonic() + 20
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            sys.exit(f"bench: {path} doesn't appear")
        time.sleep(0.01)


@contextlib.contextmanager
def nbdkit(folder, name, *words):
    """A server of nbdkit's, on a socket of `folder`."""
    socket = os.path.join(folder, name)
    server = subprocess.Popen(["nbdkit", "-f", "-U", socket, *words])
    wait_for(socket)
    try:
        yield ("--ioengine=nbd", f"--uri=nbd+unix:///?socket={socket}")
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def block_device(file, folder):
    socket = os.path.join(folder, "block")
    subprocess.run([find_program("gmemfs"), "block", file, "--socket", socket], check=True, stdout=subprocess.DEVNULL)
    try:
        yield ("--ioengine=nbd", f"--uri=nbd+unix:///?socket={socket}")
    finally:
        subprocess.run([find_program("gmemfs"), "block", "--detach", socket], check=True)


@contextlib.contextmanager
def loop_device(file):
    device = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", file], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    try:
        yield ("--ioengine=io_uring", "--direct=1", f"--filename={device}")
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def open_targets(stack, mount, folder, size):
    """Name: fio's words."""
    files = {}
    for name in ("block", "plugin", "loop"):
        files[name] = os.path.join(mount, name)
        with open(files[name], "wb") as file:
            file.truncate(size)
    targets = {"gmemfs block": stack.enter_context(block_device(files["block"], folder)),
               "nbdkit memory": stack.enter_context(nbdkit(folder, "memory", "memory", str(size)))}
    plugin = pathlib.Path(find_program("gmemfs")).parent / "nbdkit-gmemfs-plugin.so"
    if plugin.exists():
        targets["nbdkit gmemfs"] = stack.enter_context(nbdkit(folder, "plugin", str(plugin), files["plugin"]))
    if os.geteuid() == 0 and os.path.exists("/dev/loop-control"):
        targets["loop"] = stack.enter_context(loop_device(files["loop"]))
    return targets


def bench_block(context):
    size = min(context.size, 1024 * MIB)
    taken = {}
    with contextlib.ExitStack() as stack:
        mount = stack.enter_context(mounted_gmemfs(context.mount_options))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="block-bench."))
        targets = open_targets(stack, mount, folder, size)
        for _ in range(context.rounds):
            for case, words in CASES.items():
                for direction in ("write", "read"):
                    for name, target in targets.items():
                        taken.setdefault((case, direction), {}).setdefault(name, []).append(
                            fio(target, words, direction, size))
    results = {}
    for (case, direction), by_name in taken.items():
        medians = {name: statistics.median(rates) for name, rates in by_name.items()}
        ours = medians["gmemfs block"]
        unit, scale = ("/s", 4 * KIB) if case.startswith("4 KiB") else (" MB/s", 1e6)
        beside = "; ".join(f"{name} {rate / scale:.0f} ({ours / rate:.2f})" for name, rate in medians.items()
                           if name != "gmemfs block")
        print(f"block, {case}, {direction}: {ours / scale:.0f}{unit}; {beside}", flush=True)
        results[f"{case}, {direction}"] = medians
    return results
