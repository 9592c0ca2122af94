"""dbench: the file operations that a file server does for its clients; a wrong result ends it."""
import pathlib

from place import run
from results import Missing, need

SIZE = "4G"
CLIENTS = (1, 8)
CLIENT_SECONDS = 10
LOAD = pathlib.Path("/usr/share/dbench/client.txt")


def prepare(_):
    if not LOAD.exists():
        raise Missing(f"no {LOAD}: install the package dbench (`make deps-suites`)")
    return need("dbench", "dbench")


def suite(place, results, program):
    run(["ipcmk", "-S", "1"])  # the first semaphore of a namespace has number 0, which dbench takes for a failure
    for count in CLIENTS:
        folder = place.path / f"clients{count}"
        folder.mkdir()
        done = run([program, "-c", LOAD, "-D", folder, "-t", CLIENT_SECONDS, "-s", count], 300, cwd=place.work)
        failed = [line for line in done.text.splitlines() if "failed" in line or "ERROR" in line]
        if done.status == 0 and "Throughput" in done.text and not failed:
            results.passed(f"{count} clients")
        else:
            results.failed(f"{count} clients", f"status {done.status}: {' | '.join(failed[:2]) or done.tail()}")
        run(["rm", "-rf", folder])
