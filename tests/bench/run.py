#!/usr/bin/env python3
"""Bench: gmemfs beside an empty FUSE server, tmpfs and the copy engines, in turn, in one run: medians and ratios.

    tests/bench/run.py [NAME...] [--rounds N] [--size BYTES] [--json FILE]      NAME: see --help

What is compared is measured alternately (A B C A B C ...), so that a machine that slows down slows all of them.
A figure is a median of `rounds`; a ratio is of medians of the same run. On a GPU where there is one; else on the
simulator, whose figures say nothing about a GPU: they only show that the measurement works.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

from before import bench_before
from block import bench_block
from block_size import bench_blksize
from calls import bench_dma, bench_handle, bench_truncate
from copies import bench_cold, bench_copy, bench_cp
from hosts import bench_hosts
from metadata import bench_metadata
from places import GIB, MIB, find_program, find_simulator
from pool import bench_pool
from recovery import bench_recovery
from snapshot import bench_snapshot
from through_fuse import bench_fuse, bench_hops, bench_parity, bench_random, bench_uring

BENCHES = {"dma": bench_dma, "truncate": bench_truncate, "handle": bench_handle, "fuse": bench_fuse,
           "random": bench_random, "copy": bench_copy, "cp": bench_cp, "metadata": bench_metadata}
MORE = {"before": bench_before, "blksize": bench_blksize, "block": bench_block, "cold": bench_cold,  # only when named
        "hops": bench_hops, "hosts": bench_hosts, "parity": bench_parity, "pool": bench_pool,
        "recovery": bench_recovery, "snapshot": bench_snapshot, "uring": bench_uring}


def look_around(arguments):
    """On what this runs, and how large the files may be."""
    doctor = subprocess.run([find_program("gmemfs"), "doctor", "--json"], stdout=subprocess.PIPE, text=True)
    on_gpu = json.loads(doctor.stdout)["can_mount"] and not arguments.simulate
    context = argparse.Namespace(rounds=arguments.rounds, on_gpu=on_gpu, tmpfs=arguments.tmpfs,
                                 disk=arguments.disk, files=arguments.files, recovery_size=arguments.size,
                                 before=arguments.before)
    context.memory = 64 * GIB if on_gpu else 2 * GIB
    context.size = arguments.size or (GIB if on_gpu else 64 * MIB)
    context.requests = 20000 if on_gpu else 500
    context.library = "libcuda.so.1" if on_gpu else find_simulator()
    context.mount_options = [] if on_gpu else [f"--simulate={context.memory}"]
    if not on_gpu:
        os.environ["GMEMFS_SIM_MACHINE"] = f"bench{os.getpid()}"  # that no other mount shares
        os.environ["GMEMFS_SIM_DEVICES"] = str(context.memory)
        print("ON THE SIMULATOR: these figures show that the measurement works; they say nothing about a GPU.")
    return context


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*BENCHES, *MORE]))
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each case (default 5)")
    parser.add_argument("--size", type=int, help="bytes a job moves (default 1 GiB; 64 MiB on the simulator)")
    parser.add_argument("--files", type=int, help="of the benches metadata and recovery (100,000)")
    parser.add_argument("--simulate", action="store_true", help="on the simulator even where there is a GPU")
    parser.add_argument("--tmpfs", default="/dev/shm", help="a folder on a tmpfs with room for 16 GiB (/dev/shm)")
    parser.add_argument("--disk", default=".",
                        help="a folder on a disk with room for 8 GiB, of the benches cold and snapshot (.)")
    parser.add_argument("--before", metavar="FOLDER",
                        help="an earlier version's build folder or bundle, of the bench before")
    parser.add_argument("--json", help="also write all figures to this file")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in BENCHES and name not in MORE:
            parser.error(f"no bench {name}: there are {', '.join([*BENCHES, *MORE])}")
    if shutil.which("fusermount3") is None and os.geteuid() != 0:
        sys.exit("bench: needs fusermount3 (package fuse3), or root")
    context = look_around(arguments)
    results = {"simulated": not context.on_gpu, "rounds": context.rounds}
    for name in arguments.names or BENCHES:
        results[name] = (BENCHES | MORE)[name](context)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
