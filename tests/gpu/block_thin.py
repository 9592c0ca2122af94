#!/usr/bin/env python3
"""Block thin: a thin disk takes memory as it is written, and gives it back, by a client of NBD of a few lines.

    tests/gpu/block_thin.py MOUNT --gmemfs FILE [--parts N] [--rounds N]

Each round writes into `parts` parts of 64 MiB of a disk of 1 TiB, reads them back while others go, and discards all of
them. Prints one line of JSON: how long a first write takes beside another one, and a discard that gives a part back.
Exit status 0: every byte was right, and the device has its memory again.
"""
import argparse
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from block_kills import wait_until

PART, CHUNK, PATIENCE_S = 64 << 20, 1 << 20, 30


class Client:
    READ, WRITE, TRIM = 0, 1, 4

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.receive(18)
        self.socket.sendall(struct.pack(">I8sII", 3, b"IHAVEOPT", 1, 0))  # no zeroes; the export without a name
        self.size, _ = struct.unpack(">QH", self.receive(10))

    def receive(self, count):
        data = bytearray()
        while len(data) < count:
            data += self.socket.recv(count - len(data)) or sys.exit("block_thin: the server has closed the connection")
        return bytes(data)

    def ask(self, command, offset, length, data=b""):
        """The bytes of a read, and how long it took."""
        begun = time.monotonic()
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, 0, command, 7, offset, length) + data)
        _, error, _ = struct.unpack(">IIQ", self.receive(16))
        if error:
            sys.exit(f"block_thin: command {command} at {offset}: error {error}")
        read = self.receive(length) if command == self.READ else b""
        return read, time.monotonic() - begun


def used(mount):
    status = os.statvfs(mount)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def parts_in(folder):
    return sum(name.isdigit() for name in os.listdir(folder))


def play(client, count, seed, times):
    patterns = [os.urandom(CHUNK) for _ in range(count)]
    offsets = [(index * 7919 + seed) % (client.size // PART) * PART for index in range(count)]
    for offset, pattern in zip(offsets, patterns):
        times["first_write"].append(client.ask(client.WRITE, offset + PART - CHUNK, CHUNK, pattern)[1])
        times["other_write"].append(client.ask(client.WRITE, offset, CHUNK, pattern)[1])
    for offset, pattern in zip(offsets, patterns):
        for at, expected in (0, pattern), (CHUNK, bytes(CHUNK)), (PART - CHUNK, pattern):
            if client.ask(client.READ, offset + at, CHUNK)[0] != expected:
                sys.exit(f"block_thin: wrong bytes at {offset + at}")
    for offset in offsets:
        times["discard"].append(client.ask(client.TRIM, offset, PART)[1])
        if client.ask(client.READ, offset, CHUNK)[0] != bytes(CHUNK):
            sys.exit(f"block_thin: no zeros at {offset} after its discard")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount")
    parser.add_argument("--gmemfs", required=True)
    parser.add_argument("--parts", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    mount = os.path.realpath(arguments.mount)
    folder = os.path.join(mount, "block-thin")
    times = {"first_write": [], "other_write": [], "discard": []}
    with tempfile.TemporaryDirectory(prefix="block-thin.") as scratch:
        path = os.path.join(scratch, "socket")
        subprocess.run([arguments.gmemfs, "block", folder, "--thin", "--size", "1T", "--socket", path], check=True,
                       stdout=subprocess.DEVNULL)
        before = used(mount)
        client = Client(path)
        for seed in range(arguments.rounds):
            play(client, arguments.parts, seed, times)
            wait_until("parts that were discarded go", lambda: parts_in(folder) == 0, PATIENCE_S)
        wait_until("the memory is back", lambda: used(mount) == before, PATIENCE_S)
        subprocess.run([arguments.gmemfs, "block", "--detach", path], check=True)
    shutil.rmtree(folder)
    told = {f"{what}_{name}_us": round(value * 1e6) for what, taken in times.items()
            for name, value in (("p50", statistics.median(taken)), ("max", max(taken)))}
    print(json.dumps({"thin_parts": arguments.parts * arguments.rounds, **told}))


if __name__ == "__main__":
    main()
