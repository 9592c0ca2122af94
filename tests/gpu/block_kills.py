#!/usr/bin/env python3
"""Block kills: a file is served as a disk and checked all the time, while what serves it is killed again and again.

    tests/gpu/block_kills.py MOUNT --rounds N --gmemfs FILE --load FILE [--size BYTES] [--servers N] [--thin]

nbd_load --verify writes and reads blocks that say what they should be. Each round a worker is killed by SIGKILL, as
soon as a spare is warm; at `servers` of the rounds the filesystem's server as well. Prints one line of JSON: what
nbd_load has counted, and how long clients went without an answer. Exit status 0: no block was wrong, every request was
answered, and each kill was noticed.
"""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 60


def wait_until(what, holds, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"{os.path.basename(sys.argv[0])}: {what}: not within {seconds} s")
        time.sleep(0.002)


class Disk:
    def __init__(self, gmemfs, file, socket, options):
        self.gmemfs, self.file, self.socket = gmemfs, file, socket
        subprocess.run([gmemfs, "block", file, "--socket", socket, *options], check=True, stdout=subprocess.DEVNULL)

    def say(self):
        told = subprocess.run([self.gmemfs, "block", "--list", "--json"], check=True, stdout=subprocess.PIPE)
        return next(device for device in json.loads(told.stdout) if device["file"] == self.file)

    def has_spare(self):
        return (self.say().get("spare") or {}).get("state") == "warm"

    def kill_worker(self):
        """How long until its successor serves, as the supervisor tells it."""
        wait_until("a warm spare", self.has_spare)
        before = self.say()
        killed = time.monotonic()
        os.kill(before["worker"]["pid"], signal.SIGKILL)
        wait_until("another worker", lambda: self.say()["takeovers"] == before["takeovers"] + 1)
        return time.monotonic() - killed

    def detach(self):
        subprocess.run([self.gmemfs, "block", "--detach", self.socket], check=True)


def server_pid(gmemfs, mount):
    told = subprocess.run([gmemfs, "stat", "--json", mount], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(told.stdout)["server_pid"] if told.returncode == 0 else None


def kill_server(gmemfs, mount):
    """The supervisor of the mount starts another one, which is waited for."""
    before = server_pid(gmemfs, mount)
    os.kill(before, signal.SIGKILL)
    wait_until("another server", lambda: server_pid(gmemfs, mount) not in (None, before))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount")
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--servers", type=int, default=0)
    parser.add_argument("--gmemfs", required=True)
    parser.add_argument("--load", required=True, help="the program nbd_load")
    parser.add_argument("--size", type=int, default=64 << 20)
    parser.add_argument("--thin", action="store_true", help="a thin disk, whose parts are made meanwhile")
    arguments = parser.parse_args()
    file = os.path.join(os.path.realpath(arguments.mount), "block-kills")
    options = ["--size", str(arguments.size), *(["--thin"] if arguments.thin else [])]
    server_rounds = {round * arguments.rounds // max(arguments.servers, 1) for round in range(arguments.servers)}
    with tempfile.TemporaryDirectory(prefix="block-kills.") as folder:
        disk = Disk(arguments.gmemfs, file, os.path.join(folder, "socket"), options)
        load = subprocess.Popen([arguments.load, "--socket", disk.socket, "--verify", "--seconds", "3600", "--seed",
                                 str(os.getpid())], stdout=subprocess.PIPE, text=True)
        times = []
        try:
            for round in range(arguments.rounds):
                if round in server_rounds:
                    kill_server(arguments.gmemfs, arguments.mount)
                if load.poll() is not None:
                    sys.exit("block_kills: nbd_load has ended early")
                times.append(disk.kill_worker())
        finally:
            load.terminate()
        told = json.loads(load.communicate()[0])
        told.update(kills=arguments.rounds, servers_killed=len(server_rounds),
                    takeover_p50_ms=round_ms(statistics.median(times)), takeover_max_ms=round_ms(max(times)))
        print(json.dumps(told))
        disk.detach()
    shutil.rmtree(file) if arguments.thin else os.unlink(file)
    is_good = load.returncode == 0 and told["wrong_blocks"] == 0 and told["unanswered"] == 0
    sys.exit(not is_good or told["reconnects"] < arguments.rounds)


def round_ms(seconds):
    return round(seconds * 1000, 2)


if __name__ == "__main__":
    main()
