#!/usr/bin/env python3
# kill_loop: programs under `gmemfs run` allocate, fill, compare and free; they, the server and the keeper are killed.
#
#   tests/mount/pool/kill_loop.py --gmemfs FILE --mount-point DIR [--rounds N] [--seed N] [--program FILE] [--size SIZE]
#
# A program that isn't killed itself never sees an error, nor a wrong byte, whatever else dies: its memory is its own.
# One that is killed leaves no file, or with --keep what it had filled and said so, to the byte. After each round
# everything is as it was before: no file, no lease, no byte used. The last kill of every third round is the keeper:
# then programs go on, what is mapped can be read, and after `gmemfs umount` and `gmemfs mount` there are files again.
import argparse
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 30
KEPT_SIZE, KEPT_BYTE = 3 << 20, 9


class Loop:
    def __init__(self, options):
        self.gmemfs, self.mount, self.size = options.gmemfs, Path(options.mount_point), options.size
        self.program = options.program or str(Path(options.gmemfs).parent / "pool/program")
        self.work = self.mount / "work"
        self.random = random.Random(options.seed)
        self.running = []
        self.killed = {"program": 0, "kept program": 0, "server": 0, "keeper": 0}

    def stat(self):
        return json.loads(subprocess.run([self.gmemfs, "stat", "--json", str(self.mount)], check=True,
                                         stdout=subprocess.PIPE).stdout)

    def mount_it(self):
        subprocess.run([self.gmemfs, "mount", str(self.mount), f"--simulate={self.size}"], check=True)
        self.work.mkdir()

    def start(self, *steps, keep=False):
        options = ["--pool", str(self.work), *(["--keep"] if keep else [])]
        return subprocess.Popen([self.gmemfs, "run", *options, self.program, "needed", *steps], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def start_churn(self):
        self.running.append(self.start(f"churn={self.random.randrange(1 << 30)}"))

    def folder_of(self, program):
        return self.work / f"program.{program.pid}"

    def wait_for(self, what, told):
        end = time.monotonic() + PATIENCE_S
        while not what():
            if time.monotonic() > end:
                left = [(str(path), path.stat().st_size) for path in self.work.rglob("*")]
                raise AssertionError(f"not within {PATIENCE_S} s: {told}; {left}; {self.stat()}")
            time.sleep(0.01)

    @staticmethod
    def end(program):
        """It was left alone, so it ends well."""
        said, error = program.communicate("\n", timeout=PATIENCE_S)
        assert program.returncode == 0 and said == "churned\n", (program.returncode, said, error)

    @staticmethod
    def kill(pid):
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        try:
            assert select.select([handle], [], [], PATIENCE_S)[0]
        finally:
            os.close(handle)

    def kill_program(self):
        program = self.running.pop(self.random.randrange(len(self.running)))
        assert program.poll() is None, program.communicate()
        program.kill()
        program.communicate(timeout=PATIENCE_S)
        self.wait_for(lambda: not self.folder_of(program).exists(), f"the files of {program.pid} go")
        self.killed["program"] += 1
        self.start_churn()

    def kill_kept_program(self):
        program = self.start(f"alloc={KEPT_SIZE}", f"write={KEPT_BYTE}", f"read={KEPT_BYTE}", "wait",
                             f"churn={self.random.randrange(1 << 30)}", keep=True)
        said = program.stdout.readline()
        assert said == "ready\n", (said, program.communicate())
        program.stdin.write("\n")
        program.stdin.flush()
        time.sleep(self.random.uniform(0, 0.1))
        program.kill()
        program.communicate(timeout=PATIENCE_S)
        with open(self.folder_of(program) / "arena-0", "rb") as kept:
            assert kept.read(KEPT_SIZE) == bytes([KEPT_BYTE]) * KEPT_SIZE, "what was filled is lost"
        self.wait_for(lambda: self.remove(self.folder_of(program)), "kept files can be removed")
        self.killed["kept program"] += 1

    @staticmethod
    def remove(folder):
        shutil.rmtree(folder, ignore_errors=True)  # EBUSY until the server knows of the end
        return not folder.exists()

    def kill_server(self):
        self.kill(self.stat()["server_pid"])
        self.wait_for(self.answers, "the next server answers")
        self.killed["server"] += 1

    def answers(self):
        try:
            return self.stat()["keeper"] != "dead"
        except subprocess.CalledProcessError:
            return False

    def kill_keeper(self):
        found = subprocess.run(["pgrep", "-f", f"^gmemfs keeper .* {self.mount}$"], check=True, stdout=subprocess.PIPE)
        self.kill(int(found.stdout))
        self.wait_for(lambda: self.stat()["keeper"] == "dead", "the server knows that the keeper is dead")
        self.killed["keeper"] += 1
        time.sleep(self.random.uniform(0, 0.2))
        for file in self.work.glob("*/*"):
            try:
                with open(file, "rb") as mapped:
                    mapped.read(4096)
            except FileNotFoundError:
                pass

    def round(self, number):
        self.start_churn()
        self.start_churn()
        for _ in range(self.random.randrange(2, 5)):
            time.sleep(self.random.uniform(0, 0.3))
            self.random.choice([self.kill_program, self.kill_kept_program, self.kill_server, self.kill_server])()
        is_last = number % 3 == 2
        if is_last:
            self.kill_keeper()
        for program in self.running:
            self.end(program)
        self.running = []
        self.wait_for(lambda: not list(self.work.iterdir()), "all files go")
        self.wait_for(lambda: self.stat()["leases"] == 0, "all leases end")
        assert self.stat()["used"] == 0, self.stat()["used"]
        if is_last:
            subprocess.run([self.gmemfs, "umount", str(self.mount)], check=True)
            self.mount_it()

    def run(self, rounds):
        self.mount_it()
        free = os.statvfs(self.mount).f_bavail
        try:
            for number in range(rounds):
                self.round(number)
                assert os.statvfs(self.mount).f_bavail == free, "df isn't what it was"
        finally:
            for program in self.running:
                program.kill()
        print("killed:", ", ".join(f"{name} {count}" for name, count in self.killed.items()))
        subprocess.run([self.gmemfs, "umount", str(self.mount)], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gmemfs", required=True)
    parser.add_argument("--mount-point", required=True)
    parser.add_argument("--program")
    parser.add_argument("--size", default="1G")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("seed", options.seed, flush=True)
    Loop(options).run(options.rounds)


if __name__ == "__main__":
    sys.exit(main())
