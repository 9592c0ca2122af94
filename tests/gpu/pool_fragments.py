#!/usr/bin/env python3
"""Pool fragments: what a model that learns from sequences of changing lengths makes an allocator hold.

    pool_fragments.py FOLDER [--steps N]

The same training in five processes at once: PyTorch's native allocator and its expandable segments, with the pool below
and without, and no allocator of PyTorch's at all over the pool. The table has the peaks: of what PyTorch's tensors had,
of what PyTorch had reserved, of the pool's blocks, and of what the pool held, which is looked at every 20 ms.
The losses must be the same.
"""
import argparse
import contextlib
import os
import sys

import pool_runs
from pool_rates import MODEL
from pool_runs import GIB, figure

EXPANDABLE = {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
MODES = {"native": (None, {}), "expandable segments": (None, EXPANDABLE),
         "native, gmemfs run": ("native", {}), "expandable segments, gmemfs run": ("expandable", EXPANDABLE),
         "no cache, gmemfs run": ("plain", {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"})}


def run_all(folder, steps):
    """What each process told, and the most that its pool held."""
    told = {}
    with contextlib.ExitStack() as watches:
        runs = {}
        for name, (place, environment) in MODES.items():
            own = os.path.join(folder, place) if place else None
            run = pool_runs.Run([sys.executable, MODEL, "lengths", steps], own, environment)
            runs[name] = run, watches.enter_context(pool_runs.Watch(own)) if own else None
        for name, (run, watch) in runs.items():
            if run.end().told is None:
                pool_runs.fail(f"{name}: {run.error}")
            told[name] = {**run.told, "held": max(watch.held, run.told["held"]) if watch else 0,
                          "peak": run.told.get("peak", 0)}
    return told


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--steps", type=int, default=30)
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    told = run_all(arguments.folder, arguments.steps)
    native = told["native"]
    print(f"\nGiB, peaks{'':<24} {'tensors':>9} {'reserved':>9} {'blocks':>9} {'held':>9}")
    for name, each in told.items():
        for number, wanted in zip(each["losses"], native["losses"]):
            if not abs(number - wanted) <= abs(wanted) / 20:
                pool_runs.fail(f"{name}: losses {each['losses']}, not {native['losses']}")
        print(f"{name:<34}", *(f"{each[what] / GIB:9.3f}" if each[what] else f"{'-':>9}"
                               for what in ("allocated", "reserved", "peak", "held")))
    figure("fragmentation, native over the pool: held of native", told["native, gmemfs run"]["held"] /
           native["reserved"], "", at_most=1.02)
    figure("fragmentation, expandable over the pool: held of expandable",
           told["expandable segments, gmemfs run"]["held"] / told["expandable segments"]["reserved"], "", at_most=1.02)
    figure("fragmentation, the pool alone: held of native", told["no cache, gmemfs run"]["held"] / native["reserved"],
           "")
    figure("fragmentation, the pool alone: held of the tensors' peak",
           told["no cache, gmemfs run"]["held"] / native["allocated"], "")
    for place in (place for place, _ in MODES.values() if place):
        left = pool_runs.what_is_left(os.path.join(arguments.folder, place))
        if left:
            pool_runs.fail(f"files are left: {left}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
