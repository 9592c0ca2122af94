#!/usr/bin/env python3
"""NIXL: gmemfs's NIXL engine, NIXL's own plain transfer and TCP, between two network namespaces, in turn, in one run.

    tests/bench/nixl.py [--size BYTES] [--rounds N] [--piece BYTES] [--slots N] [--threads N] [--json]

Needs root, and NIXL (`make deps-nixl`); for NIXL's own transfer a Python with numpy (.venv has it). Over a veth pair,
with UCX_TLS=tcp. The engine moves a file from one simulated mount into another, and its time has everything in it, from
opening the file and connecting to the last byte in place; NIXL's own is from one process's memory to another one's,
over a connection that is there, by as many pieces of the same size. A figure is a median of the rounds, a ratio one of
medians of the same run.
"""
import argparse
import contextlib
import json
import os
import pathlib
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from places import GIB, HERE, MIB, find_program

ROOT = HERE.parents[2]
NIXL = os.environ.get("GMEMFS_NIXL", str(ROOT / ".nixl"))
TARGET_ADDRESS, PORT = "10.77.0.2", 7700


# ---- NIXL's own, by the wheel's Python interface; and TCP: each runs in a process of its own in a namespace

def make_agent(name, size, has_thread):
    import numpy
    sys.path.insert(0, NIXL)
    from nixl_cu13._api import nixl_agent, nixl_agent_config
    agent = nixl_agent(name, nixl_agent_config(enable_prog_thread=has_thread))
    memory = numpy.ones(size, dtype=numpy.uint8)
    agent.register_memory([(memory.ctypes.data, size, 0, "")], "DRAM")
    return agent, memory


def plain_target(piece, count, size, has_thread=True):
    agent, memory = make_agent("target", piece * count, has_thread)
    print(memory.ctypes.data, agent.get_agent_metadata().hex(), flush=True)
    while not select.select([sys.stdin], [], [], None if has_thread else 0)[0]:
        agent.get_new_notifs() # without a thread this is where UCX gets on


def plain_source(piece, count, size, has_thread=True):
    agent, memory = make_agent("source", piece * count, has_thread)
    address, metadata = sys.stdin.readline().split()
    peer = agent.add_remote_agent(bytes.fromhex(metadata))
    pieces = [agent.initialize_xfer(
        "WRITE", agent.get_xfer_descs([(memory.ctypes.data + at * piece, piece, 0)], "DRAM"),
        agent.get_xfer_descs([(int(address) + at * piece, piece, 0)], "DRAM"), peer) for at in range(count)]

    def write(total):
        """Each piece is written again as soon as it is there."""
        under_way, posted = [], 0
        start = time.monotonic()
        for one in pieces:
            if posted < total:
                agent.transfer(one)
                under_way.append(one)
                posted += 1
        while under_way:
            for one in list(under_way):
                state = agent.check_xfer_state(one)
                if state == "ERR":
                    raise SystemExit("NIXL: a transfer failed")
                if state != "DONE":
                    continue
                if posted < total:
                    agent.transfer(one)
                    posted += 1
                else:
                    under_way.remove(one)
        return time.monotonic() - start

    write(count) # connects
    print(write(max(size // piece, 1)), flush=True)


def alone_target(*shape):
    plain_target(*shape, has_thread=False)


def alone_source(*shape):
    plain_source(*shape, has_thread=False)


def tcp_target(piece, count, size):
    listener = socket.create_server((TARGET_ADDRESS, PORT))
    print("ready", flush=True)
    connection, _ = listener.accept()
    buffer, left = bytearray(piece), size
    while left > 0 and (came := connection.recv_into(buffer)):
        left -= came
    connection.sendall(b"!")


def tcp_source(piece, count, size):
    sys.stdin.readline()
    connection, buffer = socket.create_connection((TARGET_ADDRESS, PORT)), bytes(piece)
    start = time.monotonic()
    for _ in range(size // piece):
        connection.sendall(buffer)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
    print(time.monotonic() - start, flush=True)


# ---- what is measured

@contextlib.contextmanager
def namespaces():
    names = [f"gmemfs-bench-{end}-{os.getpid()}" for end in "ab"]

    def ip(*words):
        subprocess.run(["ip", *words], check=True)
    try:
        for name in names:
            ip("netns", "add", name)
        ip("-n", names[0], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", names[1])
        for name, address in zip(names, ("10.77.0.1", TARGET_ADDRESS)):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                ip("-n", name, "link", "set", link, "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


def run_pair(names, target, source):
    """Starts both, carries a line over, and returns the last line of the source."""
    with subprocess.Popen(["nsenter", f"--net=/run/netns/{names[1]}", *target], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as receiver:
        with subprocess.Popen(["nsenter", f"--net=/run/netns/{names[0]}", *source], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as sender:
            line = receiver.stdout.readline()
            if line.startswith("helper "):
                line = receiver.stdout.readline()
            sender.stdin.write(line)
            sender.stdin.flush()
            said = sender.stdout.read().splitlines()
        with contextlib.suppress(BrokenPipeError): # an engine's end has ended by itself
            receiver.stdin.write("\n")
            receiver.stdin.close()
        receiver.stdout.read()
    if sender.returncode != 0 or not said:
        raise SystemExit(f"bench: {source}: {said[-1:]}")
    return said[-1]


def find_python():
    """One that has numpy and the wheel's version, or None."""
    for python in (str(ROOT / ".venv/bin/python"), sys.executable, "python3"):
        with contextlib.suppress(OSError):
            look = subprocess.run([python, "-c", "import sys; sys.path.insert(0, sys.argv[1]); import nixl_cu13._api",
                                   NIXL], capture_output=True)
            if look.returncode == 0:
                return python
    return None


def measure(arguments):
    shape = [str(arguments.piece), str(arguments.slots), str(arguments.size)]
    python = find_python()
    rates = {"engine": [], "NIXL's own": [], "NIXL's own without its thread": [], "TCP": []}
    with namespaces() as names, tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        program = os.path.join(folder, "gmemfs")
        with open(program, "w") as file:
            file.write(f'#!/bin/sh\nexec {find_program("gmemfs")} "$@" --slot-size={arguments.piece}'
                       f' --slots={arguments.slots} --threads={arguments.threads}\n')
        os.chmod(program, 0o755)
        files = []
        for end in "ab":
            mount = os.path.join(folder, end)
            os.mkdir(mount)
            subprocess.run([find_program("gmemfs"), "mount", mount, f"--simulate={arguments.size + 64 * MIB}"],
                           check=True)
            stack.callback(subprocess.run, [find_program("gmemfs"), "umount", mount], check=True)
            files.append(os.path.join(mount, "file"))
            with open(files[-1], "wb") as file:
                file.truncate(arguments.size)
        with open(files[0], "r+b") as file:
            for at in range(0, arguments.size, 16 * MIB):
                file.write(os.urandom(min(16 * MIB, arguments.size - at)))
        drive, me = find_program("nixl-drive"), [python or sys.executable, __file__]
        for index in range(arguments.rounds + 1):
            took = {"engine": run_pair(names, [drive, program, "target", files[1], str(arguments.size)],
                                       [drive, program, "source", files[0]]).split("; ")[-1]}
            for name, role in (("NIXL's own", "plain"), ("NIXL's own without its thread", "alone"), ("TCP", "tcp")):
                if python or role == "tcp":
                    took[name] = run_pair(names, [*me, "--as", f"{role}_target", *shape],
                                          [*me, "--as", f"{role}_source", *shape])
            for name, seconds in took.items():
                if index > 0: # the first round warms up
                    rates[name].append(arguments.size / float(seconds) / 1e9)
        subprocess.run(["cmp", *files], check=True)
    return {name: statistics.median(values) for name, values in rates.items() if values}


ROLES = {role.__name__: role
         for role in (plain_target, plain_source, alone_target, alone_source, tcp_target, tcp_source)}


def main():
    os.environ.setdefault("UCX_TLS", "tcp")
    os.environ.setdefault("UCX_NET_DEVICES", "eth0")
    os.environ.setdefault("NIXL_LOG_LEVEL", "ERROR")
    if sys.argv[1:2] == ["--as"]:
        ROLES[sys.argv[2]](*map(int, sys.argv[3:]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=GIB // 2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--piece", type=int, default=4 * MIB)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if os.geteuid() != 0 or not pathlib.Path(NIXL).exists():
        sys.exit("bench: needs root, and NIXL: make deps-nixl")
    median = measure(arguments)
    if arguments.json:
        print(json.dumps(median))
        return
    print(f"{arguments.size // MIB} MiB by {arguments.slots} pieces of {arguments.piece // 1024} KiB over veth, GB/s: "
          + ", ".join(f"{name} {rate:.2f}" for name, rate in median.items()))
    for other in median:
        if other != "engine":
            print(f"engine / {other}: {median['engine'] / median[other]:.2f}")


if __name__ == "__main__":
    main()
