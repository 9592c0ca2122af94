"""Through FUSE: reads and writes by 1 to 16 jobs, on gmemfs and on what it is measured against."""
import contextlib
import os
import statistics

from places import (MIB, device_rates, find_program, folder_on_tmpfs, mounted_gmemfs, mounted_null_server, read_stats,
                    run_json)

THREADS = 16  # of the empty servers; gmemfs says in its counters how many it runs, and that is taken where it does
# name of a place, and the empty server's sink behind it
EMPTY, DROPS = "empty server", "drops"
BUS = "no FUSE"  # the same bytes by bus_copy: into a pinned buffer and over the bus, and no filesystem
BUS_DEMOTED = "no FUSE, demoted"  # each buffer moved out of its core's caches
PINNED = "pinned DMA"
BUSES = {BUS: [], BUS_DEMOTED: ["--demote"]}
SINKS = {EMPTY: "memory", DROPS: "drop", "pinned": "pinned", "device": "device"}

RING = " by ring"  # after the name of gmemfs, or of an empty server: the same one, with requests by io_uring

# name of a place, and what the mount behind it is given besides
PARITY, VERIFIED = "parity on", "reads verified"
MOUNTS = {"gmemfs": [], PARITY: ["--ecc=on"], VERIFIED: ["--ecc=on", "--verify-reads"],
          "gmemfs" + RING: ["-o", "io_uring"]}


class Case:
    """One way to move bytes: `total` bytes by `jobs` processes together."""

    def __init__(self, direction, jobs, total, block=MIB, files=False, random=0):
        self.direction, self.jobs, self.block, self.files, self.random = direction, jobs, block, files, random
        self.size = max(total // jobs, block)
        kind = "random " if random else ""
        self.name = (f"{direction} {kind}{'1 MiB' if block == MIB else '4 KiB'}, {jobs} job{'s' if jobs > 1 else ''}"
                     f"{', a file each' if files else ''}")

    def run_bus(self, library, options):
        size = self.random // self.jobs * self.block if self.random else self.size
        told = run_json(find_program("bus_copy"), self.direction, "--driver", library, "--jobs", self.jobs,
                        "--size", size, "--block", self.block, *options)
        return told["requests_per_second"] if self.random else told["gb_per_second"]

    def run(self, path):
        words = ["--jobs", self.jobs, "--size", self.size, "--block", self.block]
        words += ["--files"] if self.files else []
        words += ["--random", self.random] if self.random else []
        told = run_json(find_program("fuse_io"), self.direction, *words, path)
        return told["requests_per_second"] if self.random else told["gb_per_second"]


@contextlib.contextmanager
def mounted_places(context, names, total):
    """Paths of a file of `total` bytes (and PATH.0 ... of their own) in each place, written once."""
    with contextlib.ExitStack() as stack:
        folders = {name: stack.enter_context(mounted_gmemfs(context.mount_options + MOUNTS[name]))
                   for name in names if name in MOUNTS}
        threads = read_stats(folders["gmemfs"]).get("workers", THREADS)
        for name in names:
            if name in MOUNTS or name in BUSES:
                continue
            if name == "tmpfs":
                folders[name] = stack.enter_context(folder_on_tmpfs(context.tmpfs))
            else:
                folders[name] = stack.enter_context(mounted_null_server(
                    context, SINKS[name.removesuffix(RING)], total, threads, ["--uring"] * name.endswith(RING)))
        yield {name: "" if name in BUSES else os.path.join(folders[name], "bench") for name in names}


def set_up(name, path, case, total):
    """The files that a case wants, with their memory: none but what it needs, since device memory isn't endless."""
    if name.removesuffix(RING) in SINKS or name in BUSES:
        return
    wanted = {f"{path}.{job}": case.size for job in range(case.jobs)} if case.files else {path: total}
    folder = os.path.dirname(path)
    for entry in os.listdir(folder):
        if os.path.join(folder, entry) not in wanted:
            os.unlink(os.path.join(folder, entry))
    for wanted_path, size in wanted.items():
        if not os.path.exists(wanted_path) or os.path.getsize(wanted_path) != size:
            with open(wanted_path, "wb") as file:
                file.truncate(size)
                if name == "tmpfs":  # reading its holes would only clear the reader's buffer
                    os.posix_fallocate(file.fileno(), 0, size)


def measure(context, names, cases, total):
    """Rates of each case in each place: `rounds` after one that isn't counted (tmpfs allocates its pages in it)."""
    rates = {(case.name, name): [] for case in cases for name in names}
    with mounted_places(context, names, total) as paths:
        for case in cases:
            for name, path in paths.items():
                set_up(name, path, case, total)
            for index in range(context.rounds + 1):
                for name, path in paths.items():
                    rate = case.run_bus(context.library, BUSES[name]) if name in BUSES else case.run(path)
                    if index > 0:
                        rates[case.name, name].append(rate)
    return rates


def print_table(title, unit, names, cases, rates, against, subject="gmemfs"):
    """Medians and ratios of `subject` to each of `against`; returns the rows for JSON."""
    print(f"\n{title}, {unit}")
    heads = names + ["/ " + name for name in against]
    width = max(14, *map(len, heads))
    print(f"{'':36}" + "".join(f" {head:>{width}}" for head in heads))
    rows = []
    for case in cases:
        median = {name: statistics.median(rates[case.name, name]) for name in names}
        ratios = {name: median[subject] / median[name] for name in against}
        digits = 0 if case.random else 2
        print(f"{case.name:36}" + "".join(f" {median[name]:{width}.{digits}f}" for name in names) +
              "".join(f" {ratios[name]:{width}.2f}" for name in against), flush=True)
        rows.append({"case": case.name, "unit": unit, "median": median, "ratio": ratios,
                     "rounds": {name: rates[case.name, name] for name in names}})
    return rows


def bench_fuse(context):
    """1 MiB writes and reads, 1 to 16 jobs, in one file and in one each."""
    names = ["gmemfs", EMPTY, DROPS, "tmpfs"]
    total = 4 * context.size
    cases = [Case(direction, jobs, min(total, jobs * context.size), files=files) for files in (False, True)
             for direction in ("write", "read") for jobs in ((1, 2, 4, 8, 16) if not files else (2, 8, 16))]
    rates = measure(context, names, cases, total)
    # What the bus gives to one who queues chunk after chunk: the same for all cases of a direction.
    pinned = device_rates(context, min(context.size, total))["gb_per_second"]
    for case in cases:
        rates[case.name, PINNED] = [pinned["host_to_device" if case.direction == "write" else "device_to_host"]]
    names.append(PINNED)
    return print_table("1 MiB requests", "GB/s", names, cases, rates, [EMPTY, DROPS, "tmpfs", PINNED])


def bench_random(context):
    """4 KiB at random offsets, 1 and 8 jobs."""
    names = ["gmemfs", EMPTY, DROPS, "tmpfs"]
    total = context.size
    cases = [Case(direction, jobs, total, block=4096, random=context.requests)
             for direction in ("write", "read") for jobs in (1, 8)]
    rates = measure(context, names, cases, total)
    return print_table("4 KiB requests", "requests/s", names, cases, rates, [EMPTY, DROPS, "tmpfs"])


def bench_parity(context):
    """What parity costs: written and read with it, with every read verified, and without, in turn."""
    names = [PARITY, VERIFIED, "gmemfs"]
    total = 8 * context.size
    cases = [Case(direction, jobs, total) for direction in ("write", "read") for jobs in (1, 8)]
    cases += [Case(direction, jobs, context.size, block=4096, random=context.requests)
              for direction in ("write", "read") for jobs in (1, 8)]
    rates = measure(context, names, cases, total)
    rows = print_table("parity", "GB/s, or requests/s of 4 KiB", names, cases, rates, ["gmemfs"], PARITY)
    for row in rows:
        row["ratio"][VERIFIED] = row["median"][VERIFIED] / row["median"]["gmemfs"]
    return rows


def large_and_small(context, total):
    """1 MiB one after the other and 4 KiB at random offsets, with 1 and 8 jobs."""
    both = [(direction, jobs) for direction in ("write", "read") for jobs in (1, 8)]
    return [Case(*one, min(total, one[1] * context.size)) for one in both] + [
        Case(*one, context.size, block=4096, random=context.requests) for one in both]


def bench_uring(context):
    """gmemfs by read(2) and by io_uring, in turn, each beside the empty server that copies to the device; needs Y in
    the kernel's /sys/module/fuse/parameters/enable_uring."""
    names = [name + transport for name in ("device", "gmemfs") for transport in ("", RING)] + [EMPTY]
    total = 4 * context.size
    cases = large_and_small(context, total)
    rates = measure(context, names, cases, total)
    return print_table("io_uring", "GB/s, or requests/s of 4 KiB", names, cases, rates, ["gmemfs", "device" + RING],
                       "gmemfs" + RING)


def bench_hops(context):
    """Where the time of a request goes: the empty server with one hop more from column to column, then gmemfs; and what
    the last hop takes where there is no filesystem at all."""
    names = [DROPS, EMPTY, "pinned", "device", "gmemfs", BUS, BUS_DEMOTED]
    total = 4 * context.size
    cases = large_and_small(context, total)
    rates = measure(context, names, cases, total)
    return print_table("hops", "GB/s, or requests/s of 4 KiB", names, cases, rates, ["device", EMPTY, BUS, BUS_DEMOTED])
