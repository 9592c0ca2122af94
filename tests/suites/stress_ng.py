"""stress-ng: the stressors of its filesystem class, one after the other, with --verify."""
import re

from place import run
from results import need

SIZE = "2G"
STRESSOR_SECONDS = 3
# What they stress isn't in the folder that they are given.
ELSEWHERE = {"binderfs", "bind-mount", "eventfd", "fanotify", "io", "ioprio", "procfs"}


def prepare(_):
    return need("stress-ng", "stress-ng")


def suite(place, results, program):
    listed = run([program, "--class", "filesystem?"])
    names = re.search(r"stressors: (.*)", listed.text).group(1).split()
    for name in names:
        if name in ELSEWHERE:
            continue
        folder = place.path / name
        folder.mkdir(mode=0o777)
        done = run([program, f"--{name}", "2", "--timeout", STRESSOR_SECONDS, "--temp-path", folder, "--verify",
                    "--hdd-bytes", "64M", "--fallocate-bytes", "64M", "--iomix-bytes", "64M"], 120, cwd=folder)
        said = [line for line in done.text.splitlines() if re.search(r"\b(fail|error|skipped)", line)]
        if done.status in (3, 4) or "skipped" in done.text and not re.search(r"\bfail", done.text):
            results.skipped(name, said[0] if said else done.tail())
        elif done.status == 0:
            results.passed(name)
        else:
            results.failed(name, f"status {done.status}: {' | '.join(said[:2]) or done.tail()}")
        run(["rm", "-rf", folder])
