#!/usr/bin/env python3
"""Suites: third-party filesystem tests, each on gmemfs (on the simulator) and on tmpfs, whose results are the standard.

    tests/suites/run.py [SUITE...] [--list] [--json FILE] [--cache DIR] [--NAME DIR...]

Prints a table of counts, and each test that fails on gmemfs and not on tmpfs, with its reason where
tests/suites/known.tsv has one. Exits 1 for a failure that has none, so that what is known stays all there is. A suite
whose programs or source are missing is skipped with a line that says what to install, or which folder to name: sources
are cloned into the cache (build/suites), or taken from --pjdfstest DIR, --xfstests DIR, --ltp DIR.

All of it runs, as root, in namespaces of its own: when this process ends, however it ends, so do the suites' processes
and the mounts.
"""
import argparse
import contextlib
import fnmatch
import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from place import BUILD, Place  # noqa: E402
from results import Missing, Results  # noqa: E402

SUITES = ["pjdfstest", "fsx", "fsstress", "ltp", "fio_verify", "stress_ng", "dbench", "source_tree", "sqlite",
          "python_tests"]
SOURCES = ["pjdfstest", "xfstests", "ltp"]
INSIDE = "GMEMFS_SUITES_INSIDE"


def enter_namespaces():
    """Namespaces of mounts, processes and semaphores: the kernel cleans them up with their first process."""
    if os.environ.get(INSIDE):
        del os.environ[INSIDE]
        return
    if os.getuid() != 0:
        sys.exit("suites: the suites mount, change owners and make devices: run them as root")
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc",
                          sys.executable, *sys.argv])


def let_go_of_others():
    """This namespace began with a copy of every mount: a gmemfs that is unmounted elsewhere would go on in here."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    for path in (line.split()[4] for line in lines if " - fuse.gmemfs " in line):
        subprocess.run(["umount", "-l", path], check=False, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def private_folder():
    """A folder for all that the suites write, on a tmpfs that only this namespace sees; /dev/shm is another."""
    with tempfile.TemporaryDirectory(prefix="gmemfs-") as work:
        for path, mode in ((work, "755"), ("/dev/shm", "1777")):
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode={mode}", "none", path], check=True)
        yield pathlib.Path(work)
        subprocess.run(["umount", "-l", work], check=True)


def known_failures():
    """Lines of `suite TAB pattern of tests TAB reason`."""
    rows = [line.split("\t") for line in (HERE / "known.tsv").read_text().splitlines()
            if line and not line.startswith("#")]
    return [(suite, pattern, reason) for suite, pattern, reason in rows]


def reason_for(suite, test, known):
    fitting = (reason for name, pattern, reason in known if name == suite and fnmatch.fnmatchcase(test, pattern))
    return next(fitting, "")


def run_suite(name, arguments, work):
    """The results by kind of place; raises Missing."""
    module = importlib.import_module(name)
    prepared = module.prepare(arguments.cache)
    found = {}
    for kind in ("gmemfs", "tmpfs"):
        results = found[kind] = Results()
        place = Place(kind, work / f"{name}-{kind}", module.SIZE)
        with place:
            module.suite(place, results, prepared)
        for line in place.complaints():
            results.failed("server", line)
        shutil.rmtree(place.work, ignore_errors=True)
    return found


def compare(name, found, known):
    """(test, why, known reason) of all that fails on gmemfs alone, or that only tmpfs passes."""
    standard = found["tmpfs"].outcomes
    for test, (outcome, why) in found["gmemfs"].outcomes.items():
        on_tmpfs = standard.get(test, ("", ""))[0]
        if outcome == "failed" and on_tmpfs != "failed":
            yield test, why, reason_for(name, test, known)
        if outcome == "skipped" and on_tmpfs == "passed":
            yield test, f"skipped: {why}", reason_for(name, test, known)
    for test, (outcome, _) in standard.items():
        if outcome == "passed" and test not in found["gmemfs"].outcomes:
            yield test, "it ran on tmpfs only", reason_for(name, test, known)


def report(name, found, known):
    """Prints a row a place and what differs; returns both, for the JSON."""
    rows = {}
    for kind, results in found.items():
        rows[kind] = {word: results.count(word) for word in ("passed", "failed", "skipped")}
        print(f"{name:12} {kind:7}" + "".join(f"{count:8}" for count in rows[kind].values()), flush=True)
    alone = list(compare(name, found, known))
    for test, why, reason in alone:
        print(f"    {'known' if reason else 'FAILED'}: {test}: {reason or why}")
    passing = [pattern for suite, pattern, _ in known
               if suite == name and not any(fnmatch.fnmatchcase(test, pattern) for test, _, _ in alone)]
    for pattern in passing:
        print(f"    passes now, take it out of known.tsv: {pattern}")
    differing = [{"test": test, "why": why, "known": reason} for test, why, reason in alone]
    return {"counts": rows, "gmemfs_alone": differing}


def arguments_of():
    parser = argparse.ArgumentParser(description="Runs third-party suites on gmemfs and on tmpfs.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {' '.join(SUITES)}")
    parser.add_argument("--list", action="store_true", help="say what each suite is")
    parser.add_argument("--json", type=pathlib.Path, help="write the counts and differences there")
    parser.add_argument("--cache", type=pathlib.Path, default=BUILD / "suites", help="where sources are cloned to")
    for name in SOURCES:
        parser.add_argument(f"--{name}", metavar="DIR", help=f"the source of {name} (or in the environment: "
                            f"{name.upper()}=DIR); it is built there")
    arguments = parser.parse_args()
    unknown = set(arguments.suites) - set(SUITES)
    if unknown:
        parser.error(f"no suite {' '.join(sorted(unknown))}: there are {' '.join(SUITES)}")
    for name in SOURCES:
        if getattr(arguments, name):
            os.environ[name.upper()] = getattr(arguments, name)
    return arguments


def main():
    arguments = arguments_of()
    chosen = arguments.suites or SUITES
    if arguments.list:
        for name in chosen:
            print(importlib.import_module(name).__doc__.strip().splitlines()[0])
        return 0
    if not os.access(BUILD / "gmemfs", os.X_OK):
        sys.exit(f"suites: no program {BUILD / 'gmemfs'}: run `make` first")
    enter_namespaces()
    let_go_of_others()
    os.umask(0o022)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    known, outcome = known_failures(), {}
    print(f"{'suite':12} {'on':7}{'passed':>8}{'failed':>8}{'skipped':>8}", flush=True)
    with private_folder() as work:
        for name in chosen:
            started = time.monotonic()
            try:
                outcome[name] = report(name, run_suite(name, arguments, work), known)
                outcome[name]["seconds"] = round(time.monotonic() - started)
            except Missing as missing:
                print(f"{name:12} skipped: {missing}", flush=True)
                outcome[name] = {"skipped": str(missing)}
    if arguments.json:
        arguments.json.write_text(json.dumps(outcome, indent=1) + "\n")
    new = [row for result in outcome.values() for row in result.get("gmemfs_alone", []) if not row["known"]]
    print(f"suites: {len(new)} unknown failures on gmemfs alone")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
