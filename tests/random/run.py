#!/usr/bin/env python3
"""Random tester: random system calls of several processes on several files, each result against a model and tmpfs.

    tests/random/run.py FOLDER [--seconds N] [--seed N] [--steps N] [--reference DIR] [--keep DIR]
                        [--shrink SECONDS] [--plant]
    tests/random/run.py FOLDER --replay FILE

FOLDER lies on the filesystem to test. The same seed gives the same steps; where none is given, the time gives one, and
it is printed. Each step is done by one of three processes in FOLDER, by another one on tmpfs (--reference, /dev/shm
where none is given) and by the model (model.py); all three must agree on result, errno and what was read. A new run of
steps starts in an empty folder every 600 steps, so that a failure is short to begin with; it is then shrunk
(shrink.py) to a script that is kept (under --keep) and that does it again by itself. --plant tests the tester: its
processes in FOLDER do one call wrongly, and that must be found.
"""
import argparse
import ast
import pathlib
import shutil
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from model import Model  # noqa: E402
from shrink import shrink  # noqa: E402
from steps import PROCESSES, Generator  # noqa: E402
from worker import Planted, Remote, Worker  # noqa: E402

STEPS_A_RUN = 600
MODEL_IS_WRONG = "the model and tmpfs disagree"


class Run:
    """Steps in an empty folder on each of the two filesystems."""

    def __init__(self, arguments):
        self.folders = [tempfile.mkdtemp(prefix="random-", dir=place)
                        for place in (arguments.folder, arguments.reference)]
        worker = Planted if arguments.plant else Worker
        self.tested = [Remote(self.folders[0], worker) for _ in range(PROCESSES)]
        self.standard = [Remote(self.folders[1]) for _ in range(PROCESSES)]
        self.model = Model()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for remote in self.tested + self.standard:
            remote.end()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def do(self, step):
        """What is wrong with the step's result; nothing when all agree."""
        self.tested[step[0]].send(step)
        self.standard[step[0]].send(step)
        expected = self.model.do(step)
        found, standard = self.tested[step[0]].receive(), self.standard[step[0]].receive()
        if callable(expected):
            return expected(found)
        if standard != expected and standard != ("EOPNOTSUPP",):  # xattrs, before Linux 6.6
            return f"{MODEL_IS_WRONG}: {differing(standard, expected)}"
        return "" if found == expected else differing(found, expected)


def differing(found, expected):
    """Of two long lists only what differs."""
    if len(found) == len(expected) == 2 and isinstance(found[1], list) and isinstance(expected[1], list):
        found, expected = ([row for row in one[1] if row not in other[1]]
                           for one, other in ((found, expected), (expected, found)))
    return f"got {found}, expected {expected}"


def steps_until(generator, end):
    """The steps of one run, and a look at everything at its end."""
    for _ in range(STEPS_A_RUN):
        if time.monotonic() < end:
            yield generator.step()
    yield (0, "tree")


def first_failure(arguments, steps):
    """(steps up to the failure, what is wrong); steps may be a generator."""
    done = []
    with Run(arguments) as run:
        for step in steps:
            done.append(step)
            wrong = run.do(step)
            if wrong:
                return done, wrong
    return done, ""


def keep(arguments, steps, wrong, seed):
    """Writes the steps as a script that does them again."""
    arguments.keep.mkdir(parents=True, exist_ok=True)
    file = arguments.keep / f"seed-{seed}.py"
    lines = "".join(f"    {step!r},\n" for step in steps)
    file.write_text(f'#!/usr/bin/env python3\n# {len(steps)} steps of seed {seed}, then: {wrong}\n'
                    f'# Give a folder of the filesystem as argument.\nSTEPS = [\n{lines}]\n\n'
                    f'import os, sys\nos.execv(sys.executable, [sys.executable, {str(HERE / "run.py")!r}, '
                    f'"--replay", __file__, *sys.argv[1:]])\n')
    file.chmod(0o755)
    return file


def is_usable(folder):
    try:
        tempfile.TemporaryFile(dir=folder).close()
        return True
    except OSError:
        return False


def read_steps(file):
    text = file.read_text()
    return ast.literal_eval(text[text.index("STEPS = ") + len("STEPS = "):text.index("\n]\n") + 2])


def tell(arguments, steps, wrong, seed):
    print(f"random: seed {seed}, step {len(steps)} {steps[-1]}: {wrong}", flush=True)
    if not is_usable(arguments.folder):
        print(f"random: the filesystem died of it; all steps: {keep(arguments, steps, wrong, seed)} FOLDER")
        return

    def fails(shorter):
        found = first_failure(arguments, shorter)[1]
        return bool(found) and found.startswith(MODEL_IS_WRONG) == wrong.startswith(MODEL_IS_WRONG)

    steps, wrong = first_failure(arguments, shrink(steps, fails, arguments.shrink))
    print(f"random: shrunk to {len(steps)} steps:")
    for step in steps:
        print(f"    {step}")
    print(f"    {wrong}\n    again: {keep(arguments, steps, wrong, seed)} FOLDER")


def arguments_of():
    parser = argparse.ArgumentParser(description="Random system calls, against a model and tmpfs.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns() // 1000000)
    parser.add_argument("--steps", type=int, default=1 << 60, help="in all")
    parser.add_argument("--reference", type=pathlib.Path, default="/dev/shm", help="a folder on tmpfs")
    parser.add_argument("--keep", type=pathlib.Path, default="build/random-failures")
    parser.add_argument("--shrink", type=float, default=90, metavar="SECONDS", help="to shrink a failure for")
    parser.add_argument("--replay", type=pathlib.Path, help="do the steps of a kept script")
    parser.add_argument("--plant", action="store_true", help="do one call wrongly: this must fail")
    return parser.parse_args()


def main():
    arguments = arguments_of()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that folders and processes go
    if arguments.replay:
        steps, wrong = first_failure(arguments, read_steps(arguments.replay))
        print(f"random: step {len(steps)} {steps[-1]}: {wrong}" if wrong else f"random: {len(steps)} steps, all right")
        return 1 if wrong else 0
    end = time.monotonic() + arguments.seconds
    count, runs = 0, 0
    while time.monotonic() < end and count < arguments.steps:
        generator = Generator(f"{arguments.seed}/{runs}")
        steps, wrong = first_failure(arguments, steps_until(generator, end))
        count, runs = count + len(steps), runs + 1
        if not wrong and not is_usable(arguments.folder):
            wrong = "the folder can't be used any more"
        if wrong:
            tell(arguments, steps, wrong, f"{arguments.seed}-{runs - 1}")
            return 1
    print(f"random: seed {arguments.seed}: {count} steps in {runs} runs, all right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
