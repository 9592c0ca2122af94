"""Block: a file as a disk by its socket, beside nbdkit over host memory, our plugin, and a loop device over the mount.

The clients: nbd_load of this folder, and, where it is installed, fio: its nbd engine, and for the loop device io_uring
past the page cache (as root). fio needs more of a processor than a server does, and sends each request by itself; so
both figures are given.
"""
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from places import KIB, MIB, find_program, mounted_gmemfs, run_json

CASES = {  # name: (bytes a request, requests of a connection, connections)
    "4 KiB, one at a time": (4 * KIB, 1, 1),
    "4 KiB, 4 connections of 16": (4 * KIB, 16, 4),
    "1 MiB, 4 connections of 4": (MIB, 4, 4),
}
SINGLY = "4 KiB, 4 connections of 16"  # the case that nbd_load measures so, too
FIO_SECONDS, LOAD_SECONDS = 2, 0.5


def is_small(case):
    return CASES[case][0] == 4 * KIB


def fio(target, case, direction, size):
    """Bytes a second, of fio's words for a target."""
    block, depth, jobs = CASES[case]
    order = f"rand{direction}" if is_small(case) else direction
    done = subprocess.run(["fio", "--name=bench", "--thread", "--output-format=json", f"--rw={order}", *target,
                           f"--bs={block}", f"--iodepth={depth}", f"--numjobs={jobs}", f"--size={size}",
                           f"--runtime={FIO_SECONDS}", "--time_based", "--group_reporting"],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: fio {' '.join(target)}: exit status {done.returncode}")
    return json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0][direction]["bw_bytes"]


def nbd_load(socket, case, direction, size, *options):
    """The same, of a socket."""
    block, depth, connections = CASES[case]
    order = () if is_small(case) else ("--sequential",)
    told = run_json(find_program("nbd_load"), "--socket", socket, "--direction", direction, "--block", block, "--depth",
                    depth, "--connections", connections, "--size", size, "--seconds", LOAD_SECONDS, *order, *options)
    return told["bytes_per_second"]


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
        yield socket
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def block_device(file, folder):
    socket = os.path.join(folder, "block")
    subprocess.run([find_program("gmemfs"), "block", file, "--socket", socket], check=True, stdout=subprocess.DEVNULL)
    try:
        yield socket
    finally:
        subprocess.run([find_program("gmemfs"), "block", "--detach", socket], check=True)


@contextlib.contextmanager
def loop_device(file):
    device = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", file], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def open_targets(stack, mount, folder, size):
    """Name: a server's socket, or the loop device."""
    files = {}
    for name in ("block", "plugin", "loop"):
        files[name] = os.path.join(mount, name)
        with open(files[name], "wb") as file:
            file.truncate(size)
    targets = {"gmemfs block": stack.enter_context(block_device(files["block"], folder))}
    programs = pathlib.Path(find_program("gmemfs")).parent
    if shutil.which("nbdkit"):
        memory = programs / "nbdkit-memory-plugin.so"  # of a bundle, whose nbdkit has no folder of plugins
        targets["nbdkit memory"] = stack.enter_context(
            nbdkit(folder, "memory", str(memory) if memory.exists() else "memory", str(size)))
        plugin = programs / "nbdkit-gmemfs-plugin.so"
        if plugin.exists():
            targets["nbdkit gmemfs"] = stack.enter_context(nbdkit(folder, "plugin", str(plugin), files["plugin"]))
    if os.geteuid() == 0 and os.path.exists("/dev/loop-control") and shutil.which("fio") and shutil.which("losetup"):
        targets["loop"] = stack.enter_context(loop_device(files["loop"]))
    return targets


def measure(name, target, case, direction, size):
    """Client: bytes a second."""
    if name == "loop":
        return {"fio": fio(("--ioengine=io_uring", "--direct=1", f"--filename={target}"), case, direction, size)}
    rates = {"nbd_load": nbd_load(target, case, direction, size)}
    if case == SINGLY:
        rates["nbd_load --singly"] = nbd_load(target, case, direction, size, "--singly")
    if shutil.which("fio"):
        words = ("--ioengine=nbd", f"--uri=nbd+unix:///?socket={target}")
        rates["fio"] = fio(words, case, direction, size)
    return rates


def tell(case, direction, client, medians):
    ours = medians["gmemfs block"]
    unit, scale = ("/s", 4 * KIB) if is_small(case) else (" MB/s", 1e6)
    beside = "; ".join(f"{name} {rate / scale:.0f} ({ours / rate:.2f})" for name, rate in medians.items()
                       if name != "gmemfs block")
    print(f"block, {case}, {direction}, {client}: {ours / scale:.0f}{unit}; {beside}", flush=True)


def bench_block(context):
    size = min(context.size, 1024 * MIB)
    taken = {}
    with contextlib.ExitStack() as stack:
        mount = stack.enter_context(mounted_gmemfs(context.mount_options))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="block-bench."))
        targets = open_targets(stack, mount, folder, size)
        for _ in range(context.rounds):
            for case in CASES:
                for direction in ("write", "read"):
                    for name, target in targets.items():
                        for client, rate in measure(name, target, case, direction, size).items():
                            taken.setdefault((case, direction, client), {}).setdefault(name, []).append(rate)
    results = {}
    for (case, direction, client), by_name in taken.items():
        medians = {name: statistics.median(rates) for name, rates in by_name.items()}
        tell(case, direction, client, medians)
        results[f"{case}, {direction}, {client}"] = medians
    return results
