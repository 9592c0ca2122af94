"""Pool: what `gmemfs run` costs a process that never touches CUDA, and what an allocation costs with it and without."""
import json
import os
import statistics
import subprocess

from places import find_program, find_simulator, mounted_gmemfs, run_json, time_us

STARTS = 400
PAIRS = 1000
LARGE_MIB = (64, 1024, 16384)


def bench_pool(context):
    """`gmemfs run`: the start of a process without CUDA, pairs of cuMemAlloc and cuMemFree, small and of extents of
    their own, the search for a place."""
    with mounted_gmemfs(context.mount_options) as mount:
        run = [find_program("gmemfs"), "run", "--pool", os.path.join(mount, "bench")]
        told = subprocess.run([*run, "env"], stdout=subprocess.PIPE, text=True, check=True).stdout
        inside = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

        def start_us(environment):
            return time_us(lambda: subprocess.run(["/bin/true"], env=environment, check=True))

        plain, hooked = [], []
        for _ in range(STARTS):  # in turn, so that a machine that slows down slows both
            plain.append(start_us(os.environ))
            hooked.append(start_us(inside))
        starts = {"plain_us": statistics.median(plain), "hooked_us": statistics.median(hooked)}
        print(f"\n/bin/true, medians of {STARTS}: {starts['plain_us']:.0f} us,"
              f" under gmemfs run {starts['hooked_us']:.0f} us:"
              f" {starts['hooked_us'] - starts['plain_us']:+.0f} us")

        program = [find_program("pool/program"), "needed", f"twice={PAIRS}"]
        library = {**os.environ}
        if not context.on_gpu:
            library["LD_LIBRARY_PATH"] = os.path.dirname(find_simulator())

        def pair_us(command, environment):
            said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True, check=True).stdout
            return float(said.rsplit(" ", 1)[1])

        extents = {}
        unlisted = {**inside, "GMEMFS_POOL_DIR": "/"}  # no mount takes its memory, so it pays for the pool alone
        for size in LARGE_MIB if context.on_gpu else LARGE_MIB[:1]:
            rows = {"driver_us": [], "unlisted_us": [], "file_us": []}
            command = [program[0], program[1], f"pairs={size << 20}"]
            for _ in range(context.rounds):
                rows["driver_us"].append(pair_us(command, library))
                rows["unlisted_us"].append(pair_us(command, {**library, **unlisted}))
                rows["file_us"].append(pair_us([*run, *command], library))
            extents[size] = row = {name: statistics.median(values) for name, values in rows.items()}
            print(f"an extent of {size} MiB made and freed: {row['driver_us']:.0f} us by the driver,"
                  f" {row['unlisted_us']:.0f} by a pool without files, {row['file_us']:.0f} as a file")
            path = os.path.join(mount, "share")
            with open(path, "wb") as file:
                file.truncate(size << 20)
            row["server"] = share = run_json(find_program("import_map"), "--driver", context.library, path)
            os.unlink(path)
            print(f"an extent of {size} MiB, the server's part: import {share['import_us']:.0f} us, map and unmap"
                  f" {share['closed_us']:.0f} and {share['closed_unmap_us']:.0f} without access,"
                  f" {share['map_us']:.0f} and {share['unmap_us']:.0f} with it")

        pairs = {"plain_us": [], "pool_us": []}
        for _ in range(context.rounds):
            pairs["plain_us"].append(pair_us(program, library))
            pairs["pool_us"].append(pair_us([*run, *program], library))
        pairs = {name: statistics.median(values) for name, values in pairs.items()}
        print(f"cuMemAlloc and cuMemFree of 2 MiB: {pairs['plain_us']:.2f} us by the driver,"
              f" {pairs['pool_us']:.2f} us by the pool: {pairs['plain_us'] / pairs['pool_us']:.0f} times its rate")
        sizes = [] if context.on_gpu else ["60000", "0x4000"]
        calls = json.loads(subprocess.run([*run, find_program("bench/pool_calls"), *sizes], env=library,
                                          stdout=subprocess.PIPE, check=True).stdout)
        print(f"{calls['blocks']} blocks: cuMemAlloc in {calls['allocate']['median']} ns"
              f" (99.9 %: {calls['allocate']['99.9']}), cuMemFree in {calls['free']['median']} ns"
              f" (99.9 %: {calls['free']['99.9']})")
    fit = run_json(find_program("bench/pool_fit"))
    for row in fit:
        print(f"{row['blocks']:6} blocks: a place in {row['take']['median']} ns (99 %: {row['take']['99']},"
              f" 99.9 %: {row['take']['99.9']}), back in {row['give']['median']} ns (99.9 %: {row['give']['99.9']})")
    return {"start": starts, "pair": pairs, "extents": extents, "calls": calls, "fit": fit}
