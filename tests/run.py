#!/usr/bin/env python3
# run: runs the suites of tests, and says at its end how many tests passed, failed and were skipped.
#
#   tests/run.py [SUITE...]     all where none is named: tidy unit faults conformance parity pack fuzz mount tutorial
#                               rings libfuse guest races python; and peers, which is a part of mount
#
# BUILD is the build folder; with SANITIZE the programs are instrumented, and their reports fail a test. Every count is
# of tests that ran: a program that is missing, or that dies before it has told its results, is a failure.
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/mount"))
import runner  # the scenarios' own
BUILD = ROOT / os.environ.get("BUILD", "build")
SANITIZE = os.environ.get("SANITIZE", "")
SHARDS = min(4, os.cpu_count() or 1)  # processes of a suite that counts, and measures no time


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def environment(sanitize=SANITIZE):
    env = dict(os.environ)
    # A leak, a race or undefined behaviour ends the program with a status that no test gives.
    # intercept_tls_get_addr: g++ 12's leak check crashes on a thread that ends while it looks (a simulated stream's).
    env.setdefault("ASAN_OPTIONS", "exitcode=99:detect_leaks=1:abort_on_error=0:intercept_tls_get_addr=0")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:exitcode=99")
    env.setdefault("TSAN_OPTIONS", f"exitcode=99:suppressions={ROOT}/tests/support/tsan.supp")
    env.setdefault("LSAN_OPTIONS", f"suppressions={ROOT}/tests/support/lsan.supp")
    if not sanitize:
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
            env.pop(name)
    return env


def junit_count(path):
    """Counts of a JUnit file; pytest's, and GoogleTest's, which says status="run" and result="skipped"."""
    count = Count()
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            count.failed += 1
        elif case.find("skipped") is not None or case.get("result") == "skipped" or case.get("status") == "notrun":
            count.skipped += 1
        else:
            count.passed += 1
    return count


def run_for_junit(name, command, argument, env=None):
    with tempfile.TemporaryDirectory() as folder:
        results = pathlib.Path(folder) / "results.xml"
        done = subprocess.run([*command, f"{argument}{results}"], cwd=ROOT, env=env or environment(), check=False)
        if not results.exists():
            print(f"{name}: {command[0]} ended with {done.returncode} and no results")
            return Count(failed=1)
        count = junit_count(results)
        if done.returncode != 0 and count.failed == 0:
            print(f"{name}: ended with {done.returncode} although no test failed")
            count.failed = 1
        return count


def google_test(name, program, *arguments, shards=1):
    """With shards: so many processes side by side, each with its part of the tests."""
    if not (BUILD / program).exists():
        print(f"{name}: {BUILD / program} is missing")
        return Count(failed=1)

    def run(index):
        env = environment() | {"GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(index)}
        return run_for_junit(name, [str(BUILD / program), "--gtest_brief=1", *arguments], "--gtest_output=xml:", env)

    count = Count()
    with concurrent.futures.ThreadPoolExecutor(shards) as pool:
        for part in pool.map(run, range(shards)):
            count.add(part)
    return count


def suite_tidy():
    done = subprocess.run([sys.executable, ROOT / "tests/tidy.py", "--count"], capture_output=True, text=True,
                          cwd=ROOT, check=False)
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    found = re.search(r"(\d+) passed, (\d+) failed, (\d+) skipped\s*\Z", done.stdout)
    return Count(*map(int, found.groups())) if found else Count(failed=1)


def suite_unit():
    return google_test("unit", "unit-tests")


def suite_faults():
    return google_test("faults", "fault-tests", shards=SHARDS)


def suite_conformance():
    return google_test("conformance", "conformance-tests", f"--driver={BUILD / 'sim/libcuda.so.1'}")


def suite_parity():
    return google_test("parity", "parity-tests")


def suite_pack():
    return google_test("pack", "pack-tests")


def suite_batch():
    return google_test("batch", "batch-tests")


def suite_fuzz():
    """Each fuzzer, over a fixed number of random inputs."""
    count = Count()
    for source in sorted((ROOT / "tests/fuzz").glob("*.cpp")):
        print(f"{source.stem}: ", end="", flush=True)
        done = subprocess.run([BUILD / "fuzz-once" / source.stem], cwd=ROOT, env=environment(), check=False)
        count.add(Count(failed=1) if done.returncode else Count(passed=1))
    return count


def run_scenarios(name, env, *words, folder="mount"):
    with tempfile.TemporaryDirectory() as place:
        results = pathlib.Path(place) / "results.json"
        done = subprocess.run([sys.executable, ROOT / "tests" / folder / "runner.py", "--results", results, *words],
                              cwd=ROOT, env=env, check=False)
        if not results.exists():
            print(f"{name}: the runner ended with {done.returncode} and no results")
            return Count(failed=1)
        outcomes = [test["outcome"] for test in json.loads(results.read_text())]
        return Count(*(outcomes.count(word) for word in ("passed", "failed", "skipped")))


def suite_mount():
    return run_scenarios("mount", environment())


def suite_tutorial():
    """CONTRIBUTING.md's tutorial, done as its text says."""
    if SANITIZE:
        print(f"skip: tutorial: all suites run with {SANITIZE}")
        return Count(skipped=1)
    status = subprocess.run([sys.executable, ROOT / "tests/tutorial.py"], cwd=ROOT, check=False).returncode
    return Count(passed=1) if status == 0 else Count(skipped=1) if status == 77 else Count(failed=1)


def suite_rings():
    """The scenarios that move data and names once more, on mounts with -o io_uring."""
    if not runner.has_rings():
        print(f"skip: rings: {runner.SWITCH} doesn't say Y")
        return Count(skipped=1)
    folders = ["acl", "attributes", "copy", "create", "directory", "flags", "link", "lock", "mapping", "parity",
               "peers", "permission", "read", "rename", "small", "space", "truncate", "unlink", "write", "xattr",
               "load/random.sh", "load/fsx.sh", "load/fsx_three_at_once.sh", "load/fio_verify.sh"]
    return run_scenarios("rings", environment(), "--options=-o io_uring",
                         *(ROOT / "tests/mount" / folder for folder in folders))


# What depends on libfuse: mounts, their end, who takes them over, and each kind of answer.
LIBFUSE_SCENARIOS = [
    "mounting", "cli/doctor.sh", "cli/stat_mount.sh", "copy/real_tools.sh", "copy/in_and_out.sh",
    "copy/within_the_mount.sh", "read", "write/append.sh", "write/by_many_at_once.sh", "write/odd_block_sizes.sh",
    "write/until_full.sh", "create/without_a_name.sh", "create/in_missing_directory.sh",
    "directory/five_thousand_entries.sh", "directory/removed_while_open.sh", "permission/allow_root.sh",
    "flags/chattr.sh", "mapping", "space", "xattr", "peers/c_interface.sh", "peers/leases.sh",
    "peers/after_the_servers_death.sh", "survive/supervisor.sh", "survive/restart.sh", "survive/recovers.sh",
    "survive/saved_at_the_end.sh", "survive/save_fails.sh", "survive/kill_loop_supervised.sh"]


def suite_libfuse():
    """Some scenarios once more, with the command built against the libfuse of other suites of Debian."""
    if SANITIZE:
        print(f"skip: libfuse: all suites run with {SANITIZE}")
        return Count(skipped=1)
    scenarios = LIBFUSE_SCENARIOS + (["rings"] if runner.has_rings() else [])
    # And they never ask libfuse.
    slow = {"umount_of_a_hung_server.sh", "inherit.sh", "free_after_rm.sh", "writes_beside_stores.sh"}
    count = Count()
    for debian in ("trixie", "sid"):
        status = subprocess.run([ROOT / "tests/libfuse/build.sh", debian], env=environment(), check=False).returncode
        if status != 0:
            count.add(Count(skipped=1) if status == 77 else Count(failed=1))
            continue
        count.add(run_scenarios("libfuse", environment(), f"--gmemfs={BUILD / 'libfuse' / debian / 'gmemfs'}",
                                *scripts_of(scenarios, slow)))
    return count


def scripts_of(names, slow):
    """Scripts of these folders and files, but for those called `slow`."""
    paths = runner.find_scripts(ROOT / "tests/mount" / name for name in names)
    return [path for path in paths if path.name not in slow]


def suite_guest():
    """The quickest scenarios in a virtual machine that has the kernel's block devices; `make block-guest` runs all."""
    if SANITIZE:
        print(f"skip: guest: all suites run with {SANITIZE}")
        return Count(skipped=1)
    return run_scenarios("guest", environment(), "--ci", folder="guest")


def suite_races():
    """The broker's scenarios once more, and the pool's threads, with programs built for ThreadSanitizer."""
    build = BUILD / "thread"
    if SANITIZE:
        print(f"skip: races: all suites run with {SANITIZE}")
        return Count(skipped=1)
    if not (build / "gmemfs").exists():
        print(f"races: {build / 'gmemfs'} is missing: make races")
        return Count(failed=1)
    env = environment("thread") | {"SANITIZE": "thread", "BUILD": str(build)}
    slow = {"leases_outlive_a_restart.sh", "leases_outlive_an_abort.sh"}  # `make sanitize-client` runs them, too
    return run_scenarios("races", env, ROOT / "tests/mount/pool/threads.sh", *scripts_of(["peers"], slow))


def suite_python():
    python = ROOT / ".venv/bin/python"
    if not python.exists():
        print("python: .venv is missing: make deps")
        return Count(failed=1)
    return run_for_junit("python", [str(python), "-m", "pytest", "-q", "tests/python"], "--junitxml=", environment())


def suite_peers():
    """What libgmemfs does, in C, C++ and Python: the scenarios of peers alone."""
    return run_scenarios("peers", environment(), ROOT / "tests/mount/peers")


SUITES = {"tidy": suite_tidy, "unit": suite_unit, "faults": suite_faults, "conformance": suite_conformance,
          "parity": suite_parity, "pack": suite_pack, "batch": suite_batch, "fuzz": suite_fuzz, "mount": suite_mount,
          "tutorial": suite_tutorial, "rings": suite_rings, "libfuse": suite_libfuse,
          "guest": suite_guest, "races": suite_races, "python": suite_python}
MORE = {"peers": suite_peers}  # only when named


# Side by side when all are run: the scenarios wait more than they compute, and the fault walk only computes.
# First, alone, what measures time.
ALONE = ["tidy", "unit"]
LANES = [["mount", "libfuse", "rings", "tutorial", "races"],
         ["faults", "guest", "python", "conformance", "parity", "pack", "batch", "fuzz"]]
assert sorted(ALONE + sum(LANES, [])) == sorted(SUITES)


def run_suite(name):
    """The suite's count, and a line about it; what it prints is seen at once."""
    print(f"==== {name}", flush=True)
    start = time.monotonic()
    count = (SUITES | MORE)[name]()
    return count, f"{name:12} {count}, {time.monotonic() - start:.1f} s"


def run_lane(names):
    """Each suite in a process of its own, whose output is printed as a whole at its end."""
    results = []
    for name in names:
        start = time.monotonic()
        done = subprocess.run([sys.executable, __file__, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", check=False)
        found = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped\s*\Z", done.stdout, re.MULTILINE)
        count = Count(*map(int, found.groups())) if found else Count(failed=1)
        print(done.stdout[:found.start()] if found else f"{done.stdout}\n{name}: ended without a count", flush=True)
        results.append((count, f"{name:12} {count}, {time.monotonic() - start:.1f} s"))
    return results


def main():
    names = sys.argv[1:]
    suites = SUITES | MORE
    unknown = [name for name in names if name not in suites]
    if unknown:
        sys.exit(f"run: no such suite: {' '.join(unknown)}; there are: {' '.join(suites)}")
    results = [run_suite(name) for name in names or ALONE]
    if not names:
        print(f"side by side, each printed at its end: {', '.join(map(' '.join, LANES))}", flush=True)
        with concurrent.futures.ThreadPoolExecutor(len(LANES)) as pool:
            for part in pool.map(run_lane, LANES):
                results += part
    total = Count()
    for count, _ in results:
        total.add(count)
    if len(results) > 1:
        print("====", *(line for _, line in results), sep="\n")
    print(total, flush=True)
    sys.exit(1 if total.failed or not total.passed else 0)


if __name__ == "__main__":
    main()
