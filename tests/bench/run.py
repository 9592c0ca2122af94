#!/usr/bin/env python3
"""Bench: gmemfs beside an empty FUSE server and tmpfs, in turn, in one run: medians and ratios.

    tests/bench/run.py [NAME...] [--rounds N] [--size BYTES] [--json FILE]      NAME: fuse, truncate, handle, dma

What is compared is measured alternately (A B C A B C ...), so that a machine that slows down slows all of them.
A figure is a median of `rounds`; a ratio is of medians of the same run. On a GPU where there is one; else on the
simulator, whose figures say nothing about a GPU: they only show that the measurement works.
"""
import argparse
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

HERE = pathlib.Path(__file__).resolve()
MIB = 1 << 20
GIB = 1 << 30
THREADS = 16  # of the empty server; gmemfs says in its counters how many it runs, and that is taken where it does


def find_program(name):
    """A program of the build ($BUILD), or of the bundle that this file lies in."""
    build = os.environ.get("BUILD")
    roots = [pathlib.Path(build)] if build else []
    roots += [parent for parent in HERE.parents if (parent / "bin/gmemfs").exists()]
    roots += [parent / "build" for parent in HERE.parents if (parent / "Makefile").exists()]
    for root in roots:
        for folder in (root, root / "bench", root / "bin", root / "bin/bench"):
            if (folder / name).is_file():
                return str((folder / name).resolve())
    sys.exit(f"bench: no program {name} under {[str(root) for root in roots]}: run `make` and `make bench`")


def find_simulator():
    program = pathlib.Path(find_program("gmemfs"))
    for path in (program.parent / "sim/libcuda.so.1", program.parent.parent / "lib/gmemfs/sim/libcuda.so.1"):
        if path.exists():
            return str(path)
    sys.exit("bench: no GPU, and no simulator beside gmemfs")


def run_json(*command):
    """What the program prints, which is JSON."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, command))}: exit status {done.returncode}")
    return json.loads(done.stdout)


def wait_until_mounted(path, server):
    deadline = time.monotonic() + 20
    while not os.path.ismount(path):
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"bench: {server.args[0]} did not mount {path}")
        time.sleep(0.01)


@contextlib.contextmanager
def mounted_gmemfs(options):
    with tempfile.TemporaryDirectory(prefix="gmemfs-bench.") as path:
        subprocess.run([find_program("gmemfs"), "mount", path, *options], check=True)
        try:
            yield path
        finally:
            subprocess.run([find_program("gmemfs"), "umount", path], check=False)


@contextlib.contextmanager
def mounted_null_server(size, threads):
    with tempfile.TemporaryDirectory(prefix="null-bench.") as path:
        server = subprocess.Popen(
            [find_program("null_server"), "--size", str(size), "--threads", str(threads), path])
        wait_until_mounted(path, server)
        try:
            yield path
        finally:
            server.terminate()
            server.wait()


@contextlib.contextmanager
def folder_on_tmpfs(parent):
    with tempfile.TemporaryDirectory(prefix="tmpfs-bench.", dir=parent) as path:
        yield path


def read_stats(mount):
    return json.loads(os.getxattr(mount, "user.gmemfs.stats"))


def bench_fuse(context):
    """1 MiB writes and reads, 1 and 8 jobs in one file: gmemfs, the empty server, tmpfs."""
    cases = [(direction, jobs) for direction in ("write", "read") for jobs in (1, 8)]
    size = context.size
    with contextlib.ExitStack() as stack:
        gmemfs = stack.enter_context(mounted_gmemfs(context.mount_options))
        threads = read_stats(gmemfs).get("workers", THREADS)
        places = {"gmemfs": gmemfs, "empty server": stack.enter_context(mounted_null_server(8 * size, threads)),
                  "tmpfs": stack.enter_context(folder_on_tmpfs(context.tmpfs))}
        paths = {name: os.path.join(place, "bench") for name, place in places.items()}
        for name, path in paths.items():
            if name != "empty server":
                with open(path, "wb") as file:
                    file.truncate(8 * size)
        # Once around without counting: tmpfs allocates its pages, gmemfs' workers start.
        rates = {(name, case): [] for name in paths for case in cases}
        for index in range(context.rounds + 1):
            for case in cases:
                for name, path in paths.items():
                    told = run_json(find_program("fuse_io"), case[0], "--jobs", case[1], "--size", size, path)
                    if index > 0:
                        rates[name, case].append(told["gb_per_second"])
    rows = []
    for direction, jobs in cases:
        median = {name: statistics.median(rates[name, (direction, jobs)]) for name in paths}
        rows.append({"case": f"{direction} 1 MiB, {jobs} job{'s' if jobs > 1 else ''}", **median,
                     "of empty server": median["gmemfs"] / median["empty server"],
                     "of tmpfs": median["gmemfs"] / median["tmpfs"],
                     "rounds": {name: rates[name, (direction, jobs)] for name in paths}})
    print(f"\n{'GB/s':22} {'gmemfs':>9} {'empty server':>13} {'tmpfs':>8}   of empty server   of tmpfs"
          f"   ({threads} threads, medians of {context.rounds})")
    for row in rows:
        print(f"{row['case']:22} {row['gmemfs']:9.2f} {row['empty server']:13.2f} {row['tmpfs']:8.2f}"
              f" {row['of empty server']:17.3f} {row['of tmpfs']:10.3f}")
    return {"threads": threads, "job_size": size, "rows": rows}


def time_us(call):
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1000


def bench_truncate(context):
    """truncate of a new file to 1 GiB (allocated, cleared, ready), and its unlink; medians of 20."""
    size = min(GIB, context.memory // 4)
    grow, create, remove = [], [], []
    with mounted_gmemfs(context.mount_options) as mount:
        path = os.path.join(mount, "bench")
        for _ in range(21):
            fd = None

            def open_file():
                nonlocal fd
                fd = os.open(path, os.O_RDWR | os.O_CREAT)

            create.append(time_us(open_file))
            grow.append(time_us(lambda: os.ftruncate(fd, size)))
            os.close(fd)
            remove.append(time_us(lambda: os.unlink(path)))
    medians = {name: statistics.median(times[1:]) for name, times in
               (("create_us", create), ("truncate_us", grow), ("unlink_us", remove))}
    print(f"\ntruncate to {size // MIB} MiB: {medians['truncate_us'] / 1000:.3f} ms"
          f" (create {medians['create_us']:.0f} us,"
          f" unlink {medians['unlink_us']:.0f} us; medians of 20; first {grow[0] / 1000:.3f} ms)")
    return {"size": size, **medians, "truncate_first_us": grow[0], "truncate_all_us": grow[1:]}


def bench_handle(context):
    """The fabric handle by xattr, first and again; import and map in a peer."""
    size = min(GIB, context.memory // 4)
    first, again = [], []
    with mounted_gmemfs(context.mount_options) as mount:
        path = os.path.join(mount, "bench")
        for _ in range(20):
            with open(path, "wb") as file:
                file.truncate(size)
            first.append(time_us(lambda: os.getxattr(path, "user.fabric_handle")))
            again += [time_us(lambda: os.getxattr(path, "user.fabric_handle")) for _ in range(5)]
            os.unlink(path)
        with open(path, "wb") as file:
            file.truncate(size)
        peer = run_json(find_program("import_map"), "--driver", context.library, path)
    result = {"handle_first_us": statistics.median(first), "handle_again_us": statistics.median(again), "peer": peer}
    print(f"\nfabric handle by xattr: first {result['handle_first_us']:.0f} us,"
          f" again {result['handle_again_us']:.0f} us;"
          f" in a peer, {size // MIB} MiB: import {peer['import_us']:.0f} us, map {peer['map_us']:.0f} us,"
          f" together {peer['import_us'] + peer['map_us']:.0f} us")
    return result


def bench_dma(context):
    """The copy engines' own rates: what no filesystem can exceed."""
    size = min(2 * GIB, context.memory // 4)
    result = run_json(find_program("dma"), "--driver", context.library, "--size", size, "--chunk", 16 * MIB)
    print(f"\npinned DMA, chunks of 16 MiB, GB/s: in {result['host_to_device']:.1f},"
          f" out {result['device_to_host']:.1f};"
          f" on the device {result['device_to_device']:.0f} (read plus written), zeros {result['zero']:.0f}")
    return result


BENCHES = {"dma": bench_dma, "truncate": bench_truncate, "handle": bench_handle, "fuse": bench_fuse}


def look_around(arguments):
    """On what this runs, and how large the files may be."""
    doctor = subprocess.run([find_program("gmemfs"), "doctor", "--json"], stdout=subprocess.PIPE, text=True)
    on_gpu = json.loads(doctor.stdout)["can_mount"] and not arguments.simulate
    context = argparse.Namespace(rounds=arguments.rounds, on_gpu=on_gpu, tmpfs=arguments.tmpfs)
    context.memory = 64 * GIB if on_gpu else 2 * GIB
    context.size = arguments.size or (GIB if on_gpu else 64 * MIB)
    context.library = "libcuda.so.1" if on_gpu else find_simulator()
    context.mount_options = [] if on_gpu else [f"--simulate={context.memory}"]
    if not on_gpu:
        os.environ["GMEMFS_SIM_MACHINE"] = f"bench{os.getpid()}"  # that no other mount shares
        print("ON THE SIMULATOR: these figures show that the measurement works; they say nothing about a GPU.")
    return context


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each case (default 5)")
    parser.add_argument("--size", type=int, help="bytes a job moves (default 1 GiB; 64 MiB on the simulator)")
    parser.add_argument("--simulate", action="store_true", help="on the simulator even where there is a GPU")
    parser.add_argument("--tmpfs", default="/dev/shm", help="a folder on a tmpfs with room for 8 jobs (/dev/shm)")
    parser.add_argument("--json", help="also write all figures to this file")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in BENCHES:
            parser.error(f"no bench {name}: there are {', '.join(BENCHES)}")
    if shutil.which("fusermount3") is None and os.geteuid() != 0:
        sys.exit("bench: needs fusermount3 (package fuse3), or root")
    context = look_around(arguments)
    results = {"simulated": not context.on_gpu, "rounds": context.rounds}
    for name in arguments.names or BENCHES:
        results[name] = BENCHES[name](context)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
