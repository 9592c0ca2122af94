"""Before: this build beside an earlier one, in turn, in one run: what a change has cost, or brought.

    tests/bench/run.py before --before FOLDER       FOLDER: a build folder or a bundle of the earlier version

Both versions are mounted at the same time, on the same device, and asked in turn. A ratio above 1 is faster now, for
rates and for times.
"""
import contextlib
import os
import statistics
import sys

from calls import time_truncate
from places import GIB, MIB, find_program, find_program_in, mounted_gmemfs, run_json
from through_fuse import large_and_small, print_table, set_up

NOW, BEFORE = "gmemfs", "before"


def in_turn(index):
    """Who is asked first changes from round to round: the second finds caches and clocks as the first left them."""
    return (NOW, BEFORE) if index % 2 else (BEFORE, NOW)


def rates_of(context, folders):
    """The cases of 1 MiB and 4 KiB, with 1 and 8 jobs, on both mounts."""
    total = 4 * context.size
    cases = large_and_small(context, total)
    rates = {(case.name, name): [] for case in cases for name in folders}
    for case in cases:
        paths = {name: os.path.join(folder, "bench") for name, folder in folders.items()}
        for name, path in paths.items():
            set_up(name, path, case, total)
        for index in range(context.rounds + 1):
            for name in in_turn(index):
                rate = case.run(paths[name])
                if index > 0:
                    rates[case.name, name].append(rate)
    return print_table("this build and the earlier one", "GB/s, or requests/s of 4 KiB", [NOW, BEFORE], cases, rates,
                       [BEFORE], NOW)


def print_times(title, times):
    """A line for each call: microseconds now and before, and how many times as fast it is."""
    rows = []
    print(f"\n{title}, microseconds{'':24} {NOW:>14} {BEFORE:>14} {'before / now':>14}")
    for call in times[NOW]:
        median = {name: statistics.median(times[name][call]) for name in (NOW, BEFORE)}
        ratio = median[BEFORE] / median[NOW]
        print(f"{call:50} {median[NOW]:14.1f} {median[BEFORE]:14.1f} {ratio:14.2f}", flush=True)
        rows.append({"call": call, "median_us": median, "ratio": ratio})
    return rows


def calls_of(context, folders):
    """Create, truncate and unlink; and the attributes that peers read."""
    times = {name: {} for name in folders}
    size = min(GIB, context.memory // 4)
    for index in range(context.rounds):
        for name in in_turn(index):
            path = os.path.join(folders[name], "call")
            for call, values in time_truncate(path, size, 10).items():
                times[name].setdefault(call.removesuffix("_us"), []).extend(values[1:])
    return print_times(f"calls, {size // MIB} MiB", times)


def peers_of(context, folders):
    """Open, map, unmap and close by libgmemfs, each version's own library on its own mount."""
    size = min(GIB, context.memory // 4)
    libraries = {NOW: find_program("libgmemfs.so"), BEFORE: find_program_in(context.before, "libgmemfs.so")}
    times = {name: {} for name in folders}
    for name, folder in folders.items():
        with open(os.path.join(folder, "peer"), "wb") as file:
            file.truncate(size)
    for index in range(context.rounds):
        for name in in_turn(index):
            told = run_json(find_program("attach"), "--library", libraries[name], "--driver", context.library,
                            "--repeats", 200, os.path.join(folders[name], "peer"))
            for call in ("open", "map", "unmap", "close", "all"):
                times[name].setdefault(call, []).append(told[call + "_us"])
    return print_times(f"peers, {size // MIB} MiB", times)


def bench_before(context):
    """This build and an earlier one (--before FOLDER), in turn: 1 MiB and 4 KiB, single calls, peers."""
    if not context.before:
        sys.exit("bench: before: name the earlier version's build folder or bundle: --before FOLDER")
    with contextlib.ExitStack() as stack:
        earlier = find_program_in(context.before, "gmemfs")
        folders = {NOW: stack.enter_context(mounted_gmemfs(context.mount_options)),
                   BEFORE: stack.enter_context(mounted_gmemfs(context.mount_options, earlier))}
        return {"rates": rates_of(context, folders), "calls": calls_of(context, folders),
                "peers": peers_of(context, folders)}
