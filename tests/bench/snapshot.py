"""Snapshot: gmemfs save and restore to a disk, beside the disk itself past the page cache (O_DIRECT), in one run.

What is written is on the disk when it is done (save syncs by itself); what is read isn't in the page cache before.
"""
import mmap
import os
import statistics
import subprocess
import tempfile
import time

from copies import forget, write_random
from places import GIB, MIB, find_program, mounted_gmemfs


def write_directly(path, size):
    """One thread, 4 MiB a write, always the same random bytes."""
    block = mmap.mmap(-1, 4 * MIB)
    block[:] = os.urandom(len(block))
    start = time.perf_counter()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
    for _ in range(size // len(block)):
        assert os.write(fd, block) == len(block)
    os.fsync(fd)
    os.close(fd)
    return size / (time.perf_counter() - start) / 1e9


def rate_of(size, *command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return size / (time.perf_counter() - start) / 1e9


def bench_snapshot(context):
    size = context.recovery_size or (32 * GIB if context.on_gpu else 256 * MIB)
    gmemfs = find_program("gmemfs")
    rates = {name: [] for name in ("save", "written directly", "restore", "read directly")}
    with mounted_gmemfs(context.mount_options) as mount, tempfile.TemporaryDirectory(dir=context.disk) as disk:
        saved, restored = os.path.join(mount, "saved"), os.path.join(mount, "restored")
        raw, snapshot = os.path.join(disk, "raw"), os.path.join(disk, "snapshot")
        os.mkdir(saved)
        parts = max(1, size // (8 * GIB))
        for number in range(parts):
            write_random(os.path.join(saved, str(number)), size // parts)
        for _ in range(context.rounds):
            rates["save"].append(rate_of(size, gmemfs, "save", "--quiet", saved, snapshot))
            rates["written directly"].append(write_directly(raw, size))
            forget(snapshot)
            os.mkdir(restored)
            rates["restore"].append(rate_of(size, gmemfs, "restore", "--quiet", "--overwrite", snapshot, restored))
            subprocess.run(["diff", "-r", saved, restored], check=True)
            subprocess.run(["rm", "-r", restored], check=True)
            rates["read directly"].append(rate_of(size, "dd", f"if={raw}", "of=/dev/null", "bs=4M", "iflag=direct"))
    told = {name: statistics.median(values) for name, values in rates.items()}
    print(f"\nsnapshot of {size // MIB} MiB, GB/s (medians of {context.rounds}): " +
          ", ".join(f"{name} {rate:.2f}" for name, rate in told.items()))
    return told
