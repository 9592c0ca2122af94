"""Hosts: gmemfs pull by ssh and by a pipe beside `ssh cat` and cat, between two mounts of this machine, in one run.

Where there is an sshd, ssh is a real one on the loopback (tests/mount/hosts/start_sshd.py); else the pipe is all.
"""
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from copies import write_random
from places import GIB, MIB, find_program, mounted_gmemfs

START_SSHD = pathlib.Path(__file__).resolve().parent.parent / "mount/hosts/start_sshd.py"


def bench_hosts(context):
    size = context.recovery_size or (4 * GIB if context.on_gpu else 256 * MIB)
    gmemfs, told = find_program("gmemfs"), {}
    with mounted_gmemfs(context.mount_options) as there, mounted_gmemfs(context.mount_options) as here, \
            tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(there, "file"), os.path.join(here, "file")
        write_random(source, size)
        wanted = os.getxattr(source, "user.gmemfs.digest")
        pipe = os.path.join(folder, "pipe")
        pathlib.Path(pipe).write_text('#!/bin/sh\nshift\nexec "$@"\n')
        os.chmod(pipe, 0o755)
        ways = {"a pipe": pipe}
        started = subprocess.run([sys.executable, START_SSHD, os.path.join(folder, "ssh")], stdout=subprocess.PIPE,
                                 text=True)
        if started.returncode == 0:
            ways["ssh"] = f"ssh -F {folder}/ssh/config"
        else:
            print(started.stdout.strip())
        try:
            for name, way in ways.items():
                told[name] = compare(context, gmemfs, way, source, target, wanted)
        finally:
            if started.returncode == 0:
                os.kill(int(started.stdout), signal.SIGTERM)
    for name, rates in told.items():
        cat = rates["cat"]
        print(f"\n{size // MIB} MiB by {name}, GB/s (medians of {context.rounds}): cat {cat:.2f}; "
              f"pull {rates['pull']:.2f} ({rates['pull'] / cat:.2f}), "
              f"its bytes alone {rates['moving']:.2f} ({rates['moving'] / cat:.2f})")
    return told


def compare(context, gmemfs, way, source, target, wanted):
    rates = {"cat": [], "pull": [], "moving": []}
    for _ in range(context.rounds):
        size = os.path.getsize(source)
        start = time.perf_counter()
        subprocess.run(f"{way} here cat {source} > {target}", shell=True, check=True)
        rates["cat"].append(size / (time.perf_counter() - start) / 1e9)
        os.unlink(target)
        start = time.perf_counter()
        done = subprocess.run([gmemfs, "pull", "--json", "--via", "ssh", "-e", way, "--remote-program", gmemfs,
                               f"here:{source}", target], check=True, capture_output=True, text=True)
        rates["pull"].append(size / (time.perf_counter() - start) / 1e9)
        rates["moving"].append(json.loads(done.stdout)["gb_per_second"])
        if os.getxattr(target, "user.gmemfs.digest") != wanted:
            sys.exit("bench: pull: another digest")
        os.unlink(target)
    return {name: statistics.median(values) for name, values in rates.items()}
