"""Pool runs: how the checks of `gmemfs run` start programs with it and without, watch their pools, and tell figures.

A figure is a line: FIGURE, its name, value, unit, what is asked of it, and PASS or MISS. A figure that is missed is no
failure: results that are wrong are.
"""
import json
import os
import subprocess
import sys
import threading
import time

GMEMFS = os.environ.get("GMEMFS", "gmemfs")
MIB = 1 << 20
GIB = 1 << 30


def figure(name, value, unit, at_least=None, at_most=None):
    asked, verdict = "", ""
    if at_least is not None:
        asked, verdict = f">= {at_least:g}", "PASS" if value >= at_least else "MISS"
    if at_most is not None:
        asked, verdict = f"<= {at_most:g}", "PASS" if value <= at_most else "MISS"
    print(f"FIGURE {name:<58} {value:>14,.4f} {unit:<6} {asked:<9} {verdict}".rstrip(), flush=True)


def last_json(text):
    """The last line that is a JSON object; None: there is none."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    return None


class Run:
    """A process, in a pool where `folder` says which. `told`: what it printed last, as JSON; None: it failed."""

    def __init__(self, command, folder=None, environment=None):
        hooked = [GMEMFS, "run", "--pool", folder, *command] if folder else list(command)
        self.folder = folder
        self.told, self.error = None, ""
        started = {"STARTED_NS": str(time.clock_gettime_ns(time.CLOCK_MONOTONIC))}
        self.process = subprocess.Popen([str(word) for word in hooked], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {}), **started})

    def wait_for(self, word):
        """A line that says so, before the process waits for its standard input. False: it ended instead."""
        for line in self.process.stdout:
            if line.strip() == word:
                return True
        return False

    def end(self, timeout_s=240):
        try:
            said, self.error = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            said, self.error = self.process.communicate()
            self.error += f"\nit was killed after {timeout_s} s"
        if self.process.returncode == 0:
            self.told = last_json(said)
        else:
            self.error = f"exit status {self.process.returncode}\n" + said[-300:] + self.error[-700:]
        return self


def read_pool(folder):
    """What `gmemfs pool stat` says of the one process that has memory there; None: there is none."""
    told = subprocess.run([GMEMFS, "pool", "stat", "--json", folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False)
    rows = [row for row in json.loads(told.stdout or b"[]") if row["runs"]]
    return rows[0] if rows else None


class Watch:
    """The most that a pool has held while this was there, by a look every few milliseconds."""

    def __init__(self, folder):
        self.held = self.used = 0
        self._folder, self._ended = folder, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        while not self._ended.wait(0.02):
            told = read_pool(self._folder)
            if told:
                self.held = max(self.held, told["held"])
                self.used = max(self.used, told["peak"])

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()


def what_is_left(folder):
    """Names of what is still there some time after its process has ended: the server removes files when it is told."""
    for _ in range(100):
        if not os.path.isdir(folder) or not os.listdir(folder):
            return []
        time.sleep(0.1)
    left = []
    for name in os.listdir(folder):
        files = os.listdir(os.path.join(folder, name))
        lives = os.path.exists(f"/proc/{name.rpartition('.')[2]}")
        left.append(f"{name}, whose process {'lives' if lives else 'is dead'}, with {', '.join(files) or 'nothing'}")
    return left


def fail(text):
    print(f"FAIL {text}", flush=True)
    sys.exit(1)
