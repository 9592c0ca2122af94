"""Results: the outcome of each test of a suite on one place; and what stops a suite before its first test."""
import importlib.util
import os
import pathlib
import shutil
import subprocess


class Missing(Exception):
    """Says in one line which program or source isn't here, and how to get it."""


class Results:
    """Each test has a name, one of passed, failed and skipped, and a line about why."""

    def __init__(self):
        self.outcomes = {}

    def add(self, name, outcome, why=""):
        if name in self.outcomes:  # the same test again, in the same run: both count
            number = 2
            while f"{name}#{number}" in self.outcomes:
                number += 1
            name = f"{name}#{number}"
        self.outcomes[name] = (outcome, " ".join(why.split())[:300])

    def passed(self, name):
        self.add(name, "passed")

    def failed(self, name, why):
        self.add(name, "failed", why)

    def skipped(self, name, why):
        self.add(name, "skipped", why)

    def of(self, name, done, **meaning):
        """By the exit status: 0 passed, a status that `skips` skipped, any other failed."""
        if done.status == 0:
            self.passed(name)
        elif done.status in meaning.get("skips", ()):
            self.skipped(name, done.tail())
        else:
            self.failed(name, f"status {done.status}: {done.tail()}")

    def count(self, outcome):
        return sum(found == outcome for found, _ in self.outcomes.values())


def need(program, package):
    """The path of a program, or Missing."""
    path = shutil.which(program)
    if not path:
        raise Missing(f"no program {program}: install the package {package} (`make deps-suites`)")
    return path


def need_module(name, package):
    if importlib.util.find_spec(name) is None:
        raise Missing(f"no Python module {name}: install the package {package} (`make deps-suites`)")


def source(name, url, cache):
    """The folder with a suite's source, in which it may be built: the one that $NAME says, else a clone of `url`."""
    told = os.environ.get(name.upper())
    if told:
        folder = pathlib.Path(told).resolve()
        if not folder.is_dir():
            raise Missing(f"{name.upper()}={told}: no such folder")
        return folder
    folder = cache / name
    if not folder.is_dir():
        command = ["git", "clone", "--quiet", "--depth", "1", url, str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False,
                                  env={**os.environ, "GIT_TERMINAL_PROMPT": "0"})
            said = done.stderr.strip().splitlines()
        except (OSError, subprocess.TimeoutExpired) as error:
            said = [str(error)]
        if not folder.is_dir():
            raise Missing(f"no source: say where it is with --{name} DIR, or let `git clone {url}` work "
                          f"({said[-1] if said else 'it failed'})")
    return folder


def build(folder, marker, steps, needs):
    """Runs the steps, each a command, in the source, unless the marker (a file that they make) is there."""
    for program, package in needs:
        need(program, package)
    if (folder / marker).exists():
        return
    for step in steps:
        done = subprocess.run(step, cwd=folder, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode != 0:
            raise Missing(f"{folder} doesn't build: `{step}`: {' | '.join(done.stdout.splitlines()[-3:])}")
