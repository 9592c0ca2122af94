#!/usr/bin/env python3
"""Instructions: what a request costs the server in instructions, by library, counted by callgrind on the simulator.

    tests/bench/instructions.py [KIND...] [--requests N] [--limit N] [--json FILE]

Each kind of request is sent so many times in one run of the server and twice as many times in another; what the second
run took more, by request, is the figure: starting and ending are in both. Counts, not times: they are the same on a
busy machine. The server reads the mount table again each time that anybody mounts something, so root measures in a
mount namespace of its own. --limit: exit 1 where gmemfs itself (not libfuse, libc, or the simulator) takes more for a
request of 4 KiB.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from places import KIB, MIB, find_program, wait_until_mounted

# kind: fuse_io's words, and how many bytes a request has
KINDS = {"write 4 KiB": ("write", 4 * KIB), "read 4 KiB": ("read", 4 * KIB), "write 1 MiB": ("write", MIB)}
OWN = "gmemfs"


def self_costs(path):
    """Instructions of each object file, from callgrind's output."""
    names, costs, current, is_call = {}, collections.Counter(), "?", False
    for line in path.read_text().splitlines():
        named = re.match(r"(ob|cob)=\((\d+)\)(?: (.*))?$", line)
        if named:
            kind, number, name = named.groups()
            if name:
                names[number] = pathlib.Path(name).name
            if kind == "ob":
                current = names[number]
        elif line.startswith("calls="):
            is_call = True  # the next line is what the called function took
        elif re.match(r"[+*\-\d]", line):
            if not is_call:
                costs[current] += int(line.split()[1]) if len(line.split()) > 1 else 0
            is_call = False
    return costs


def run_server(kind, requests, folder):
    direction, block = KINDS[kind]
    mount, out = folder / "mount", folder / "callgrind.out"
    mount.mkdir(exist_ok=True)
    out.unlink(missing_ok=True)
    environment = {**os.environ, "GMEMFS_SIM_MACHINE": f"instructions{os.getpid()}"}
    server = subprocess.Popen(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", find_program("gmemfs"), "mount", "-f",
         "--keeper=off", "--broker=off",
         "--simulate=64M", "--workers", "2", str(mount)], env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    wait_until_mounted(mount, server)
    path = mount / "file"
    with open(path, "wb") as file:
        file.truncate(8 * MIB)
    subprocess.run([find_program("fuse_io"), direction, "--block", str(block), "--random", str(requests), "--size",
                    str(8 * MIB), str(path)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([find_program("gmemfs"), "umount", str(mount)], check=True)
    if server.wait(60) != 0:
        sys.exit(f"instructions: the server ended with {server.returncode}")
    for _ in range(100):
        if out.exists():
            return self_costs(out)
        time.sleep(0.1)
    sys.exit("instructions: callgrind wrote nothing")


def leave_the_others():
    """Runs this program anew in a mount namespace of its own, where that is possible."""
    apart = ["unshare", "--mount", "--propagation", "private"]
    if os.environ.get("GMEMFS_INSTRUCTIONS_APART") or os.geteuid() != 0 or not shutil.which(apart[0]):
        return
    if subprocess.run([*apart, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        os.environ["GMEMFS_INSTRUCTIONS_APART"] = "1"
        sys.stdout.flush()
        os.execvp(apart[0], [*apart, sys.executable, *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--limit", type=int, help="instructions of gmemfs itself for a request of 4 KiB")
    parser.add_argument("--json", help="also write all figures to this file")
    arguments = parser.parse_args()
    leave_the_others()
    results, too_many = {}, False
    with tempfile.TemporaryDirectory(prefix="gmemfs-instructions.") as folder:
        for kind in arguments.kinds or KINDS:
            few, many = (run_server(kind, times * arguments.requests, pathlib.Path(folder)) for times in (1, 2))
            costs = {name: (many[name] - few[name]) / arguments.requests for name in many}
            total = sum(costs.values())
            results[kind] = costs
            largest = sorted(costs.items(), key=lambda item: -item[1])
            print(f"{kind}: {total:.0f} instructions, gmemfs itself {costs[OWN]:.0f} ({costs[OWN] / total:.0%}); " +
                  ", ".join(f"{name} {cost:.0f}" for name, cost in largest if cost > 20 and name != OWN), flush=True)
            too_many |= arguments.limit is not None and "4 KiB" in kind and costs[OWN] > arguments.limit
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=2) + "\n")
    if too_many:
        sys.exit(f"instructions: more than {arguments.limit}")


if __name__ == "__main__":
    main()
