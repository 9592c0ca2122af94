"""pjdfstest: what POSIX says of each system call that takes a path: 8800 assertions, as root and as other users."""
import concurrent.futures
import re

from place import run
from results import build, source

URL = "https://github.com/pjd/pjdfstest"
SIZE = "4G"
FILE_SECONDS = 300


def prepare(cache):
    folder = source("pjdfstest", URL, cache)
    build(folder, "pjdfstest", ["autoreconf -ifs", "./configure", "make pjdfstest"],
          [("autoreconf", "autoconf"), ("automake", "automake"), ("make", "make")])
    return folder


def suite(place, results, folder):
    scripts = sorted((folder / "tests").glob("**/*.t"))

    def one(script):
        where = place.path / script.relative_to(folder / "tests").as_posix().replace("/", "-")
        where.mkdir(mode=0o755)
        return run(["sh", script], FILE_SECONDS, cwd=where)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for script, done in zip(scripts, pool.map(one, scripts)):
            count_assertions(results, str(script.relative_to(folder / "tests")), done)


def count_assertions(results, name, done):
    """A line of TAP an assertion; the plan `1..N` tells how many there must be."""
    planned = re.search(r"^1\.\.(\d+)", done.text, re.M)
    lines = re.findall(r"^(not ok|ok)\b *(\d*)(.*)$", done.text, re.M)
    for word, number, rest in lines:
        if word == "ok":
            outcome = "skipped" if "# skip" in rest.lower() else "passed"
        else:
            outcome = "skipped" if "# todo" in rest.lower() else "failed"
        results.add(f"{name} {number}", outcome, rest)
    if not planned:
        results.failed(name, f"no plan: {done.tail()}")
    elif int(planned.group(1)) > len(lines):
        results.failed(name, f"ended after {len(lines)} of {planned.group(1)}: {done.tail()}")
