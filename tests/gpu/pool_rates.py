#!/usr/bin/env python3
"""Pool rates: a transformer's training step and decode loop under `gmemfs run`, beside the same without it.

    pool_rates.py FOLDER [--rounds N] [--steps N] [--program PROGRAM]

Processes in turn, without the pool and with it, the order changed each time; a figure is a median of their medians. The
start is from exec to the end of the first operation, of PyTorch and of PROGRAM (tests/pool/program), which is short.
Losses and decoded tokens must be the same.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

import pool_runs
from pool_runs import figure

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pool_model.py")


def check_same(plain, pooled):
    """Runs without the pool, which may differ among themselves, and one with it."""
    if pooled["said"] not in [each["said"] for each in plain]:
        pool_runs.fail(f"decoded {pooled['said']} under gmemfs run, not {plain[0]['said']}")
    for number, wanted in zip(pooled["losses"], plain[0]["losses"]):
        if not abs(number - wanted) <= abs(wanted) / 50:  # bf16, and sums in another order
            pool_runs.fail(f"losses {pooled['losses']} under gmemfs run, not {plain[0]['losses']}")


def run_model(folder, what, steps):
    run = pool_runs.Run([sys.executable, MODEL, what, steps], folder).end()
    if run.told is None:
        pool_runs.fail(f"{'under gmemfs run' if folder else 'without gmemfs run'}: {run.error}")
    return run.told


def tell_ratio(name, plain, pooled):
    """How often the pooled one goes in the plain one's time; and how far apart the rounds are by themselves."""
    figure(f"{name}, ms without the pool", 1000 * statistics.median(plain), "ms")
    figure(f"{name}, ms under gmemfs run", 1000 * statistics.median(pooled), "ms")
    figure(f"{name}, the slowest round without the pool of the fastest", max(plain) / min(plain), "")
    figure(f"{name}, rate of that without the pool", statistics.median(plain) / statistics.median(pooled), "",
           at_least=0.99)


def start_times(program, folder, count):
    """Milliseconds of PROGRAM, which allocates, fills and reads: lists without the pool and with it."""
    command = [program, "needed", "alloc=1000000", "write=7", "read=7"]
    times = ([], [])
    for number in range(2 * count):
        hooked = (number + number // 2) % 2
        words = [pool_runs.GMEMFS, "run", "--pool", folder, *command] if hooked else command
        began = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        times[hooked].append(1000 * (time.perf_counter() - began))
    return times


def tell_starts(name, plain_ms, pooled_ms):
    figure(f"start of {name}, ms without the pool", statistics.median(plain_ms), "ms")
    figure(f"start of {name}, ms more under gmemfs run", statistics.median(pooled_ms) - statistics.median(plain_ms),
           "ms", at_most=50)
    figure(f"start of {name}, ms more, the fastest of each", min(pooled_ms) - min(plain_ms), "ms")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--program")
    arguments = parser.parse_args()
    if arguments.program:
        tell_starts("a program", *start_times(arguments.program, arguments.folder, 10))
    if not arguments.rounds:
        return 0
    told, starts = ([], []), ([], [])
    for what, rounds in (("rates", arguments.rounds), ("start", 2 * arguments.rounds)):
        for number in range(2 * rounds):
            hooked = (number + number // 2) % 2
            each = run_model(arguments.folder if hooked else None, what, arguments.steps)
            starts[hooked].append(each)
            if what == "rates":
                told[hooked].append(each)
            print(f"{what} {number}: {each}", flush=True)
    plain, pooled = told
    for each in pooled:
        check_same(plain, each)
    for what, name in (("train", "training step"), ("eager_1", "decoding, 1 sequence, eager"),
                       ("graph_1", "decoding, 1 sequence, graph"), ("eager_8", "decoding, 8 sequences, eager"),
                       ("graph_8", "decoding, 8 sequences, graph")):
        tell_ratio(name, *([each["seconds"][what] for each in side] for side in told))
    tell_starts("PyTorch", *([1000 * each["started"] for each in side] for side in starts))
    imports, firsts = ([statistics.median(1000 * (each["imported"] if part == "import" else
                                                  each["started"] - each["imported"]) for each in side)
                        for side in starts] for part in ("import", "first operation"))
    figure("start of PyTorch, of that in the import, ms more", imports[1] - imports[0], "ms")
    figure("start of PyTorch, of that in the first operation, ms more", firsts[1] - firsts[0], "ms")
    reserved = max(each["reserved"] for each in plain)
    figure("memory, PyTorch's own peak of what it reserved", reserved / pool_runs.GIB, "GiB")
    figure("memory, the pool's peak by blocks, of that", max(each["peak"] for each in pooled) / reserved, "",
           at_most=1.02)
    figure("memory, what the pool held at the end, of that", max(each["held"] for each in pooled) / reserved, "",
           at_most=1.02)
    if plain[0]["nvml"] and pooled[0]["nvml"]:  # libraries' own memory, which PyTorch doesn't count, is in both
        figure("memory by NVML, context and all, of that without the pool",
               statistics.median(each["nvml"] for each in pooled) / statistics.median(each["nvml"] for each in plain),
               "", at_most=1.02)
    left = pool_runs.what_is_left(arguments.folder)
    if left:
        pool_runs.fail(f"files are left: {left}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
